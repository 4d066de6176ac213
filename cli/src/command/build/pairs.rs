//! `name=value` options and comma-separated lists of them, as docker writes them.

use std::collections::BTreeMap;

use crate::failure::Failure;

/// `NAME=VALUE`.
pub fn pair(option: &str, text: &str) -> Result<(String, String), Failure> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(Failure::usage(format!("`{option} {text}` is not NAME=VALUE"))),
    }
}

/// Labels: a name alone has the empty value, as in docker; a later one of a name wins.
pub fn labels(texts: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let whole = |text: &String| if text.contains('=') { text.clone() } else { format!("{text}=") };
    texts.iter().map(|text| pair("--label", &whole(text))).collect()
}

/// One line of CSV: fields by commas, quoted fields may hold them (docker's `--output`, `--secret`).
pub fn fields(text: &str) -> Vec<String> {
    let mut fields = Vec::new();
    let mut field = String::new();
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            _ => field.push(c),
        }
    }
    fields.push(field);
    fields
}

/// Bytes with an optional unit: `64m`, `1g`, `512`.
pub fn size(option: &str, text: &str) -> Result<u64, Failure> {
    let bad = || Failure::usage(format!("`{option} {text}` is not a size such as `64m` or `1g`"));
    let lower = text.trim().to_lowercase();
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match &lower[digits.len()..] {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return Err(bad()),
    };
    let number: u64 = digits.trim().parse().map_err(|_| bad())?;
    number.checked_mul(1 << shift).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_fields() {
        for (text, expected) in [
            ("type=oci,dest=a", &["type=oci", "dest=a"][..]),
            (r#"id=x,"src=a,b""#, &["id=x", "src=a,b"]),
            (r#""a""b""#, &[r#"a"b"#]),
            ("", &[""]),
        ] {
            assert_eq!(fields(text), expected, "{text}");
        }
    }

    #[test]
    fn labels_without_a_value() {
        let texts = ["a=b=c", "d", "e="].map(str::to_owned);
        let read: Vec<_> = labels(&texts).unwrap().into_iter().collect();
        assert_eq!(read, [("a", "b=c"), ("d", ""), ("e", "")].map(|(n, v)| (n.to_owned(), v.to_owned())));
        assert!(labels(&["=x".to_owned()]).is_err());
        assert!(labels(&[String::new()]).is_err());
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [("512", 512), ("64m", 64 << 20), ("1GB", 1 << 30), ("2k", 2048)] {
            assert_eq!(size("--shm-size", text).unwrap(), bytes);
        }
        for text in ["", "x", "1x", "-1", "99999999999999t"] {
            assert!(size("--shm-size", text).is_err(), "{text}");
        }
    }
}
