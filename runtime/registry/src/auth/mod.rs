//! Who we are, where: challenges, accounts and tokens, each bound to one origin.
//!
//! An account belongs to the origin of its registry and to nothing else. Any other server that asks who we are (the
//! target of a redirect, a token server) is answered anonymously, with one exception: the registry's own token server,
//! after [`realm::check`] found it trustworthy (security rule R6).

mod challenge;
mod realm;
mod token;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ureq::http::HeaderMap;

use crate::error::{Error, Kind};
use crate::secret::{Credential, Secret};
use crate::url::Origin;
use crate::wire::{Site, Wire};

pub(crate) use challenge::Challenge;

/// What was learnt of registries in this process.
#[derive(Debug, Default)]
pub(crate) struct Auth {
    challenges: Mutex<BTreeMap<Origin, Challenge>>,
    accounts: Mutex<BTreeMap<(String, String), Option<Credential>>>,
    tokens: Mutex<BTreeMap<TokenKey, Token>>,
}

/// What a token is good for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct TokenKey {
    origin: Origin,
    realm: String,
    service: String,
    scopes: Vec<String>,
    anonymous: bool,
}

#[derive(Debug, Clone)]
struct Token {
    value: Secret,
    until: Duration,
}

/// What was sent to say who we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proof {
    /// The header's value.
    pub(crate) value: Secret,
    key: Option<TokenKey>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Auth {
    /// The account of a registry, looked up once.
    pub(crate) fn account(&self, wire: &Wire<'_>, site: &Site) -> Result<Option<Credential>, Error> {
        let key = (site.registry.clone(), site.repository.clone());
        if let Some(known) = lock(&self.accounts).get(&key) {
            return Ok(known.clone());
        }
        let found = wire.config.account(&site.registry, &site.repository)?;
        lock(&self.accounts).insert(key, found.clone());
        Ok(found)
    }

    /// The `Authorization` for a request, from what is known so far. `None` before a server has asked.
    pub(crate) fn proof(
        &self,
        wire: &Wire<'_>,
        site: &Site,
        origin: &Origin,
        scopes: &[String],
    ) -> Result<Option<Proof>, Error> {
        // Only the registry itself gets the account.
        let account = if *origin == site.origin { self.account(wire, site)? } else { None };
        if let Some(Credential::Bearer(token)) = &account {
            return Ok(Some(Proof { value: bearer(token), key: None }));
        }
        let challenge = lock(&self.challenges).get(origin).cloned();
        match challenge {
            None => Ok(None),
            Some(Challenge::Basic) => Ok(account.and_then(|account| account.encoded()).map(|encoded| {
                Proof { value: Secret::new(format!("Basic {}", encoded.expose())), key: None }
            })),
            Some(Challenge::Bearer { realm, service, scope }) => {
                let mut wanted: Vec<String> = scopes.to_vec();
                if wanted.is_empty() {
                    wanted = scope.split(' ').filter(|part| !part.is_empty()).map(str::to_owned).collect();
                }
                wanted.sort();
                wanted.dedup();
                let anonymous = account.is_none();
                let key = TokenKey { origin: origin.clone(), realm, service, scopes: wanted, anonymous };
                let known = lock(&self.tokens).get(&key).cloned();
                if let Some(token) = known.filter(|token| token.until > wire.config.clock.now()) {
                    return Ok(Some(Proof { value: bearer(&token.value), key: Some(key) }));
                }
                let token = token::fetch(wire, site, &key, account.as_ref())?;
                let value = bearer(&token.value);
                lock(&self.tokens).insert(key.clone(), token);
                Ok(Some(Proof { value, key: Some(key) }))
            }
        }
    }

    /// Learns from a 401. True if another try with a new proof makes sense.
    pub(crate) fn learn(
        &self,
        wire: &Wire<'_>,
        site: &Site,
        origin: &Origin,
        headers: &HeaderMap,
        used: Option<&Proof>,
        scopes: &mut Vec<String>,
    ) -> Result<bool, Error> {
        let challenge = Challenge::read(headers)?;
        if let Challenge::Bearer { scope, .. } = &challenge {
            for asked in scope.split(' ').filter(|part| !part.is_empty()) {
                if !scopes.is_empty() && !scopes.iter().any(|own| covers(own, asked)) {
                    scopes.push(asked.to_owned());
                }
            }
        }
        if challenge == Challenge::Basic {
            let own = *origin == site.origin;
            let has = own && matches!(self.account(wire, site)?, Some(Credential::Basic { .. }));
            lock(&self.challenges).insert(origin.clone(), challenge);
            return Ok(has && used.is_none());
        }
        // A token that the server refuses is not tried twice.
        if let Some(key) = used.and_then(|used| used.key.as_ref()) {
            lock(&self.tokens).remove(key);
        }
        if let Some(Proof { key: None, .. }) = used {
            // A ready-made token, or a password that another challenge follows on.
            if matches!(self.account(wire, site)?, Some(Credential::Bearer(_))) {
                return Ok(false);
            }
        }
        lock(&self.challenges).insert(origin.clone(), challenge);
        Ok(true)
    }

    /// Replaces every secret that this process knows by stars: a server may send back what it was sent.
    pub(crate) fn redact(&self, text: &str) -> String {
        let mut secrets: Vec<Secret> = lock(&self.tokens).values().map(|token| token.value.clone()).collect();
        for account in lock(&self.accounts).values().flatten() {
            secrets.extend(account.secrets());
        }
        // The longest first: one may contain another.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.expose().len()));
        secrets
            .iter()
            .filter(|secret| secret.expose().len() >= 4)
            .fold(text.to_owned(), |text, secret| text.replace(secret.expose(), "***"))
    }
}

/// True if a scope allows all that another one does: `repository:a:pull,push` covers `repository:a:pull`.
fn covers(own: &str, asked: &str) -> bool {
    let (Some((what, has)), Some((whose, wants))) = (own.rsplit_once(':'), asked.rsplit_once(':')) else {
        return own == asked;
    };
    what == whose && wants.split(',').all(|action| has.split(',').any(|own| own == action || own == "*"))
}

fn bearer(token: &Secret) -> Secret {
    Secret::new(format!("Bearer {}", token.expose()))
}

/// The error of a request that stays refused.
pub(crate) fn unauthorized(site: &Site, account: Option<&Credential>, said: &str) -> Error {
    let detail = match account.and_then(Credential::user) {
        Some(user) => format!("`{}` does not accept the login of `{user}`{said}", site.registry),
        None if account.is_some() => format!("`{}` does not accept the saved token{said}", site.registry),
        None => format!("`{}` wants a login{said}", site.registry),
    };
    let help = format!(
        "`imgc login {}`; a repository that does not exist looks the same without one",
        site.registry
    );
    Error::new(Kind::Unauthorized, detail).with_help(help).with_status(401)
}
