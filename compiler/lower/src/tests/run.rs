//! `RUN`: forms, heredocs, mounts.

use imgc_graph::{CacheSharing, Network, Security};

use super::*;

#[test]
fn forms() {
    for (text, args, created_by) in [
        ("RUN a && b", vec!["/bin/sh", "-c", "a && b"], "RUN /bin/sh -c a && b # buildkit"),
        ("RUN a \\\n  # comment\n  b", vec!["/bin/sh", "-c", "a   b"], "RUN /bin/sh -c a   b # buildkit"),
        ("RUN [\"a\", \"$b\"]", vec!["a", "$b"], "RUN a $b # buildkit"),
        ("RUN ['a']", vec!["/bin/sh", "-c", "['a']"], "RUN /bin/sh -c ['a'] # buildkit"),
        ("RUN []", vec![], "RUN  # buildkit"),
        ("SHELL [\"bash\", \"-ec\"]\nRUN a", vec!["bash", "-ec", "a"], "RUN bash -ec a # buildkit"),
    ] {
        let text = format!("FROM debian\n{text}");
        assert_eq!(execs(&text)[0].args, args, "{text}");
        assert_eq!(history(&text).last().unwrap(), created_by, "{text}");
    }
}

#[test]
fn heredocs() {
    for (text, script, file) in [
        ("RUN <<EOF\na\n$b\nEOF", "a\n$b\n", None),
        ("RUN <<-'E F'\n\ta\n\tE F", "a\n", None),
        ("RUN <<EOF cat > /x\na\nEOF", "<<EOF cat > /x\na\nEOF", None),
        ("RUN cat <<EOF > /x\n\ta\nEOF", "cat <<EOF > /x\n\ta\nEOF", None),
        ("RUN cat <<-EOF\n\ta\n\tEOF", "cat <<-EOF\n\ta\nEOF", None),
        ("RUN <<A <<B\na\nA\nb\nB", "<<A <<B\na\nA\nb\nB", None),
        ("RUN 3<<EOF\na\nEOF", "a\n", None),
        ("RUN <<EOF\n#!/bin/python\nx\nEOF", "/dev/pipes/EOF", Some(("EOF", "#!/bin/python\nx\n"))),
        ("RUN <<-EOF\n\t#!/bin/python\n\tEOF", "/dev/pipes/EOF", Some(("EOF", "#!/bin/python\n"))),
    ] {
        let exec = execs(&format!("FROM debian\n{text}\n")).remove(0);
        assert_eq!(exec.args, ["/bin/sh", "-c", script], "{text}");
        let scripts: Vec<_> =
            exec.scripts.iter().map(|(name, body)| (name.as_str(), body.as_str())).collect();
        assert_eq!(scripts, file.into_iter().collect::<Vec<_>>(), "{text}");
    }
}

#[test]
fn surroundings() {
    let exec = execs(
        "FROM alpine\nENV A=1\nARG B=2\nUSER $A:3\nWORKDIR sub\n\
         RUN --network=none --security=insecure x",
    )
    .remove(0);
    let env: Vec<String> = exec.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(env, ["PATH=/bin", "LANG=C", "A=1", "B=2"]);
    assert_eq!((exec.user.as_str(), exec.cwd.to_absolute().as_str()), ("1:3", "/srv/sub"));
    assert_eq!((exec.network, exec.security), (Network::None, Security::Insecure));
    assert_eq!(exec.hostname, "buildkitsandbox");
}

#[test]
fn networks_and_the_host_name() {
    let build_args = BTreeMap::from([("BUILDKIT_SANDBOX_HOSTNAME".to_owned(), Some("me".to_owned()))]);
    let text = "FROM debian\nRUN a\nRUN --network=host b\nRUN --network=default c";
    let graph = run(text, &Options { build_args, ..options() }, &Fake::new()).unwrap().graph;
    let all: Vec<_> = graph
        .nodes()
        .filter_map(|id| match &graph.node(id).op {
            Op::Exec(exec) => Some((exec.network, exec.hostname.clone())),
            _ => None,
        })
        .collect();
    let me = || "me".to_owned();
    assert_eq!(all, [(Network::Default, me()), (Network::Host, me()), (Network::Default, me())]);
}

