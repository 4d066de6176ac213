//! Where copies go, and what they do to what is there.

use super::*;

fn case(root: &[&str], files: &[&str], copy: Copy, want: &[&str]) {
    let mut library = Library::default();
    let root = library.tree(root);
    let dir = directory(files);
    let context = context(&dir, &[]);
    let shown = format!("{:?} -> {}", copy.sources, copy.dest);
    let got = run(&library, &root, &Source::Context(&context), copy).unwrap();
    assert_eq!(got, want, "{shown}");
}

fn fails(root: &[&str], files: &[&str], copy: Copy) -> FileError {
    let mut library = Library::default();
    let root = library.tree(root);
    let dir = directory(files);
    let context = context(&dir, &[]);
    run(&library, &root, &Source::Context(&context), copy).unwrap_err()
}

#[test]
fn a_file() {
    // To a new name; parents are made.
    case(&[], &["a=1"], copy(&["a"], "/x/y"), &["d 755 0:0 T /x/", "f 644 0:0 T /x/y=1"]);
    // Into a directory by its slash.
    case(&[], &["a=1@600"], copy(&["/a"], "/x/"), &["d 755 0:0 T /x/", "f 600 0:0 T /x/a=1"]);
    // Into a directory that is there: it keeps mode and owner, its time changes.
    case(&["d x 700 5 6", "d x/y"], &["a=1"], copy(&["a"], "/x"), &["d 700 5:6 T /x/", "f 644 0:0 T /x/a=1"]);
    // Ancestors that do not change keep their time.
    case(
        &["d x 700 5 6", "d x/y 711"],
        &["a=1"],
        copy(&["a"], "/x/y/"),
        &["d 700 5:6 7 /x/", "d 711 0:0 T /x/y/", "f 644 0:0 T /x/y/a=1"],
    );
    // Over a file.
    case(&["f x old 600 9 9"], &["a=1"], copy(&["a"], "/x"), &["f 644 0:0 T /x=1"]);
    // Dots and parents of the root.
    case(&[], &["d/a=1"], copy(&["../../d/./a"], "/x"), &["f 644 0:0 T /x=1"]);
    // Into the root.
    case(&["d etc"], &["a=1"], copy(&["a"], "/"), &["f 644 0:0 T /a=1"]);
    case(&["d etc"], &["a=1"], copy(&["a"], "."), &["f 644 0:0 T /a=1"]);
}

#[test]
fn a_directory() {
    let files = ["d/a=1", "d/s/@711", "d/s/b=2", "d/l->a"];
    // The content of it, into a directory that is made 0755 whatever the source's mode.
    case(&[], &["d/@700", "d/a=1"], copy(&["d"], "/x"), &["d 755 0:0 T /x/", "f 644 0:0 T /x/a=1"]);
    case(
        &[],
        &files,
        copy(&["d"], "/x/"),
        &[
            "d 755 0:0 T /x/",
            "f 644 0:0 T /x/a=1",
            "l 777 0:0 T /x/l->a",
            "d 711 0:0 T /x/s/",
            "f 644 0:0 T /x/s/b=2",
        ],
    );
    // A nested directory that is there gets the source's attributes, the top one does not.
    case(
        &["d x 700 5 6", "d x/s 777 7 7", "f x/s/old o"],
        &files,
        copy(&["d/"], "/x"),
        &[
            "d 700 5:6 T /x/",
            "f 644 0:0 T /x/a=1",
            "l 777 0:0 T /x/l->a",
            "d 711 0:0 T /x/s/",
            "f 644 0:0 T /x/s/b=2",
        ],
    );
    // Nothing is made in the top directory: its time stays.
    case(
        &["d x 700", "d x/s 777", "f x/s/b o"],
        &["d/s/@711"],
        copy(&["d"], "/x"),
        &["d 700 0:0 7 /x/", "d 711 0:0 T /x/s/"],
    );
    // An empty one still makes the destination.
    case(&[], &["d/"], copy(&["d"], "/x"), &["d 755 0:0 T /x/"]);
    case(&["d x"], &["d/"], copy(&["d"], "/x"), &[]);
    // The whole context.
    case(&[], &["a=1"], copy(&["."], "/x"), &["d 755 0:0 T /x/", "f 644 0:0 T /x/a=1"]);
    case(&[], &["a=1"], copy(&[""], "/x"), &["d 755 0:0 T /x/", "f 644 0:0 T /x/a=1"]);
}

