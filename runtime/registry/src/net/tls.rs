//! Which certificates are trusted and shown, per registry.
//!
//! The system's authorities (or `SSL_CERT_FILE`, `SSL_CERT_DIR`), and those of `certs.d/HOST[:PORT]/*.crt` beside
//! them; client certificates from `*.cert` and `*.key` there.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use ureq::Agent;
use ureq::config::ConfigBuilder;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};
use ureq::typestate::AgentScope;

use crate::config::{Config, files};
use crate::error::{Error, Kind};
use crate::url::Origin;

/// Where distributions keep the system's authorities in one file.
const BUNDLES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// TLS settings of the HTTP library, and those that take its place.
pub(crate) type Settings = (TlsConfig, Option<Arc<rustls::ClientConfig>>);

/// The system's authorities, read once.
#[derive(Debug)]
pub(crate) struct Roots {
    file: Option<PathBuf>,
    dir: Option<PathBuf>,
    system: OnceLock<Option<Arc<Vec<Certificate<'static>>>>>,
}

impl Roots {
    pub(crate) fn new(config: &Config) -> Self {
        Self { file: config.cert_file.clone(), dir: config.cert_dir.clone(), system: OnceLock::new() }
    }

    /// The TLS settings for an origin, and those of `secure` where the user named certificates.
    pub(crate) fn tls(&self, config: &Config, origin: &Origin, verify: bool) -> Result<Settings, Error> {
        let builder = TlsConfig::builder();
        if !origin.https {
            return Ok((builder.build(), None));
        }
        let own = Own::read(config, origin)?;
        let client =
            own.client.as_ref().map(|(chain, key)| ClientCert::new_with_certs(chain, key.to_owned()));
        let builder = builder.client_cert(client);
        if !verify {
            return Ok((builder.disable_verification(true).build(), None));
        }
        let system = self.system()?;
        // Of the system's authorities only those are the user's own that a variable names.
        let named = system.clone().filter(|_| self.are_named());
        let pinned: Vec<_> =
            named.iter().flat_map(|all| all.iter()).chain(&own.authorities).cloned().collect();
        let mut secure = None;
        if !pinned.is_empty() {
            let all = system.iter().flat_map(|all| all.iter()).chain(&own.authorities);
            let client = own.client.as_ref().map(|(chain, key)| (chain.as_slice(), key.der()));
            secure = Some(super::secure::config(all, &pinned, client)?);
        }
        let roots = match (system, own.authorities.is_empty()) {
            (None, true) => RootCerts::WebPki,
            (None, false) => RootCerts::Specific(Arc::new(own.authorities)),
            (Some(system), true) => RootCerts::Specific(system),
            (Some(system), false) => {
                RootCerts::Specific(Arc::new(system.iter().cloned().chain(own.authorities).collect()))
            }
        };
        Ok((builder.root_certs(roots).build(), secure))
    }

    /// True if a variable names the authorities.
    fn are_named(&self) -> bool {
        self.file.is_some() || self.dir.is_some()
    }

    /// The system's authorities; `None` if there are none, and then those built into this program are used.
    fn system(&self) -> Result<Option<Arc<Vec<Certificate<'static>>>>, Error> {
        if let Some(known) = self.system.get() {
            return Ok(known.clone());
        }
        let mut found = Vec::new();
        if let Some(file) = &self.file {
            found = certificates(file)?;
        } else if self.dir.is_none() {
            for bundle in BUNDLES {
                if Path::new(bundle).is_file() {
                    found = certificates(Path::new(bundle))?;
                    break;
                }
            }
        }
        if let Some(dir) = &self.dir {
            for file in files::list(dir)? {
                // A directory of certificates has links and notes beside them.
                found.extend(certificates(&file).unwrap_or_default());
            }
        }
        let known = (!found.is_empty()).then(|| Arc::new(found));
        Ok(self.system.get_or_init(|| known).clone())
    }
}

/// Whom this machine trusts, for web servers that are no registries: the system's authorities, or those of
/// `SSL_CERT_FILE` and `SSL_CERT_DIR`. They are read when they are first needed; clones share them.
#[derive(Debug, Clone)]
pub struct Trust(Arc<Roots>);

impl Trust {
    /// What a configuration says.
    pub fn of(config: &Config) -> Self {
        Self(Arc::new(Roots::new(config)))
    }

    /// An agent with these settings that trusts so.
    pub fn agent(&self, settings: ConfigBuilder<AgentScope>) -> Result<Agent, Error> {
        let system = self.0.system()?;
        let named = system.as_ref().filter(|_| self.0.are_named());
        let secure = named.map(|all| super::secure::config(all.iter(), all, None)).transpose()?;
        let roots = system.map_or(RootCerts::WebPki, RootCerts::Specific);
        let settings = settings.tls_config(TlsConfig::builder().root_certs(roots).build()).build();
        Ok(super::agent_with(settings, secure))
    }
}

impl Default for Trust {
    /// The distribution's bundle, else what is built in.
    fn default() -> Self {
        Self(Arc::new(Roots { file: None, dir: None, system: OnceLock::new() }))
    }
}

/// What `certs.d` says of one registry.
#[derive(Default)]
struct Own {
    authorities: Vec<Certificate<'static>>,
    client: Option<(Vec<Certificate<'static>>, PrivateKey<'static>)>,
}

impl Own {
    fn read(config: &Config, origin: &Origin) -> Result<Self, Error> {
        let mut own = Self::default();
        for dir in config.certificate_dirs(origin) {
            for file in files::list(&dir)? {
                let key = file.with_extension("key");
                match file.extension().and_then(|ending| ending.to_str()) {
                    Some("crt") => own.authorities.extend(certificates(&file)?),
                    Some("cert") if own.client.is_none() => {
                        if !key.is_file() {
                            return Err(Error::new(
                                Kind::Config,
                                format!("`{}` has no key beside it (`{}`)", file.display(), key.display()),
                            ));
                        }
                        own.client = Some((certificates(&file)?, private_key(&key)?));
                    }
                    _ => {}
                }
            }
        }
        for file in config.authority_files(origin) {
            own.authorities.extend(certificates(&file)?);
        }
        Ok(own)
    }
}

fn certificates(file: &Path) -> Result<Vec<Certificate<'static>>, Error> {
    let text = files::read(file)?.unwrap_or_default();
    let mut found = Vec::new();
    for item in parse_pem(&text) {
        match item {
            Ok(PemItem::Certificate(certificate)) => found.push(certificate),
            Ok(_) => {}
            Err(error) => {
                return Err(Error::new(Kind::Config, format!("`{}` does not read: {error}", file.display())));
            }
        }
    }
    if found.is_empty() {
        return Err(Error::new(Kind::Config, format!("`{}` holds no certificate", file.display())));
    }
    Ok(found)
}

fn private_key(file: &Path) -> Result<PrivateKey<'static>, Error> {
    let text = files::read(file)?.unwrap_or_default();
    for item in parse_pem(&text) {
        if let Ok(PemItem::PrivateKey(key)) = item {
            return Ok(key);
        }
    }
    Err(Error::new(
        Kind::Config,
        format!("`{}` holds no private key that this program reads", file.display()),
    ))
}
