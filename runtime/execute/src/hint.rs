//! What a failed command's end means, and what to do about it.

use imgc_base::ImagePath;
use imgc_base::diagnostic::did_you_mean;
use imgc_graph::{Exec, Network};
use imgc_image::Tree;
use imgc_sandbox::Status;

/// `MAX_ARG_STRLEN` of Linux: an argument and its last byte.
const MAX_ARGUMENT: usize = 128 << 10;

/// Notes and helps for a command that failed.
pub fn explain(status: Status, exec: &Exec, root: &Tree, tail: &[String]) -> (Vec<String>, Vec<String>) {
    let (mut notes, mut helps) = (Vec::new(), Vec::new());
    match status {
        Status::Code(127) => not_found(exec, root, tail, &mut notes, &mut helps),
        // The kernel takes at most 128 KiB for one argument, and a shell form is one argument.
        Status::Code(126) if too_long(exec) => {
            notes.push(format!(
                "the kernel takes at most {} bytes in one argument or variable",
                MAX_ARGUMENT - 1
            ));
            helps.push(
                "put the text into a file: a heredoc of RUN that begins with `#!`, or COPY with a heredoc"
                    .to_owned(),
            );
        }
        Status::Code(126) => notes
            .push("exit code 126: the file is there but cannot be run (mode, or wrong format)".to_owned()),
        Status::Code(code @ (135..=165)) => notes.push(signal_note(code - 128)),
        Status::Signal(signal) => notes.push(signal_note(signal)),
        Status::Code(_) => {}
    }
    let network = tail.iter().any(|line| {
        ["Temporary failure in name resolution", "Could not resolve", "Network is unreachable", "getaddrinfo"]
            .iter()
            .any(|sign| line.contains(sign))
    });
    if network && exec.network == Network::None {
        helps.push("the step has no network (`--network=none`)".to_owned());
    }
    if tail.iter().any(|line| line.contains("No space left on device")) {
        helps.push("the disk is full: `imgc cache prune` frees what no image needs".to_owned());
    }
    (notes, helps)
}

fn too_long(exec: &Exec) -> bool {
    exec.args.iter().any(|arg| arg.len() >= MAX_ARGUMENT)
        || exec.env.iter().any(|(name, value)| name.len() + value.len() + 1 >= MAX_ARGUMENT)
}

fn signal_note(signal: i32) -> String {
    let name = match signal {
        4 => "SIGILL: an instruction that this processor does not know",
        6 => "SIGABRT: the program gave up",
        7 => "SIGBUS: memory or disk gave out",
        9 => "SIGKILL: most often the machine ran out of memory",
        11 => "SIGSEGV: the program crashed",
        13 => "SIGPIPE: a reader of its output went away",
        15 => "SIGTERM: it was told to end",
        31 => "SIGSYS: a system call that the sandbox refuses",
        _ => return format!("it was ended by signal {signal}"),
    };
    format!("it was ended by {name}")
}

/// Finds which program was not found, and one of a similar name.
fn not_found(exec: &Exec, root: &Tree, tail: &[String], notes: &mut Vec<String>, helps: &mut Vec<String>) {
    let path = exec.env.iter().find(|(name, _)| name == "PATH").map_or("", |(_, value)| value.as_str());
    let Some(name) = missing_name(exec, tail) else { return };
    if name.starts_with('[') && exec.args.last().is_some_and(|text| text.trim_start().starts_with('[')) {
        notes.push("the line is no JSON array of strings, so the shell ran it as it is".to_owned());
        helps.push(
            "write `[\"program\", \"argument\"]`: double quotes, commas, nothing behind the bracket"
                .to_owned(),
        );
        return;
    }
    if let Some((_, text)) =
        exec.scripts.iter().find(|(file, _)| name.strip_prefix("/dev/pipes/") == Some(file))
    {
        let line = text.lines().next().unwrap_or_default().trim_start_matches("#!").trim();
        notes.push(format!("`{line}`, which the heredoc names in its first line, cannot be started"));
        return;
    }
    if name.contains('/') {
        notes.push(missing_file(&name, exec, root));
        return;
    }
    notes.push(format!("`{name}` was not found in PATH ({path})"));
    let mut programs: Vec<(String, ImagePath)> = Vec::new();
    for dir in path.split(':').filter_map(|dir| ImagePath::clean(dir).ok()) {
        let Ok(dir) = root.resolve(&dir, true) else { continue };
        for found in root.below(&dir) {
            if found.entry.path.parent().as_ref() == Some(&dir)
                && let Some(Ok(program)) = found.entry.path.name().map(std::str::from_utf8)
            {
                programs.push((program.to_owned(), found.entry.path.clone()));
            }
        }
    }
    if let Some(near) = did_you_mean(&name, programs.iter().map(|(program, _)| program.as_str())) {
        let place = programs.iter().find(|(program, _)| program == near).map(|(_, path)| path.to_absolute());
        helps.push(format!("did you mean `{near}`? (exists: {})", place.unwrap_or_default()));
    }
}