#[test]
fn several() {
    case(
        &[],
        &["a=1", "b=2", "d/c=3"],
        copy(&["a", "b", "d"], "/x/"),
        &["d 755 0:0 T /x/", "f 644 0:0 T /x/a=1", "f 644 0:0 T /x/b=2", "f 644 0:0 T /x/c=3"],
    );
    case(
        &["d x"],
        &["a=1", "b=2"],
        copy(&["a", "b"], "/x"),
        &["d 755 0:0 T /x/", "f 644 0:0 T /x/a=1", "f 644 0:0 T /x/b=2"],
    );
    // Later sources win.
    case(&[], &["a/f=1", "b/f=2"], copy(&["a", "b"], "/x/"), &["d 755 0:0 T /x/", "f 644 0:0 T /x/f=2"]);
    let error = fails(&[], &["a=1", "b=2"], copy(&["a", "b"], "/x"));
    assert!(matches!(error, FileError::SeveralToOne(_)), "{error}");
    assert!(error.help().unwrap().contains("`/x/`"), "{:?}", error.help());
}

#[test]
fn links_of_the_root() {
    let root = ["d real", "l dir /real", "l up ../../real", "f file old", "l to file", "l gone /no/where"];
    // A directory behind a link is meant, inside the root.
    for dest in ["/dir/", "/dir", "/up/"] {
        case(&root, &["a=1"], copy(&["a"], dest), &["d 755 0:0 T /real/", "f 644 0:0 T /real/a=1"]);
        case(&root, &["d/a=1"], copy(&["d"], dest), &["d 755 0:0 T /real/", "f 644 0:0 T /real/a=1"]);
    }
    // So is a file.
    case(&root, &["a=1"], copy(&["a"], "/to"), &["f 644 0:0 T /file=1"]);
    // A dangling link: what it names is made.
    case(&root, &["a=1"], copy(&["a"], "/gone"), &["d 755 0:0 T /no/", "f 644 0:0 T /no/where=1"]);
    // A link that a directory's content meets is replaced, not followed.
    case(&root, &["d/to=1"], copy(&["d"], "/"), &["f 644 0:0 T /to=1"]);
    // With --link the root is not looked at.
    let link = Copy { link: true, ..copy(&["a"], "/dir/") };
    case(&root, &["a=1"], link, &["d 755 0:0 T /dir/", "f 644 0:0 T /dir/a=1"]);
}

#[test]
fn clashes() {
    let error = fails(&["d x/a"], &["a=1"], copy(&["a"], "/x/"));
    assert_eq!(error.to_string(), "cannot replace directory `/x/a` with a file");
    let error = fails(&["f x o"], &["d/a=1"], copy(&["d"], "/x"));
    assert_eq!(error.to_string(), "cannot copy a directory to `/x`: it is a file there");
    let error = fails(&["d x", "f x/s o"], &["d/s/a=1"], copy(&["d"], "/x"));
    assert_eq!(error.to_string(), "cannot copy a directory to `/x/s`: it is a file there");
    let error = fails(&["d usr", "l lib usr"], &["d/lib/a=1"], copy(&["d"], "/"));
    assert_eq!(error.to_string(), "cannot copy a directory to `/lib`: it is a symbolic link there");
    let error = fails(&["f x o"], &["a=1"], copy(&["a"], "/x/"));
    assert_eq!(error.to_string(), "cannot make directory `/x`: `/x` is a file");
    let error = fails(&["f x o"], &["a=1"], copy(&["a"], "/x/y/z"));
    assert_eq!(error.to_string(), "cannot make directory `/x/y`: `/x` is a file");
}

