//! The subset of Go's `text/template` that people write after docker's `-f` and `--format`.
//!
//! | module | what it holds |
//! |---|---|
//! | `parse` | text to a list of nodes |
//! | `eval` | nodes and a JSON value to text |
//! | `functions` | `json`, `len`, `index`, `join` and their like |
//!
//! Fields are found in any case, so that `.Config.Env` and `.config.env` are one. A field that an object does not have
//! is an error with the nearest name.

mod eval;
mod functions;
mod parse;

use serde_json::Value;

use crate::failure::Failure;

/// A template that was read.
#[derive(Debug, Clone)]
pub struct Template {
    nodes: Vec<parse::Node>,
}

impl Template {
    /// Reads a template. `\t` and `\n` in its text are a tab and a line break, as docker has it.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let text = text.replace("\\t", "\t").replace("\\n", "\n");
        parse::parse(&text).map(|nodes| Self { nodes }).map_err(|message| bad(&text, &message))
    }

    /// The text for a value.
    pub fn render(&self, value: &Value) -> Result<String, Failure> {
        eval::render(&self.nodes, value).map_err(|(message, help)| {
            let failure = Failure::new(crate::failure::code::FAILED, format!("the template: {message}"));
            help.into_iter().fold(failure, Failure::help)
        })
    }
}

fn bad(text: &str, message: &str) -> Failure {
    Failure::usage(format!("the template `{}` does not read: {message}", text.escape_debug()))
        .help("for example: `{{.Config.Env}}`, `{{json .Config}}`, `{{range .RepoTags}}{{.}} {{end}}`")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn image() -> Value {
        json!({
            "Id": "sha256:ab", "RepoTags": ["a:1", "b:2"], "Size": 1_234_567,
            "Config": {"Env": ["PATH=/bin", "A=b"], "Labels": {"com.x": "1", "z": "2"}, "Cmd": null, "Tty": false},
            "Nothing": [],
        })
    }

    #[test]
    fn what_people_write() {
        for (text, expected) in [
            ("{{.Id}}", "sha256:ab"),
            ("{{ .id }}", "sha256:ab"),
            ("{{.config.ENV}}", "[PATH=/bin A=b]"),
            ("{{json .Config.Env}}", r#"["PATH=/bin","A=b"]"#),
            ("{{range .RepoTags}}{{.}},{{end}}", "a:1,b:2,"),
            ("{{range $i, $t := .RepoTags}}{{$i}}={{$t}};{{end}}", "0=a:1;1=b:2;"),
            ("{{range $k, $v := .Config.Labels}}{{$k}}:{{$v}} {{end}}", "com.x:1 z:2 "),
            ("{{range .Nothing}}x{{else}}none{{end}}", "none"),
            ("{{index .Config.Labels \"com.x\"}}", "1"),
            ("<{{index .Config.Labels \"no\"}}{{index .Config.Cmd \"no\"}}>", "<>"),
            ("{{if index .Config.Labels \"no\"}}1{{else}}0{{end}}{{.Config.Labels.no}}", "0<no value>"),
            ("{{index .RepoTags 1}}", "b:2"),
            ("{{(index .RepoTags 0) | upper}}", "A:1"),
            ("{{len .RepoTags}} {{len .Id}}", "2 9"),
            ("{{join .RepoTags \", \"}}", "a:1, b:2"),
            ("{{.RepoTags | json}}", r#"["a:1","b:2"]"#),
            ("{{if .Config.Cmd}}cmd{{else}}no cmd{{end}}", "no cmd"),
            ("{{if eq .Id \"x\"}}1{{else if gt .Size 5}}2{{else}}3{{end}}", "2"),
            ("{{with .Config}}{{index .Env 0}}{{end}}", "PATH=/bin"),
            ("a {{- /* remark */ -}} b", "ab"),
            ("{{$x := .Id}}{{$x}}|{{printf \"%s-%d\" $x 3}}", "sha256:ab|sha256:ab-3"),
            ("{{and .Id .Size}} {{or .Config.Cmd \"d\"}} {{not .Config.Tty}}", "1234567 d true"),
            ("{{.Config.Cmd}}", "<no value>"),
            ("{{$.Id}}{{range .RepoTags}}{{$.Size}}{{end}}", "sha256:ab12345671234567"),
            ("{{range split .Id \":\"}}<{{.}}>{{end}}", "<sha256><ab>"),
            ("{{title \"abc\"}} {{lower \"ABC\"}} {{println .Size}}", "Abc abc 1234567\n"),
            ("{{.Id}}\\t{{.Size}}", "sha256:ab\t1234567"),
            ("{{slice .Id 7}} {{index .Config \"Env\" 1}}", "ab A=b"),
        ] {
            match Template::parse(text).and_then(|template| template.render(&image())) {
                Ok(got) => assert_eq!(got, expected, "{text}"),
                Err(failure) => panic!("{text}: {}", failure.message),
            }
        }
    }

    #[test]
    fn what_does_not_read() {
        for text in [
            "{{",
            "{{.Id",
            "{{end}}",
            "{{if .Id}}",
            "{{range}}{{end}}",
            "{{nosuch .Id}}",
            "{{.Id | }}",
            "{{(.Id}}",
            "{{else}}",
        ] {
            let result = Template::parse(text).and_then(|template| template.render(&image()));
            assert!(result.is_err(), "{text}");
        }
        let failure = Template::parse("{{.Confg.Env}}").unwrap().render(&image()).unwrap_err();
        assert_eq!(failure.helps, ["did you mean `.Config`?"]);
        let failure = Template::parse("{{.Config.Lables}}").unwrap().render(&image()).unwrap_err();
        assert!(failure.helps[0].contains("`.Labels`"), "{:?}", failure.helps);
        let deep = "{{if .Id}}".repeat(10_000);
        assert!(Template::parse(&deep).is_err());
        let nested = format!("{{{{{}.Id{}}}}}", "(".repeat(5000), ")".repeat(5000));
        assert!(Template::parse(&nested).is_err());
    }
}
