//! Secrets reach the command that asked for them, and nothing else: no layer, config, history, key, log, cache or record.

use std::os::unix::net::UnixListener;
use std::process::Stdio;

use imgc_testkit::{Done, Place, leak};

use crate::place;

/// Values that nothing else holds.
const FILE: &str = "f1Le-s3cr3t-9Qx7vLk2pRz8";
const VARIABLE: &str = "v4r1able-T0ken/with+signs=Jm5w";
const TARGET: &str = "3nv-t4rget-Value-Hs82kd0Qp";

/// A place with busybox, a secret file in the context and one outside.
fn ready(test: &str) -> Option<Place> {
    let place = place();
    if !place.with_busybox(test) {
        return None;
    }
    place.write("ctx/.dockerignore", "in-context.key\n");
    place.write("ctx/in-context.key", FILE);
    place.write("ctx/app.txt", "app\n");
    place.write("private/token", format!("{FILE}\n"));
    Some(place)
}

/// Runs the program with the secret variables set.
fn imgc(place: &Place, args: &[&str]) -> Done {
    let output = place
        .command()
        .env("MY_TOKEN", VARIABLE)
        .env("AWS", TARGET)
        .args(args)
        .stdout(Stdio::piped())
        .output()
        .expect("the program starts");
    Done::of(&output)
}

/// Panics if a secret is in what was said or left.
#[track_caller]
fn assert_clean(place: &Place, said: &[Done]) {
    for secret in [FILE, VARIABLE, TARGET] {
        let mut found = leak::in_dir(&place.path(""), &["private", "in-context.key"], secret.as_bytes());
        for done in said {
            found.extend(leak::in_bytes("stdout", done.stdout.as_bytes(), secret.as_bytes()));
            found.extend(leak::in_bytes("stderr", done.stderr.as_bytes(), secret.as_bytes()));
        }
        assert!(found.is_empty(), "{}", found.join("\n"));
    }
}

/// All ways to be given a secret; each is checked by its hash, which is no form of it.
fn dockerfile() -> String {
    let sum = |text: &str| imgc_base::FileDigest::of(text.as_bytes()).to_string().replace("sha256:", "");
    format!(
        "FROM busybox AS one\nARG PLAIN=1\nCOPY . /app/\nWORKDIR /app\n\
         RUN --mount=type=secret,id=file echo '{file}  /run/secrets/file' | sha256sum -c\n\
         RUN --mount=type=secret,id=var,target=/deep/place/it,mode=0440,uid=1000,gid=50 \\\n\
           test \"$(stat -c '%a %u:%g' /deep/place/it)\" = '440 1000:50' && echo '{var}  /deep/place/it' | sha256sum -c\n\
         RUN --mount=type=secret,id=both,env=BOTH,target=/both,required=true \\\n\
           test \"$(cat /both)\" = \"$BOTH\" && test -n \"$BOTH\" && echo used > /used\n\
         RUN --mount=type=secret,id=both,env=BOTH test ! -e /run/secrets/both && test -n \"$BOTH\"\n\
         RUN --mount=type=secret,id=none test ! -e /run/secrets/none\n\
         RUN --mount=type=secret,id=file <<EOF\n#!/bin/sh\nset -e\ntest -s /run/secrets/file\n\
         stat -c %a /run/secrets/file | grep -q '^400$'\nEOF\n\
         RUN --mount=type=ssh test -S \"$SSH_AUTH_SOCK\" && echo ssh > /ssh\n\
         USER app\nRUN --mount=type=secret,id=var,uid=1000 test -r /run/secrets/var\n\
         FROM busybox\nCOPY --from=one /app /used /ssh /app/\n\
         RUN --mount=type=secret,id=file --mount=type=cache,target=/cache test -s /run/secrets/file && echo x > /cache/x\n",
        file = sum(&format!("{FILE}\n")),
        var = sum(VARIABLE),
    )
}

#[test]
fn secrets_are_nowhere_but_in_the_command() {
    let Some(place) = ready("secrets_are_nowhere_but_in_the_command") else { return };
    let _agent = UnixListener::bind(place.path("agent")).unwrap();
    place.write("ctx/Dockerfile", dockerfile());
    let given = [
        "--secret",
        "id=file,src=private/token",
        "--secret",
        "type=env,id=var,env=MY_TOKEN",
        "--secret",
        "id=both,env=AWS",
        "--ssh",
        "default=agent",
    ];
    let mut said = Vec::new();
    for (progress, more) in [
        ("plain", &["-t", "app", "-O0", "-o", "type=oci,dest=oci.tar", "--metadata-file", "meta.json"][..]),
        ("json", &["-t", "app", "--no-cache", "-o", "type=docker,dest=docker.tar", "--iidfile", "iid"]),
        ("plain", &["-O2", "--compress", "zstd", "-o", "out", "--prove"][..5]),
    ] {
        let head = ["--progress", progress, "build"];
        said.push(imgc(&place, &[&head[..], &given, more, &["ctx"]].concat()).ok());
    }
    place.imgc(&["save", "-o", "saved.tar", "app"]).ok();
    for words in [
        &["plan", "ctx"][..],
        &["plan", "--format", "json", "ctx"],
        &["plan", "--format", "graph", "ctx"],
        &["history", "--no-trunc", "app"],
        &["inspect", "app"],
        &["why", "all", "ctx"],
        &["cache", "ls"],
    ] {
        let done = imgc(&place, words);
        assert!(done.code <= 2, "{words:?}: {}", done.stderr);
        said.push(done);
    }
    assert_clean(&place, &said);
    // Files that hold a secret while its command runs are stubs that go with it.
    let out = place.path("out");
    for gone in ["run/secrets", "deep", "both", "in-context.key"] {
        assert!(!out.join(gone).exists(), "{gone}");
    }
    assert!(
        out.join("app/app.txt").exists() && out.join("app/used").exists() && out.join("app/ssh").exists()
    );
}