#[test]
fn links_of_the_source() {
    // The named source and its directories are followed, inside the context; nested ones are copied as links.
    let files = ["d/a=1", "d/in->a", "l->d", "up->../../d", "abs->/d/a"];
    case(&[], &files, copy(&["abs"], "/x"), &["f 644 0:0 T /x=1"]);
    case(&[], &files, copy(&["abs"], "/x/"), &["d 755 0:0 T /x/", "f 644 0:0 T /x/abs=1"]);
    case(&[], &files, copy(&["l/in"], "/x"), &["f 644 0:0 T /x=1"]);
    case(
        &[],
        &files,
        copy(&["up"], "/x"),
        &["d 755 0:0 T /x/", "f 644 0:0 T /x/a=1", "l 777 0:0 T /x/in->a"],
    );
    let error = fails(&[], &["gone->/etc/passwd"], copy(&["gone"], "/x"));
    let help = "it is a link to `/etc/passwd`, which is not in the build context";
    assert_eq!(error.help().as_deref(), Some(help), "{error}");
    let error = fails(&[], &["loop->loop"], copy(&["loop"], "/x"));
    assert!(error.to_string().contains("too many symbolic links"), "{error}");
}

#[test]
fn what_is_not_there() {
    let files = ["src/main.rs=1", "README.md=2", "secret/key=3"];
    let dir = directory(&files);
    let context = context(&dir, &["secret"]);
    let (library, root) = (Library::default(), Tree::default());
    for (source, message, help) in [
        ("readme.md", "`/readme.md` not found in the build context", Some("did you mean `README.md`?")),
        ("scr/main.rs", "`/scr/main.rs` not found in the build context", Some("did you mean `src/main.rs`?")),
        ("zzzzzz", "`/zzzzzz` not found in the build context", None),
        (
            "secret/key",
            "`/secret/key` not found in the build context",
            Some("the ignore file excludes it: remove the pattern, or add `!secret/key`"),
        ),
        ("README.md/x", "`/README.md/x` not found in the build context", None),
    ] {
        let error = run(&library, &root, &Source::Context(&context), copy(&[source], "/x/")).unwrap_err();
        assert_eq!(error.to_string(), message);
        assert_eq!(error.help().as_deref(), help, "{source}");
    }
}

#[test]
fn from_a_stage_everything_is_kept() {
    let mut library = Library::default();
    let stage = library.tree(&[
        "d src 700 1 1 11",
        "f src/a A 640 2 3 22",
        "h src/b src/a 640 2 3 22",
        "d src/sub 750 4 4 33",
        "l src/sub/l ../a 777 5 5 44",
        "p src/sub/p 600 6 6 55",
    ]);
    let root = library.tree(&["d out 711", "d out/sub 777"]);
    let got = run(&library, &root, &Source::Tree(&stage), from_stage(&["/src"], "/out")).unwrap();
    assert_eq!(
        got,
        [
            "d 711 0:0 T /out/",
            "f 640 2:3 22 /out/a=A",
            "h 640 2:3 22 /out/b=/out/a",
            "d 750 4:4 33 /out/sub/",
            "l 777 5:5 44 /out/sub/l->../a",
            "named pipe 600 6:6 55 /out/sub/p",
        ]
    );
    // Only one of the two names: a file of its own.
    let got = run(&library, &root, &Source::Tree(&stage), from_stage(&["/src/b"], "/out/")).unwrap();
    assert_eq!(got, ["d 711 0:0 T /out/", "f 640 2:3 22 /out/b=A"]);
    // Names copied one by one are files of their own, as the reference has it.
    let got =
        run(&library, &root, &Source::Tree(&stage), from_stage(&["/src/a", "/src/b"], "/out/")).unwrap();
    assert_eq!(names(&got), ["/out/", "/out/a=A", "/out/b=A"]);
}

#[test]
fn layers_without_their_directories() {
    // Other builders leave out directories that a layer implies.
    let mut library = Library::default();
    let stage = library.tree(&["f a/b/c C 644"]);
    let root = library.tree(&["f usr/bin/sh S"]);
    let got = run(&library, &root, &Source::Tree(&stage), from_stage(&["/a"], "/usr/bin")).unwrap();
    assert_eq!(
        got,
        [
            "d 755 0:0 0 /usr/",
            "d 755 0:0 T /usr/bin/",
            "d 755 0:0 0 /usr/bin/b/",
            "f 644 0:0 7 /usr/bin/b/c=C",
        ]
    );
}

