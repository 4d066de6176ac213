//! Lists in the form that `--format` asks for: a table, JSON, a template, or a template as a table (docker's words).

use std::io::Write;

use serde_json::{Map, Value};

use super::{table, units};
use crate::failure::Failure;
use crate::template::Template;

/// Writes rows as `--format` says. False if it asks for the command's own table, which is the caller's.
pub fn formatted(out: &mut impl Write, format: Option<&str>, rows: &[Value]) -> Result<bool, Failure> {
    let format = format.map(str::trim);
    let (text, as_table) = match format {
        None | Some("" | "table") => return Ok(false),
        Some("json") => {
            for row in rows {
                writeln!(out, "{row}")?;
            }
            return Ok(true);
        }
        Some(text) => match text.strip_prefix("table").filter(|rest| rest.starts_with(char::is_whitespace)) {
            Some(rest) => (rest.trim_start(), true),
            None => (text, false),
        },
    };
    let template = Template::parse(text)?;
    let mut lines = Vec::new();
    for row in rows {
        let line = template.render(row)?;
        // Tabs and line breaks are the template's; what else a value brings must not reach the terminal.
        let cells = line
            .split('\t')
            .map(|cell| cell.split('\n').map(units::printable).collect::<Vec<_>>().join("\n"));
        lines.push(cells.collect::<Vec<_>>());
    }
    if as_table {
        let header = rows.first().map_or_else(|| Ok(String::new()), |row| template.render(&titles(row)))?;
        let header: Vec<&str> = header.split('\t').collect();
        write!(out, "{}", table::table(&header, &lines))?;
    } else {
        for line in &lines {
            writeln!(out, "{}", line.join("\t"))?;
        }
    }
    Ok(true)
}

/// A row of what the columns are called.
fn titles(row: &Value) -> Value {
    let title = |name: &str| {
        let mut out = String::new();
        let mut before = 'A';
        for c in name.strip_suffix("Since").unwrap_or(name).chars() {
            if c.is_ascii_uppercase() && before.is_ascii_lowercase() {
                out.push(' ');
            }
            out.push(c.to_ascii_uppercase());
            before = c;
        }
        out
    };
    let all = row.as_object().into_iter().flatten();
    Value::Object(all.map(|(name, _)| (name.clone(), Value::String(title(name)))).collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn forms_of_lists() {
        let rows = [
            json!({"Repository": "a", "CreatedSince": "now", "ID": "1"}),
            json!({"Repository": "longer", "CreatedSince": "\u{7}", "ID": "2"}),
        ];
        for (format, want) in [
            (None, None),
            (Some("table"), None),
            (Some("{{.Repository}}\\t{{.ID}}"), Some("a\t1\nlonger\t2\n")),
            (Some("table {{.Repository}}\\t{{.ID}}"), Some("REPOSITORY  ID\na           1\nlonger      2\n")),
            (Some("table {{.CreatedSince}}"), Some("CREATED\nnow\n\\u{7}\n")),
            (Some("tables {{.ID}}"), Some("tables 1\ntables 2\n")),
        ] {
            let mut out = Vec::new();
            let done = formatted(&mut out, format, &rows).map_err(|failure| failure.message).unwrap();
            assert_eq!(done, want.is_some(), "{format:?}");
            assert_eq!(String::from_utf8(out).unwrap(), want.unwrap_or_default(), "{format:?}");
        }
        let mut out = Vec::new();
        assert!(formatted(&mut out, Some("json"), &rows).is_ok_and(|done| done));
        assert_eq!(String::from_utf8_lossy(&out).lines().count(), 2);
        assert!(formatted(&mut out, Some("{{.Nothing}}"), &rows).is_err());
    }
}
