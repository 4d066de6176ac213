//! Random graphs for tests: every op, every field, well formed.

use std::collections::BTreeMap;

use imgc_base::config::{ContainerConfig, Empty, Healthcheck, History};
use imgc_base::digest::{BlobDigest, DiffId};
use imgc_base::path::ImagePath;
use imgc_base::platform::Platform;
use imgc_base::span::{SourceId, Span};
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::*;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{0,6}",
        any::<String>().prop_map(|text| text.chars().take(12).collect::<String>()),
        Just("\"\\\n;{}[]=%".to_owned()),
    ]
}

fn path() -> impl Strategy<Value = ImagePath> {
    vec(any::<u8>(), 0..10).prop_filter_map("a NUL", |bytes| ImagePath::clean(bytes).ok())
}

fn platform() -> impl Strategy<Value = Platform> {
    prop_oneof![Just("linux/amd64"), Just("linux/arm64"), Just("linux/arm/v7")]
        .prop_map(|p| p.parse().unwrap())
}

fn owner() -> impl Strategy<Value = Option<OwnerSpec>> {
    of((text(), of(text())).prop_map(|(user, group)| OwnerSpec { user, group }))
}

fn chmod() -> impl Strategy<Value = Option<Chmod>> {
    of(prop_oneof![(0_u32..0o10000).prop_map(Chmod::Octal), text().prop_map(Chmod::Symbolic)])
}

fn source() -> impl Strategy<Value = Source> {
    let blob = || any::<u64>().prop_map(|n| BlobDigest::of(&n.to_le_bytes()));
    let layer = any::<u64>().prop_map(|n| DiffId::of(&n.to_le_bytes()));
    prop_oneof![
        Just(Source::Scratch),
        (text(), blob(), platform(), vec(layer, 0..3)).prop_map(|(reference, digest, platform, layers)| {
            Source::Image { reference, digest, platform, layers }
        }),
        (text(), vec(text(), 0..3)).prop_map(|(name, ignore)| Source::Context { name, ignore }),
        (text(), of(blob()), of(text())).prop_map(|(url, checksum, filename)| Source::Http {
            url,
            checksum,
            filename
        }),
        (text(), text(), text(), any::<[bool; 2]>(), of(text())).prop_map(
            |(remote, reference, subdir, [keep_git_dir, submodules], checksum)| Source::Git {
                remote,
                reference,
                subdir,
                keep_git_dir,
                submodules,
                checksum
            }
        ),
    ]
}

/// Inputs are chosen later: mounts and copies name input 1.
fn mount() -> impl Strategy<Value = Mount> {
    let owned = || (0_u32..0o10000, any::<u32>(), any::<u32>());
    let sharing =
        prop_oneof![Just(CacheSharing::Shared), Just(CacheSharing::Private), Just(CacheSharing::Locked)];
    let kind = prop_oneof![
        (path(), any::<bool>()).prop_map(|(source, writable)| MountKind::Bind { input: 1, source, writable }),
        (text(), sharing, any::<bool>(), of(path()), owned()).prop_map(
            |(id, sharing, readonly, from, (mode, uid, gid))| MountKind::Cache {
                id,
                sharing,
                readonly,
                from: from.map(|path| (1, path)),
                mode,
                uid,
                gid
            }
        ),
        any::<u64>().prop_map(|size| MountKind::Tmpfs { size }),
        (text(), any::<bool>(), owned(), of(text()), any::<bool>()).prop_map(
            |(id, required, (mode, uid, gid), env, file)| MountKind::Secret {
                id,
                required,
                mode,
                uid,
                gid,
                env,
                file
            }
        ),
        (text(), any::<bool>(), owned()).prop_map(|(id, required, (mode, uid, gid))| MountKind::Ssh {
            id,
            required,
            mode,
            uid,
            gid
        }),
    ];
    (path(), kind).prop_map(|(target, kind)| Mount { target, kind })
}

fn exec() -> impl Strategy<Value = Exec> {
    let network = prop_oneof![Just(Network::Default), Just(Network::None), Just(Network::Host)];
    let security = prop_oneof![Just(Security::Sandbox), Just(Security::Insecure)];
    let pairs = || vec((text(), text()), 0..3);
    (vec(text(), 0..4), pairs(), path(), text(), vec(mount(), 0..3), pairs(), network, security, text())
        .prop_map(|(args, env, cwd, user, mounts, scripts, network, security, hostname)| Exec {
            args,
            env,
            cwd,
            user,
            mounts,
            scripts,
            network,
            security,
            hostname,
        })
}

fn action() -> impl Strategy<Value = FileAction> {
    let copy = (vec(text(), 0..3), path(), owner(), chmod(), vec(text(), 0..2), any::<[bool; 5]>()).prop_map(
        |(sources, dest, owner, chmod, exclude, [foreign, into_dir, unpack, link, parents])| {
            FileAction::Copy(Box::new(Copy {
                from: CopyFrom { input: 1, foreign },
                sources,
                dest,
                into_dir,
                owner,
                chmod,
                unpack: if unpack { Unpack::Archives } else { Unpack::Never },
                link,
                parents,
                exclude,
            }))
        },
    );
    prop_oneof![
        copy,
        (path(), owner()).prop_map(|(path, owner)| FileAction::MakeDir { path, owner }),
        (path(), text(), any::<bool>(), vec(any::<u8>(), 0..20), chmod(), owner()).prop_map(
            |(dest, name, into_dir, content, chmod, owner)| FileAction::Write {
                dest,
                name,
                into_dir,
                content,
                chmod,
                owner
            }
        ),
    ]
}

