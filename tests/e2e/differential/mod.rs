//! The same Dockerfiles built by `buildah bud` and by `imgc`, compared path by path and field by field.
//!
//! The cases are tables in `tests/corpus/differential`, one per area. Each is built with `-O0` and `-O1` too, which must
//! give the same file system, times included, and the same config; at `-O1` nothing is wasted, and another user elsewhere
//! gets the same digest. Where buildah departs from the reference, the case says so and what the reference has.

mod compare;
mod context;
mod elsewhere;
mod table;
mod waste;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use imgc_testkit::buildah::{Buildah, To};
use imgc_testkit::{Place, flat};

use elsewhere::Elsewhere;
use table::Case;

/// Where the tables are.
fn tables() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/corpus/differential")
}

/// One area: all its cases, on one place.
fn area(name: &str) {
    let test = format!("differential::{name}");
    let place = crate::place();
    let Some(buildah) = Buildah::new(&test, &place) else { return };
    if !place.with_busybox(&test) {
        return;
    }
    place.imgc(&["save", "--format", "oci", "-o", "busybox.oci", "busybox"]).ok();
    buildah.pull(&place.path("busybox.oci"));
    let elsewhere = Elsewhere::new(&test, &place);
    #[expect(clippy::disallowed_methods, reason = "how a person asks for one case")]
    let only = std::env::var("IMGC_TEST_CASE").ok();
    let mut wrong = String::new();
    let mut built = 0;
    for case in table::read(&tables().join(format!("{name}.cases"))) {
        if only.as_ref().is_some_and(|only| *only != case.name) {
            continue;
        }
        built += 1;
        let findings = check(&case, &place, &buildah, &elsewhere);
        if !findings.is_empty() {
            let _ = writeln!(wrong, "{name}/{}:\n  {}", case.name, findings.join("\n  "));
        }
    }
    assert!(built > 0 || only.is_some(), "{name} has no case");
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// Builds a case in every way; what it returns is wrong.
fn check(case: &Case, place: &Place, buildah: &Buildah, elsewhere: &Elsewhere) -> Vec<String> {
    let dir = place.path(format!("cases/{}", case.name));
    if !context::write(case, &dir) {
        return Vec::new();
    }
    for (number, (name, text)) in case.images.iter().enumerate() {
        let file = format!("Dockerfile.{number}");
        fs_err::write(dir.join(&file), text).expect("a Dockerfile");
        let args = words(&["-f", &file, "ctx"]);
        if let Some(wrong) = failed(place, &dir, &[words(&["-t", name]), args.clone()].concat()) {
            return vec![format!("{name}: {wrong}")];
        }
        if case.alone.is_none() {
            let done = buildah.build(&dir, &To::Name(name.clone()), &args);
            if done.code != 0 {
                return vec![format!("{name}: buildah: {}", done.stderr)];
            }
        }
    }
    fs_err::write(dir.join("Dockerfile"), &case.dockerfile).expect("a Dockerfile");
    let given = |flags: &[String]| [flags, &words(&["-f", "Dockerfile", "ctx"])].concat();
    if let Some((code, text)) = &case.fails {
        let done = imgc(place, &dir, &given(&case.imgc));
        if done.code != *code || !done.stderr.contains(text.as_str()) {
            return vec![format!("exit code {}, expected {code} and `{text}`:\n{}", done.code, done.stderr)];
        }
        if case.alone.is_none() {
            let done = buildah.build(&dir, &To::Dir(dir.join("peer")), &given(&case.buildah));
            if done.code == 0 {
                return vec!["buildah builds it".to_owned()];
            }
        }
        return Vec::new();
    }
    let (mut flats, mut digest) = (Vec::new(), String::new());
    for level in ["-O0", "-O1"] {
        let output = format!("type=oci,dest={level}");
        let args = [words(&[level, "-t", &format!("built:level{level}"), "-o", &output]), given(&case.imgc)]
            .concat();
        let done = imgc(place, &dir, &args);
        if done.code != 0 {
            return vec![format!("exit code {}\n{}", done.code, done.stderr)];
        }
        done.stdout.trim().clone_into(&mut digest);
        flats.push(flat::of_layout(&dir.join(level), None));
    }
    let mut wrong = compare::levels(&flats[0], &flats[1]);
    wrong.extend(compare::reference(case, &flats[0]));
    wrong.extend(waste::check(case, place, "built:level-O1"));
    wrong.extend(elsewhere.check(case, &given(&case.imgc), &digest));
    if case.alone.is_none() {
        let to = dir.join("peer");
        let done = buildah.build(&dir, &To::Dir(to.clone()), &given(&case.buildah));
        if done.code == 0 {
            wrong.extend(compare::peer(case, &flats[0], &flat::of_dir(&to)));
        } else {
            wrong.push(format!("buildah: {}", done.stderr));
        }
    }
    fs_err::remove_dir_all(&dir).expect("a directory");
    wrong
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn imgc(place: &Place, dir: &Path, args: &[String]) -> imgc_testkit::Done {
    let output = place.command().current_dir(dir).args(["build", "-q"]).args(args).output();
    imgc_testkit::Done::of(&output.expect("the program starts"))
}

fn failed(place: &Place, dir: &Path, args: &[String]) -> Option<String> {
    let done = imgc(place, dir, args);
    (done.code != 0).then(|| format!("exit code {}\n{}", done.code, done.stderr))
}

macro_rules! areas {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                area(stringify!($name));
            }
        )*

        #[test]
        fn every_table_is_an_area() {
            let known = [$(stringify!($name)),*];
            for entry in fs_err::read_dir(tables()).expect("tables") {
                let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
                let area = name.strip_suffix(".cases").unwrap_or_else(|| panic!("{name} is no table"));
                assert!(known.contains(&area), "nobody builds {name}");
            }
        }
    };
}

areas! { add args copy expansion flags heredocs ignore metadata mounts onbuild run stages users wildcards }