#[test]
fn another_value_runs_nothing_again() {
    let Some(place) = ready("another_value_runs_nothing_again") else { return };
    place.write(
        "ctx/Dockerfile",
        "FROM busybox\nRUN --mount=type=secret,id=s wc -c < /run/secrets/s > /size\n",
    );
    place.write("private/s", "one");
    let args = ["build", "-q", "--secret", "id=s,src=private/s", "ctx"];
    let first = place.imgc(&args).ok().stdout;
    place.write("private/s", "another one");
    assert_eq!(place.imgc(&args).ok().stdout, first);
    let again = place.imgc(&[&args[..4], &["--no-cache", "ctx"]].concat()).ok().stdout;
    assert_ne!(again, first, "the new value is given when the step does run");
}

#[test]
fn a_printed_secret_shows_as_stars() {
    let Some(place) = ready("a_printed_secret_shows_as_stars") else { return };
    place.write(
        "private/key",
        "-----BEGIN KEY-----\nMIIBVwIBADANBgkqh\nkiG9w0BAQEFAASCAT\n-----END KEY-----\n",
    );
    place.write(
        "ctx/Dockerfile",
        "FROM busybox\n\
         RUN --mount=type=secret,id=file --mount=type=secret,id=key --mount=type=secret,id=var,env=TOKEN \\\n\
         cat /run/secrets/file; cat /run/secrets/key >&2; echo \"<$TOKEN>\"; \\\n\
         yes a | head -c 32760 | tr -d '\\n'; cat /run/secrets/file; \\\n\
         printf '%s' \"$(head -c 16380 /dev/zero | tr '\\0' b)\"; cat /run/secrets/file; exit 3\n",
    );
    let given = [
        "--secret",
        "id=file,src=private/token",
        "--secret",
        "id=var,env=MY_TOKEN",
        "--secret",
        "id=key,src=private/key",
    ];
    for progress in ["plain", "json"] {
        let all = [&["--progress", progress, "build"][..], &given, &["ctx"]].concat();
        let done = imgc(&place, &all).fails_with(1).says("<***>");
        assert!(!done.stderr.contains("MIIBVwIBADANBgkqh"), "{}", done.stderr);
        assert_eq!(leak::in_dir(&place.store(), &[], b"kiG9w0BAQEFAASCAT"), [""; 0]);
        assert_clean(&place, &[done]);
    }
}

#[test]
fn a_secret_left_in_a_layer_is_warned_about() {
    let Some(place) = ready("a_secret_left_in_a_layer_is_warned_about") else { return };
    for (command, left) in [
        ("cp /run/secrets/file /root/.npmrc", Some("/root/.npmrc")),
        ("mkdir /x && printf 'u:%s' \"$(cat /run/secrets/file)\" | base64 > /x/auth", Some("/x/auth")),
        ("cp /run/secrets/file /tmp/f && rm /tmp/f && echo done > /done", None),
    ] {
        place.write("ctx/Dockerfile", format!("FROM busybox\nRUN --mount=type=secret,id=file {command}\n"));
        let done = place.imgc(&["build", "--secret", "id=file,src=private/token", "ctx"]).ok();
        match left {
            Some(path) => {
                let text = format!("secret `file` is in the layer of this step: `{path}`");
                let done = done.says(&text).says("Dockerfile:2:1");
                // That it is found where it is shows that the other tests would have found it.
                assert!(!leak::in_dir(&place.store(), &[], FILE.as_bytes()).is_empty());
                assert_eq!(leak::in_bytes("stderr", done.stderr.as_bytes(), FILE.as_bytes()), [""; 0]);
            }
            None => assert!(!done.stderr.contains("is in the layer"), "{}", done.stderr),
        }
    }
}

#[test]
fn secrets_that_are_not_given() {
    let Some(place) = ready("secrets_that_are_not_given") else { return };
    for (mount, code, says) in [
        ("type=secret,id=s,required", 7, "secret `s` was not given"),
        ("type=secret,id=s,env=S,required=true", 7, "--secret id=s"),
        ("type=ssh,required=true", 7, "ssh agent `default` was not given"),
        ("type=secret,id=s", 0, ""),
        ("type=secret,id=s,env=S", 0, ""),
        ("type=ssh", 0, ""),
    ] {
        let check = "test -z \"$S$SSH_AUTH_SOCK\" && test ! -e /run/secrets";
        place.write("ctx/Dockerfile", format!("FROM busybox\nRUN --mount={mount} {check}\n"));
        place.imgc(&["build", "ctx"]).fails_with(code).says(says);
    }
    place
        .imgc(&["build", "--secret", "id=s,src=nowhere", "ctx"])
        .fails_with(2)
        .says("there is no file `nowhere`");
    place.imgc(&["build", "--secret", "id=s,env=NOT_SET", "ctx"]).fails_with(2).says("`NOT_SET` is not set");
    place.write("private/big", vec![b'x'; (500 << 10) + 1]);
    place.write("ctx/Dockerfile", "FROM busybox\nRUN --mount=type=secret,id=s true\n");
    place
        .imgc(&["build", "--secret", "id=s,src=private/big", "ctx"])
        .fails_with(7)
        .says("larger than 500 KiB");
}
