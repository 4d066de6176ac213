//! The canonical form of a command.

use imgc_base::canonical::KeyBuilder;

use super::encode::Encoder;
use crate::exec::{Exec, Mount, MountKind, Network, Security};

/// Adds what a command is: arguments, environment, mounts. Not what its mounts hold, no value of a secret, no name
/// or sharing of a cache.
pub fn exec_components(exec: &Exec, key: &mut KeyBuilder) {
    key.list("args", &exec.args);
    for (name, value) in &exec.env {
        // Build arguments come through the environment; what looks like a password is not kept for people to read.
        let shown = if looks_secret(name) { "" } else { value.as_str() };
        key.add(&format!("env {name}"), value.as_bytes(), shown);
    }
    key.add("cwd", exec.cwd.as_bytes(), exec.cwd.to_absolute());
    key.text("user", &exec.user);
    for mount in &exec.mounts {
        let (kind, value) = mount_value(mount);
        key.add(&format!("mount {}", mount.target), &value, kind);
    }
    for (name, script) in &exec.scripts {
        key.text(&format!("script {name}"), script);
    }
    key.text(
        "network",
        match exec.network {
            Network::Default => "default",
            Network::None => "none",
            Network::Host => "host",
        },
    );
    key.text(
        "security",
        match exec.security {
            Security::Sandbox => "sandbox",
            Security::Insecure => "insecure",
        },
    );
    key.text("hostname", &exec.hostname);
}

/// The kind of a mount and its canonical bytes.
fn mount_value(mount: &Mount) -> (&'static str, Vec<u8>) {
    let mut value = Encoder::new();
    let kind = mount.kind.name();
    value.text(kind);
    match &mount.kind {
        MountKind::Bind { input, source, writable } => {
            value.number(*input as u64).bytes(source.as_bytes()).flag(*writable);
        }
        MountKind::Cache { id: _, sharing: _, readonly, from, mode, uid, gid } => {
            value.flag(*readonly).flag(from.is_some());
            if let Some((input, source)) = from {
                value.number(*input as u64).bytes(source.as_bytes());
            }
            value.number(u64::from(*mode)).number(u64::from(*uid)).number(u64::from(*gid));
        }
        MountKind::Tmpfs { size } => {
            value.number(*size);
        }
        MountKind::Secret { id, required, mode, uid, gid, env, file } => {
            value.text(id).flag(*required).optional(env.as_deref()).flag(*file);
            value.number(u64::from(*mode)).number(u64::from(*uid)).number(u64::from(*gid));
        }
        MountKind::Ssh { id, required, mode, uid, gid } => {
            value.text(id).flag(*required);
            value.number(u64::from(*mode)).number(u64::from(*uid)).number(u64::from(*gid));
        }
    }
    (kind, value.finish())
}

/// True for names like `NPM_TOKEN`; the words are those of the check `SecretsUsedInArgOrEnv`.
fn looks_secret(name: &str) -> bool {
    let lower = name.to_lowercase();
    let has = |words: &[&str]| lower.split('_').any(|part| words.contains(&part));
    has(&[
        "apikey",
        "auth",
        "credential",
        "credentials",
        "key",
        "password",
        "pword",
        "passwd",
        "secret",
        "token",
    ]) && !has(&["public", "file", "version"])
}