#[test]
fn mounts_of_every_type() {
    let text = "FROM debian AS tools\nFROM debian\nWORKDIR /w\nARG d=/x\n\
        RUN --mount=target=src \
            --mount=type=bind,from=tools,source=/usr,target=$d,rw \
            --mount=type=bind,from=0,target=/t0 \
            --mount=type=cache,target=/c/./d/,sharing=locked,uid=1,gid=2,mode=0700 \
            --mount=type=cache,id=n,target=/e,from=alpine,source=/s,ro \
            --mount=type=cache,target=rel \
            --mount=type=tmpfs,target=/tmp,size=1m \
            --mount=type=secret,id=a/key \
            --mount=type=secret,id=tok,env=TOKEN,required \
            --mount=type=secret,id=tok,env=TOKEN,target=/tok,mode=0440 \
            --mount=type=ssh \
            --mount=type=ssh,id=other,required \
            x\n";
    let bind = |input, source: &str, writable| MountKind::Bind {
        input,
        source: imgc_base::ImagePath::clean(source).unwrap(),
        writable,
    };
    let cache = |id: &str| MountKind::Cache {
        id: id.to_owned(),
        sharing: CacheSharing::Shared,
        readonly: false,
        from: None,
        mode: 0o755,
        uid: 0,
        gid: 0,
    };
    let secret = |id: &str, mode, env: Option<&str>, file, required| MountKind::Secret {
        id: id.to_owned(),
        required,
        mode,
        uid: 0,
        gid: 0,
        env: env.map(str::to_owned),
        file,
    };
    let ssh =
        |id: &str, required| MountKind::Ssh { id: id.to_owned(), required, mode: 0o600, uid: 0, gid: 0 };
    let expected: Vec<(&str, MountKind)> = vec![
        ("/w/src", bind(1, "/", false)),
        ("/x", bind(2, "/usr", true)),
        ("/t0", bind(2, "/", false)),
        (
            "/c/d",
            match cache("/c/d") {
                MountKind::Cache { id, readonly, from, .. } => MountKind::Cache {
                    id,
                    sharing: CacheSharing::Locked,
                    readonly,
                    from,
                    mode: 0o700,
                    uid: 1,
                    gid: 2,
                },
                other => other,
            },
        ),
        (
            "/e",
            match cache("n") {
                MountKind::Cache { id, sharing, mode, uid, gid, .. } => MountKind::Cache {
                    id,
                    sharing,
                    readonly: true,
                    from: Some((3, imgc_base::ImagePath::clean("s").unwrap())),
                    mode,
                    uid,
                    gid,
                },
                other => other,
            },
        ),
        ("/w/rel", cache("rel")),
        ("/tmp", MountKind::Tmpfs { size: 1 << 20 }),
        ("/run/secrets/key", secret("a/key", 0o400, None, true, false)),
        ("/run/secrets/tok", secret("tok", 0o400, Some("TOKEN"), false, true)),
        ("/tok", secret("tok", 0o440, Some("TOKEN"), true, false)),
        ("/run/buildkit/ssh_agent.0", ssh("default", false)),
        ("/run/buildkit/ssh_agent.1", ssh("other", true)),
    ];
    let found = mounts(&execs(text)[0]);
    let found: Vec<(&str, MountKind)> =
        found.iter().map(|(target, kind)| (target.as_str(), kind.clone())).collect();
    assert_eq!(found, expected);
}

#[test]
fn caches_may_have_a_namespace() {
    let build_args = BTreeMap::from([("BUILDKIT_CACHE_MOUNT_NS".to_owned(), Some("ns".to_owned()))]);
    let options = Options { build_args, ..options() };
    let graph = run("FROM debian\nRUN --mount=type=cache,target=/c x", &options, &Fake::new()).unwrap().graph;
    assert!(print(&graph).contains("id: \"ns//c\""));
}

#[test]
fn a_mount_brings_its_stage_and_the_main_context_its_patterns() {
    let text = "FROM debian AS unused\nRUN a\nFROM debian AS used\nRUN b\nFROM debian\nRUN --mount=from=used,target=/m --mount=target=/c x";
    let printed = printed(text);
    assert!(printed.contains("\"b\""), "{printed}");
    assert!(!printed.contains("\"a\""), "{printed}");
    assert!(printed.contains("ignore: [\"*.log\"]"), "{printed}");
}
