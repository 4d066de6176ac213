//! `--chown` and `--chmod`.

use super::*;

const PASSWD: &str = "f etc/passwd root:x:0:0:root:/root:/bin/sh\nbob:x:1000:1001::/home/bob:/bin/sh\n";
const GROUP: &str = "f etc/group root:x:0:\nstaff:x:50:bob\n";

fn case(owner: (&str, Option<&str>), chmod: Option<Chmod>, want: &[&str]) {
    let mut library = Library::default();
    let root = library.tree(&["d etc", PASSWD, GROUP]);
    let dir = directory(&["d/a=1@640", "d/s/@700", "d/s/b=2@755", "d/l->a"]);
    let context = context(&dir, &[]);
    let copy = Copy { owner: Some(owned_by(owner.0, owner.1)), chmod, ..copy(&["d"], "/n/x") };
    assert_eq!(run(&library, &root, &Source::Context(&context), copy).unwrap(), want, "{owner:?}");
}

#[test]
fn owners_by_name_and_number() {
    for (owner, shown) in [
        (("5", None), "5:5"),
        (("5", Some("6")), "5:6"),
        (("bob", None), "1000:1001"),
        (("bob", Some("")), "1000:1001"),
        (("bob", Some("staff")), "1000:50"),
        (("bob", Some("0")), "1000:0"),
        (("root", None), "0:0"),
    ] {
        case(
            owner,
            None,
            &[
                // Directories that had to be made belong to the owner too.
                &format!("d 755 {shown} T /n/"),
                &format!("d 755 {shown} T /n/x/"),
                &format!("f 640 {shown} T /n/x/a=1"),
                &format!("l 777 {shown} T /n/x/l->a"),
                &format!("d 700 {shown} T /n/x/s/"),
                &format!("f 755 {shown} T /n/x/s/b=2"),
            ],
        );
    }
}

#[test]
fn modes() {
    case(
        ("0", None),
        Some(Chmod::Octal(0o2750)),
        &[
            "d 2750 0:0 T /n/",
            "d 2750 0:0 T /n/x/",
            "f 2750 0:0 T /n/x/a=1",
            "l 777 0:0 T /n/x/l->a",
            "d 2750 0:0 T /n/x/s/",
            "f 2750 0:0 T /n/x/s/b=2",
        ],
    );
    case(
        ("0", None),
        Some(Chmod::Symbolic("u=rwX,go=rX".into())),
        &[
            "d 755 0:0 T /n/",
            "d 755 0:0 T /n/x/",
            "f 644 0:0 T /n/x/a=1",
            "l 777 0:0 T /n/x/l->a",
            "d 755 0:0 T /n/x/s/",
            "f 755 0:0 T /n/x/s/b=2",
        ],
    );
}

#[test]
fn owners_that_cannot_be_known() {
    let mut library = Library::default();
    let root = library.tree(&["d etc", PASSWD, GROUP]);
    let dir = directory(&["a=1"]);
    let context = context(&dir, &[]);
    let run = |owner: (&str, Option<&str>), link| {
        let copy = Copy { owner: Some(owned_by(owner.0, owner.1)), link, ..copy(&["a"], "/x") };
        run(&library, &root, &Source::Context(&context), copy)
    };
    for (owner, message) in [
        (("eve", None), "no user `eve` in `/etc/passwd` of the image"),
        (("bob", Some("eve")), "no group `eve` in `/etc/group` of the image"),
        (("4294967295", None), "user `4294967295` is out of range: the highest number is 4294967294"),
        (("4294967296", None), "user `4294967296` is out of range: the highest number is 4294967294"),
        (("-1", None), "user `-1` is out of range: the highest number is 4294967294"),
    ] {
        assert_eq!(run(owner, false).unwrap_err().to_string(), message);
    }
    // --link does not look at the root, so it knows no names.
    let error = run(("bob", Some("staff")), true).unwrap_err();
    assert_eq!(error.to_string(), "`--link` copies cannot use names in `--chown`: `bob:staff`");
    assert_eq!(run(("7", Some("root")), true).unwrap(), ["f 644 7:0 T /x=1"]);
}