fn config() -> impl Strategy<Value = ContainerConfig> {
    let set = || btree_map(text(), Just(Empty {}), 0..2);
    let words = || of(vec(text(), 0..3));
    let health = (vec(text(), 0..3), any::<[i64; 5]>()).prop_map(|(test, n)| Healthcheck {
        test,
        interval: n[0],
        timeout: n[1],
        start_period: n[2],
        start_interval: n[3],
        retries: n[4],
    });
    let first = (text(), set(), vec(text(), 0..3), words(), words(), of(health), any::<bool>());
    let second = (set(), text(), vec(text(), 0..2), btree_map(text(), text(), 0..3), of(text()), words());
    (first, second).prop_map(
        |(
            (user, exposed_ports, env, entrypoint, cmd, healthcheck, args_escaped),
            (volumes, working_dir, on_build, labels, stop_signal, shell),
        )| ContainerConfig {
            user,
            exposed_ports,
            env,
            entrypoint,
            cmd,
            healthcheck,
            args_escaped,
            volumes,
            working_dir,
            on_build,
            labels,
            stop_signal,
            shell,
        },
    )
}

fn image() -> impl Strategy<Value = ImageOp> {
    let base_history = (of(text()), of(text()), of(text()), of(text()), any::<bool>()).prop_map(
        |(created, created_by, author, comment, empty_layer)| History {
            created,
            created_by,
            author,
            comment,
            empty_layer,
        },
    );
    let base = prop_oneof![Just("debian"), Just("debian:13"), Just("localhost:5000/a/b:1")];
    let base = of(base.prop_map(|name| name.parse().unwrap()));
    let history = vec(text().prop_map(|created_by| PlannedHistory { created_by, node: None }), 0..2);
    (
        platform(),
        config(),
        of(text()),
        vec(base_history, 0..2),
        history,
        btree_map(text(), text(), 0..2),
        base,
    )
        .prop_map(|(platform, config, author, base_history, history, annotations, base)| ImageOp {
            platform,
            config,
            author,
            base_history,
            history,
            annotations,
            base,
        })
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => source().prop_map(Op::Source),
        4 => exec().prop_map(Op::Exec),
        4 => vec(action(), 1..3).prop_map(|actions| Op::File(FileOp { actions })),
        1 => Just(Op::Merge),
        1 => Just(Op::Diff),
        2 => image().prop_map(|image| Op::Image(Box::new(image))),
    ]
}

fn origin() -> impl Strategy<Value = Origin> {
    let span = any::<[u32; 3]>().prop_map(|n| Span::new(SourceId(n[0]), n[1], n[2]));
    (text(), text(), of(span)).prop_map(|(step, title, span)| Origin { step, title, span })
}

/// A graph that verifies.
pub(crate) fn graph() -> impl Strategy<Value = Graph> {
    let node = (op(), platform(), origin(), any::<[Index; 3]>());
    vec(node, 0..12).prop_map(|nodes| {
        let mut graph = Graph::new();
        let scratch = Node {
            op: Op::Source(Source::Scratch),
            platform: Platform::new("linux", "amd64", ""),
            origin: Origin::default(),
        };
        let mut trees = vec![graph.add(scratch, &[])];
        graph.add_target(trees[0]);
        for (mut op, platform, origin, picks) in nodes {
            let inputs: Vec<NodeId> = picks.iter().map(|pick| *pick.get(&trees)).collect();
            let inputs = match &mut op {
                Op::Source(_) => &[],
                Op::Exec(_) | Op::File(_) | Op::Merge => &inputs[..],
                Op::Diff => &inputs[..2],
                Op::Image(image) => {
                    let steps = chain::of(&graph, inputs[0]).steps;
                    let history = steps.iter().take(4);
                    image.history.extend(
                        history.map(|&step| PlannedHistory { created_by: "x".into(), node: Some(step) }),
                    );
                    &inputs[..1]
                }
                Op::Index => unreachable!("added at the end"),
            };
            let is_tree = op.is_tree();
            let id = graph.add(Node { op, platform, origin }, inputs);
            if is_tree { trees.push(id) } else { graph.add_target(id) }
        }
        let mut images = BTreeMap::new();
        for id in graph.nodes() {
            if let Op::Image(image) = &graph.node(id).op {
                images.insert(image.platform.clone(), id);
            }
        }
        if !images.is_empty() {
            let images: Vec<NodeId> = images.into_values().collect();
            let (platform, origin) = (Platform::new("linux", "amd64", ""), Origin::default());
            let index = graph.add(Node { op: Op::Index, platform, origin }, &images);
            graph.add_target(index);
        }
        graph
    })
}
