//! Wildcards, `--exclude`, `--parents`, the ignore file.

use super::*;

fn case(files: &[&str], ignore: &[&str], copy: Copy, want: &[&str]) {
    let dir = directory(files);
    let context = context(&dir, ignore);
    let shown = format!("{:?}, exclude {:?}, ignore {ignore:?}", copy.sources, copy.exclude);
    let got = run(&Library::default(), &Tree::default(), &Source::Context(&context), copy).unwrap();
    let got: Vec<&str> = names(&got).iter().map(|line| line.split('=').next().unwrap()).collect();
    assert_eq!(got, want, "{shown}");
}

const FILES: [&str; 8] = ["a.txt", "b.txt", "c.md", "d/x.txt", "d/y.md", "d/e/z.txt", "d2/x.txt", "[b].txt"];

#[test]
fn wildcards() {
    case(&FILES, &[], copy(&["*.txt"], "/o/"), &["/o/", "/o/[b].txt", "/o/a.txt", "/o/b.txt"]);
    case(&FILES, &[], copy(&["?.txt"], "/o/"), &["/o/", "/o/a.txt", "/o/b.txt"]);
    case(&FILES, &[], copy(&["[!a].txt", "[^b].txt"], "/o/"), &["/o/", "/o/a.txt"]);
    case(&FILES, &[], copy(&["[[]b].txt"], "/o/"), &["/o/", "/o/[b].txt"]);
    // Part by part: a star crosses no slash; a directory gives its content.
    case(&FILES, &[], copy(&["d*/*.txt"], "/o/"), &["/o/", "/o/x.txt"]);
    case(&FILES, &[], copy(&["d?"], "/o/"), &["/o/", "/o/x.txt"]);
    case(&FILES, &[], copy(&["*/e"], "/o/"), &["/o/", "/o/z.txt"]);
    // Nothing matches: nothing is done.
    case(&FILES, &[], copy(&["*.none"], "/o/"), &[]);
    case(&FILES, &[], copy(&["none/*"], "/o/"), &[]);
    // A link that matches is followed; the pattern's start is, too.
    case(&["l->d", "d/x.txt"], &[], copy(&["l/*"], "/o/"), &["/o/", "/o/x.txt"]);
    case(&["l1->d/x.txt", "d/x.txt"], &[], copy(&["l*"], "/o/"), &["/o/", "/o/l1"]);
}

#[test]
fn several_matches_need_a_directory() {
    let dir = directory(&FILES);
    let context = context(&dir, &[]);
    let run = |source| {
        run(&Library::default(), &Tree::default(), &Source::Context(&context), copy(&[source], "/o"))
    };
    assert!(matches!(run("*.txt"), Err(FileError::SeveralToOne(_))));
    assert_eq!(names(&run("a*.txt").unwrap()), ["/o=a.txt"]);
}

#[test]
fn exclusions() {
    let exclude = |patterns: &[&str], copy: Copy| Copy {
        exclude: patterns.iter().map(|&text| text.to_owned()).collect(),
        ..copy
    };
    case(&FILES, &[], exclude(&["*.txt"], copy(&["d"], "/o/")), &["/o/", "/o/e/", "/o/e/z.txt", "/o/y.md"]);
    case(&FILES, &[], exclude(&["**/*.txt"], copy(&["d"], "/o/")), &["/o/", "/o/e/", "/o/y.md"]);
    case(&FILES, &[], exclude(&["e"], copy(&["d"], "/o/")), &["/o/", "/o/x.txt", "/o/y.md"]);
    case(&FILES, &[], exclude(&["*", "!e/z.txt"], copy(&["d"], "/o/")), &["/o/", "/o/e/", "/o/e/z.txt"]);
    // An excluded directory in which an exception finds nothing is not made.
    case(&FILES, &[], exclude(&["*", "!e/none"], copy(&["d"], "/o/")), &["/o/"]);
    // A file that is a source itself is seen by its name.
    case(&FILES, &[], exclude(&["b*"], copy(&["?.txt"], "/o/")), &["/o/", "/o/a.txt"]);
}

