//! Docker's commands of two words, and what they are called here.

/// The command that does what docker's `first second` does; `None` if there is none.
///
/// Docker has a short form for nearly each of its two-word commands, and the short forms are the names here; the
/// others are space in the store, and what buildx says in place of `docker build`.
fn translate(first: &str, second: &str) -> Option<&'static [&'static str]> {
    Some(match (first, second) {
        ("image", "ls" | "list") => &["images"],
        ("image" | "container", "rm" | "remove") => &["rm"],
        ("image" | "builder" | "buildx", "build" | "b") => &["build"],
        ("image", "history") => &["history"],
        ("image", "import") => &["import"],
        ("image" | "container" | "manifest", "inspect") => &["inspect"],
        ("image", "load") => &["load"],
        ("image", "pull") => &["pull"],
        ("image", "push") => &["push"],
        ("image", "save") => &["save"],
        ("image", "tag") => &["tag"],
        ("image" | "builder" | "buildx" | "system", "prune") => &["cache", "prune"],
        ("system" | "buildx", "df" | "du") => &["cache", "du"],
        ("container", "ls" | "list" | "ps") => &["ps"],
        ("container", "run") => &["run"],
        ("container", "commit") => &["commit"],
        ("container", "export") => &["export"],
        ("manifest", "create") => &["index", "create"],
        ("manifest", "annotate") => &["index", "annotate"],
        _ => return None,
    })
}

/// The command line with docker's two words replaced, if `unknown` is the first of them; `None` if not.
pub fn replaced(line: &[std::ffi::OsString], unknown: &str) -> Option<Vec<std::ffi::OsString>> {
    let at = line.iter().skip(1).position(|word| word == unknown)? + 1;
    if unknown == "version" {
        return Some([&line[..at], &["--version".into()]].concat());
    }
    let words = translate(unknown, line.get(at + 1)?.to_str()?)?;
    let words: Vec<std::ffi::OsString> = words.iter().map(Into::into).collect();
    Some([&line[..at], &words, &line[at + 2..]].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_words_become_ours_and_the_rest_stays() {
        let cases = [
            ("imgc image ls -q", "image", Some("imgc images -q")),
            ("imgc --store s image rm app", "image", Some("imgc --store s rm app")),
            ("imgc buildx build -t image .", "buildx", Some("imgc build -t image .")),
            ("imgc system prune -a", "system", Some("imgc cache prune -a")),
            ("imgc -q container ls", "container", Some("imgc -q ps")),
            ("imgc version", "version", Some("imgc --version")),
            ("imgc image", "image", None),
            ("imgc image frobnicate", "image", None),
            ("imgc network ls", "network", None),
            ("imgc", "image", None),
        ];
        for (line, unknown, wanted) in cases {
            let line: Vec<std::ffi::OsString> = line.split(' ').map(Into::into).collect();
            let wanted: Option<Vec<std::ffi::OsString>> =
                wanted.map(|wanted| wanted.split(' ').map(Into::into).collect());
            assert_eq!(replaced(&line, unknown), wanted, "{line:?}");
        }
    }

    #[test]
    fn every_translation_is_a_command() {
        for first in ["image", "container", "builder", "buildx", "system", "manifest"] {
            for second in "ls list rm remove build b history import inspect load pull push save tag prune df du ps run commit export create annotate".split(' ') {
                let Some(words) = translate(first, second) else { continue };
                let mut command = &<crate::app::App as clap::CommandFactory>::command();
                for word in words {
                    command = command.find_subcommand(word).unwrap_or_else(|| panic!("no command {word}"));
                }
            }
        }
    }
}
