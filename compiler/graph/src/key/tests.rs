//! Tests of the keys of definitions and contents.

use imgc_base::path::ImagePath;
use imgc_base::platform::Platform;

use super::*;
use crate::exec::{CacheSharing, Exec, Mount, MountKind, Network, Security};
use crate::graph::{Node, Origin};

fn exec() -> Exec {
    Exec {
        args: vec!["make".into()],
        env: vec![("PATH".into(), "/bin".into()), ("NPM_TOKEN".into(), "hunter2".into())],
        cwd: ImagePath::root(),
        user: String::new(),
        mounts: Vec::new(),
        scripts: Vec::new(),
        network: Network::Default,
        security: Security::Sandbox,
        hostname: "build".into(),
    }
}

fn keys_of(exec: Exec, platform: &str, origin: Origin) -> (DefinitionKey, Vec<Component>) {
    let mut graph = Graph::new();
    let platform: Platform = platform.parse().unwrap();
    let scratch =
        Node { op: Op::Source(Source::Scratch), platform: platform.clone(), origin: Origin::default() };
    let root = graph.add(scratch, &[]);
    let step = graph.add(Node { op: Op::Exec(exec), platform, origin }, &[root]);
    let keys = definition_keys(&graph);
    let (key, components) = definition_key(&graph, step, &keys);
    assert_eq!(keys[&step], key);
    (key, components)
}

fn key_of(change: impl FnOnce(&mut Exec)) -> DefinitionKey {
    let mut exec = exec();
    change(&mut exec);
    keys_of(exec, "linux/amd64", Origin::default()).0
}

fn mounted(kind: MountKind) -> DefinitionKey {
    key_of(|e| e.mounts.push(Mount { target: ImagePath::clean("/m").unwrap(), kind }))
}

fn cache(id: &str, sharing: CacheSharing, uid: u32) -> MountKind {
    MountKind::Cache { id: id.into(), sharing, readonly: false, from: None, mode: 0o755, uid, gid: 0 }
}

fn secret(id: &str) -> MountKind {
    MountKind::Secret { id: id.into(), required: true, mode: 0o400, uid: 0, gid: 0, env: None, file: true }
}

#[test]
fn what_changes_a_key() {
    let base = key_of(|_| {});
    assert_ne!(base, key_of(|e| e.args.push("all".into())));
    assert_ne!(base, key_of(|e| e.env[0].1.push('x')));
    assert_ne!(base, key_of(|e| e.env.swap(0, 1)));
    assert_ne!(base, key_of(|e| e.user = "app".into()));
    assert_ne!(base, key_of(|e| e.network = Network::None));
    assert_ne!(base, key_of(|e| e.security = Security::Insecure));
    assert_ne!(base, keys_of(exec(), "linux/arm64", Origin::default()).0);
    assert_ne!(mounted(secret("a")), mounted(secret("b")));
    assert_ne!(mounted(cache("a", CacheSharing::Shared, 0)), mounted(cache("a", CacheSharing::Shared, 1)));
}

#[test]
fn what_changes_no_key() {
    let origin = Origin { step: "build#9".into(), title: "RUN make".into(), span: None };
    assert_eq!(key_of(|_| {}), keys_of(exec(), "linux/amd64", origin).0);
    assert_eq!(mounted(cache("a", CacheSharing::Shared, 0)), mounted(cache("b", CacheSharing::Locked, 0)));
}

#[test]
fn components_are_named_and_hide_what_looks_secret() {
    let (_, components) = keys_of(exec(), "linux/amd64", Origin::default());
    let names: Vec<&str> = components.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "op",
            "platform",
            "args",
            "env PATH",
            "env NPM_TOKEN",
            "cwd",
            "user",
            "network",
            "security",
            "hostname",
            "input 0"
        ]
    );
    let shown = |name: &str| components.iter().find(|c| c.name == name).unwrap().shown.as_str();
    assert_eq!(shown("env PATH"), "/bin");
    assert_eq!(shown("env NPM_TOKEN"), "");
}

/// A changed encoding must change the tag: the value is fixed.
#[test]
fn the_encoding_is_stable() {
    insta::assert_snapshot!(key_of(|_| {}), @"sha256:4781228a9962561449e3ac1de56721fae0a2b2b04a9172eb15094647c3b7139e");
}