#[test]
fn parents_are_kept() {
    let parents = |copy: Copy| Copy { parents: true, ..copy };
    case(&FILES, &[], parents(copy(&["d/e/z.txt"], "/o/")), &["/o/", "/o/d/", "/o/d/e/", "/o/d/e/z.txt"]);
    case(&FILES, &[], parents(copy(&["d/./e/z.txt"], "/o/")), &["/o/", "/o/e/", "/o/e/z.txt"]);
    case(
        &FILES,
        &[],
        parents(copy(&["**/x.txt"], "/o/")),
        &["/o/", "/o/d/", "/o/d/x.txt", "/o/d2/", "/o/d2/x.txt"],
    );
    case(&FILES, &[], parents(copy(&["d*/./*.txt"], "/o/")), &["/o/", "/o/x.txt"]);
    case(&FILES, &[], parents(copy(&["d/e"], "/o/")), &["/o/", "/o/d/", "/o/d/e/", "/o/d/e/z.txt"]);
    case(&FILES, &[], parents(copy(&["none*"], "/o/")), &["/o/"]);
    let excluding = Copy { exclude: vec!["**/*.md".to_owned()], ..parents(copy(&["d"], "/o/")) };
    case(&FILES, &[], excluding, &["/o/", "/o/d/", "/o/d/e/", "/o/d/e/z.txt", "/o/d/x.txt"]);
}

#[test]
fn parents_take_the_attributes_of_the_source() {
    let dir = directory(&["d/@711", "d/e/@700", "d/e/z=1"]);
    let context = context(&dir, &[]);
    let mut library = Library::default();
    let root = library.tree(&["d o 755", "d o/d 777 3 3"]);
    let copy = Copy { parents: true, ..copy(&["d/e/z"], "/o/") };
    let got = run(&library, &root, &Source::Context(&context), copy).unwrap();
    assert_eq!(
        got,
        ["d 755 0:0 7 /o/", "d 777 3:3 T /o/d/", "d 700 0:0 T /o/d/e/", "f 644 0:0 T /o/d/e/z=1"]
    );
    let missing = Copy { parents: true, ..super::copy(&["d/none"], "/o/") };
    let error = run(&library, &root, &Source::Context(&context), missing).unwrap_err();
    assert!(matches!(error, FileError::NotFound { .. }), "{error}");
}

#[test]
fn ignored_files_do_not_exist() {
    case(
        &FILES,
        &["*.md", "d2"],
        copy(&["."], "/o/"),
        &[
            "/o/",
            "/o/[b].txt",
            "/o/a.txt",
            "/o/b.txt",
            "/o/d/",
            "/o/d/e/",
            "/o/d/e/z.txt",
            "/o/d/x.txt",
            "/o/d/y.md",
        ],
    );
    // Everything but: an excluded directory comes back for what an exception keeps in it.
    case(&FILES, &["*", "!d/e/z.txt"], copy(&["."], "/o/"), &["/o/", "/o/d/", "/o/d/e/", "/o/d/e/z.txt"]);
    case(&FILES, &["*", "!none/x"], copy(&["."], "/o/"), &["/o/"]);
    case(&FILES, &["d/**", "!d/e"], copy(&["d"], "/o/"), &["/o/", "/o/e/", "/o/e/z.txt"]);
    case(&FILES, &["d"], copy(&["d*"], "/o/"), &["/o/", "/o/x.txt"]);
}

#[test]
fn links_into_what_is_ignored_lead_nowhere() {
    let dir = directory(&["l->secret/key", "secret/key"]);
    let context = context(&dir, &["secret"]);
    let error = run(&Library::default(), &Tree::default(), &Source::Context(&context), copy(&["l"], "/x"))
        .unwrap_err();
    assert!(matches!(error, FileError::NotFound { ignored: true, .. }), "{error}");
}