/// Why a program that is named by its path cannot be started.
fn missing_file(name: &str, exec: &Exec, root: &Tree) -> String {
    let path = if name.starts_with('/') {
        ImagePath::clean(name)
    } else {
        ImagePath::clean(format!("{}/{name}", exec.cwd.to_absolute()))
    };
    let Ok(path) = path else { return format!("there is no `{name}`") };
    match root.resolve(&path, true) {
        Ok(file) if root.get(&file).is_some() => {
            format!("`{name}` exists: the interpreter named in its first line, or its loader, does not")
        }
        Ok(target) if target != path => {
            format!("`{name}` leads to `{}`, which does not exist", target.to_absolute())
        }
        _ => format!("there is no `{name}`"),
    }
}

/// `sh: 1: vum: not found`, `bash: line 1: vum: command not found`, or the program of an exec form.
fn missing_name(exec: &Exec, tail: &[String]) -> Option<String> {
    for line in tail.iter().rev() {
        for ending in [": command not found", ": not found"] {
            if let Some(before) = line.trim_end().strip_suffix(ending) {
                let name = before.rsplit(": ").next().unwrap_or(before).trim();
                if !name.is_empty() && !name.contains(' ') {
                    return Some(name.to_owned());
                }
            }
        }
    }
    let shell = exec.args.get(1).is_some_and(|second| second == "-c" || second == "-ec");
    if shell { None } else { exec.args.first().cloned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exec(args: &[&str]) -> Exec {
        Exec {
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            env: vec![("PATH".into(), "/bin".into())],
            cwd: ImagePath::root(),
            user: String::new(),
            mounts: vec![],
            scripts: vec![],
            network: Network::Default,
            security: imgc_graph::Security::Sandbox,
            hostname: String::new(),
        }
    }

    #[test]
    fn what_a_shell_could_not_find() {
        let notes = |exec: &Exec, line: &str| {
            let (notes, helps) = explain(Status::Code(127), exec, &Tree::default(), &[line.to_owned()]);
            [notes, helps].concat().join(" ")
        };
        let array = exec(&["/bin/sh", "-c", "[\"sh\", \"-c\" \"true\"]"]);
        let said = notes(&array, "/bin/sh: [sh,: not found");
        assert!(said.contains("no JSON array") && said.contains("double quotes"), "{said}");
        let mut script = exec(&["/bin/sh", "-c", "/dev/pipes/EOF"]);
        script.scripts.push(("EOF".into(), "#! /bin/nosuch -x\necho\n".into()));
        let said = notes(&script, "/bin/sh: 1: /dev/pipes/EOF: not found");
        assert!(said.contains("`/bin/nosuch -x`"), "{said}");
    }

    #[test]
    fn an_argument_that_is_too_long() {
        let long = "x".repeat(MAX_ARGUMENT);
        for (text, expected) in [(long.as_str(), "at most 131071 bytes"), ("x", "cannot be run")] {
            let exec = exec(&["/bin/sh", "-c", text]);
            let (notes, _) = explain(Status::Code(126), &exec, &Tree::default(), &[]);
            assert!(notes[0].contains(expected), "{notes:?}");
        }
        let mut exec = exec(&["x"]);
        exec.env.push(("A".into(), long[2..].into()));
        assert!(explain(Status::Code(126), &exec, &Tree::default(), &[]).0[0].contains("131071"));
    }

    #[test]
    fn names_of_missing_programs() {
        let table = [
            (&["/bin/sh", "-c", "vum"][..], "/bin/sh: 1: vum: not found", Some("vum")),
            (&["/bin/bash", "-c", "x"][..], "/bin/bash: line 1: foo: command not found", Some("foo")),
            (&["/bin/sh", "-c", "x"][..], "make: *** [all] Error 127", None),
            (&["prog"][..], "", Some("prog")),
        ];
        for (args, line, expected) in table {
            assert_eq!(missing_name(&exec(args), &[line.to_owned()]).as_deref(), expected, "{line}");
        }
    }
}