#[test]
fn hard_links_of_a_context() {
    let dir = directory(&["d/b=1"]);
    fs_err::hard_link(dir.path().join("d/b"), dir.path().join("d/a")).unwrap();
    fs_err::hard_link(dir.path().join("d/b"), dir.path().join("other")).unwrap();
    let context = context(&dir, &[]);
    let got =
        run(&Library::default(), &Tree::default(), &Source::Context(&context), copy(&["d"], "/x")).unwrap();
    assert_eq!(got, ["d 755 0:0 T /x/", "f 644 0:0 T /x/a=1", "h 644 0:0 T /x/b=/x/a"]);
}

#[test]
fn directories_are_made_once() {
    let make = |at: &str, owner| FileAction::MakeDir { path: path(at), owner };
    let mut library = Library::default();
    let root = library.tree(&["d a 700 1 1", "l link /a", "f file x"]);
    let run = |list| actions(&library, &root, &[], list);
    assert_eq!(run(vec![make("/a", None)]).unwrap(), Vec::<String>::new());
    assert_eq!(
        run(vec![make("/link/b/c", Some(owned_by("7", None)))]).unwrap(),
        ["d 700 1:1 T /a/", "d 755 7:7 T /a/b/", "d 755 7:7 T /a/b/c/"]
    );
    let error = run(vec![make("/file/x", None)]).unwrap_err();
    assert_eq!(error.to_string(), "cannot make directory `/file/x`: `/file` is a file");
}

#[test]
fn cve_2026_55686_directories_behind_links_stay_inside() {
    let mut library = Library::default();
    let root = library.tree(&["l out ../../../../srv", "l abs /srv"]);
    for at in ["/out/w", "/abs/w"] {
        let make = FileAction::MakeDir { path: path(at), owner: Some(owned_by("7", None)) };
        let got = actions(&library, &root, &[], vec![make]).unwrap();
        assert_eq!(got, ["d 755 7:7 T /srv/", "d 755 7:7 T /srv/w/"]);
    }
}

#[test]
fn files_given_in_place() {
    let write = |dest: &str, chmod| FileAction::Write {
        dest: path(dest),
        name: "EOF".to_owned(),
        into_dir: dest.ends_with('/'),
        content: b"text".to_vec(),
        chmod,
        owner: None,
    };
    let mut library = Library::default();
    let root = library.tree(&["d etc"]);
    let run = |action| actions(&library, &root, &[], vec![action]).unwrap();
    assert_eq!(run(write("/x", None)), ["f 644 0:0 T /x=text"]);
    assert_eq!(run(write("/etc", None)), ["d 755 0:0 T /etc/", "f 644 0:0 T /etc/EOF=text"]);
    assert_eq!(run(write("/n/", None)), ["d 755 0:0 T /n/", "f 644 0:0 T /n/EOF=text"]);
    assert_eq!(run(write("/x", Some(Chmod::Octal(0o4755)))), ["f 4755 0:0 T /x=text"]);
}

#[test]
fn files_from_elsewhere() {
    let dir = directory(&["blob=B"]);
    let file = dir.path().join("blob");
    let source = Source::File { path: &file, name: "a.txt", mtime: 99, digest: None };
    let run = |copy| run(&Library::default(), &Tree::default(), &source, copy).unwrap();
    assert_eq!(run(copy(&["a.txt"], "/x/")), ["d 755 0:0 T /x/", "f 600 0:0 99 /x/a.txt=B"]);
    assert_eq!(run(copy(&["a.txt"], "/x")), ["f 600 0:0 99 /x=B"]);
    let chmod = Copy { chmod: Some(Chmod::Symbolic("+x".into())), ..copy(&["a.txt"], "/x") };
    assert_eq!(run(chmod), ["f 711 0:0 99 /x=B"]);
}
