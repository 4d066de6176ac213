//! The main job, end to end, on a busybox root.

use crate::place;

#[test]
fn builds_names_and_runs() {
    let place = place();
    if !place.with_busybox("builds_names_and_runs") {
        return;
    }
    place.write("ctx/hello.txt", "hello\n");
    let dockerfile = "FROM busybox\nWORKDIR /srv\nCOPY hello.txt .\nRUN cat hello.txt > copy && chmod 600 copy\nENV A=b\nCMD [\"cat\", \"copy\"]\n";
    let digest = place.build(dockerfile, &["-t", "app"]);
    assert!(digest.starts_with("sha256:"), "{digest}");
    place.imgc(&["images"]).ok().prints("app:latest");
    place.imgc(&["run", "app"]).ok().prints("hello");
    place.imgc(&["run", "app", "sh", "-c", "exit 7"]).fails_with(7);
    let again = place.build(dockerfile, &["--no-cache"]);
    assert_eq!(digest, again);
    place.imgc(&["store", "verify", "--full"]).ok();
}
