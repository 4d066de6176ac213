//! Docker's management commands: `image ls` is `images`, `container run` is `run`.
//!
//! People and scripts write both forms. The words are replaced before the command line is read; what is not in the list
//! stays as it is, and gets its error.

use std::ffi::OsString;

/// Two words, and the words that stand for them here.
const GROUPS: [(&str, &[&str], &str, &[&str]); 19] = [
    ("image", &["ls", "list"], "images", &[]),
    ("image", &["rm", "remove"], "rm", &[]),
    ("image", &["build"], "build", &[]),
    ("image", &["history"], "history", &[]),
    ("image", &["import"], "import", &[]),
    ("image", &["inspect"], "inspect", &["--type=image"]),
    ("image", &["load"], "load", &[]),
    ("image", &["prune"], "cache", &["prune"]),
    ("image", &["pull"], "pull", &[]),
    ("image", &["push"], "push", &[]),
    ("image", &["save"], "save", &[]),
    ("image", &["tag"], "tag", &[]),
    ("container", &["run"], "run", &[]),
    ("container", &["ls", "list", "ps"], "ps", &[]),
    ("container", &["rm", "remove"], "rm", &[]),
    ("container", &["commit"], "commit", &[]),
    ("container", &["inspect"], "inspect", &["--type=container"]),
    ("buildx", &["build"], "build", &[]),
    ("builder", &["build"], "build", &[]),
];

/// Global options whose value is the next word.
const WITH_VALUE: [&str; 5] = ["-C", "--directory", "--color", "--progress", "--store"];

/// Puts this program's words in place of docker's.
pub fn replace(mut args: Vec<OsString>) -> Vec<OsString> {
    let mut at = 1;
    while let Some(text) = args.get(at).and_then(|arg| arg.to_str()).filter(|text| text.starts_with('-')) {
        at += if WITH_VALUE.contains(&text) { 2 } else { 1 };
    }
    let word = |at: usize| args.get(at).and_then(|arg| arg.to_str());
    let (Some(group), Some(verb)) = (word(at), word(at + 1)) else { return args };
    let found = GROUPS.iter().find(|(own, verbs, ..)| *own == group && verbs.contains(&verb));
    if let Some((_, _, command, more)) = found {
        let words = std::iter::once(command).chain(*more).map(OsString::from);
        drop(args.splice(at..at + 2, words.collect::<Vec<_>>()));
    }
    args
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_docker() {
        for (given, want) in [
            ("imgc image ls -q", "imgc images -q"),
            ("imgc -C image --json image rm x", "imgc -C image --json rm x"),
            ("imgc --store=a image inspect -f x y", "imgc --store=a inspect --type=image -f x y"),
            ("imgc image prune -f", "imgc cache prune -f"),
            ("imgc container run a image ls", "imgc run a image ls"),
            ("imgc buildx build .", "imgc build ."),
            ("imgc run image ls", "imgc run image ls"),
            ("imgc image", "imgc image"),
            ("imgc image sign x", "imgc image sign x"),
            ("imgc", "imgc"),
            ("imgc -C", "imgc -C"),
        ] {
            let args = given.split(' ').map(OsString::from).collect();
            let want: Vec<OsString> = want.split(' ').map(OsString::from).collect();
            assert_eq!(replace(args), want, "{given}");
        }
    }
}
