//! `json`, `len`, `index`, `join` and their like, as Go's templates and docker have them.

use std::cmp::Ordering;

use imgc_base::diagnostic::did_you_mean;
use serde_json::Value;

use super::eval::Bad;

const NAMES: [&str; 23] = [
    "json", "len", "index", "slice", "join", "split", "lower", "upper", "title", "print", "println",
    "printf", "and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge", "truncate", "pad",
];

fn bad<T>(text: impl Into<String>) -> Result<T, Bad> {
    Err((text.into(), None))
}

/// Calls a function.
pub(super) fn call(name: &str, values: &[Value]) -> Result<Value, Bad> {
    let text_of = |at: usize| values.get(at).map(text).unwrap_or_default();
    let needs = |count: usize| {
        if values.len() < count { bad(format!("`{name}` needs {count} values")) } else { Ok(()) }
    };
    Ok(match name {
        "json" => {
            needs(1)?;
            Value::String(values[0].to_string())
        }
        "len" => {
            needs(1)?;
            Value::from(match &values[0] {
                Value::Array(list) => list.len(),
                Value::Object(object) => object.len(),
                Value::String(text) => text.len(),
                Value::Null => 0,
                other => return bad(format!("`len` of {}", kind(other))),
            })
        }
        "index" => {
            needs(1)?;
            values[1..].iter().try_fold(values[0].clone(), |value, key| index(&value, key))?
        }
        "slice" => {
            needs(2)?;
            slice(&values[0], &values[1..])?
        }
        "join" => {
            needs(2)?;
            let parts: Vec<String> = items(&values[0])?.iter().map(|(_, item)| text(item)).collect();
            Value::String(parts.join(&text_of(1)))
        }
        "split" => {
            needs(2)?;
            let (whole, separator) = (text_of(0), text_of(1));
            whole.split(separator.as_str()).map(|part| Value::String(part.to_owned())).collect()
        }
        "lower" => Value::String(text_of(0).to_lowercase()),
        "upper" => Value::String(text_of(0).to_uppercase()),
        "title" => {
            let whole = text_of(0);
            let mut chars = whole.chars();
            let first = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
            Value::String(first + chars.as_str())
        }
        "truncate" => {
            needs(2)?;
            let length = values[1].as_u64().unwrap_or(0) as usize;
            Value::String(text_of(0).chars().take(length).collect())
        }
        "pad" => {
            needs(3)?;
            let blanks = |at: usize| " ".repeat(values[at].as_u64().unwrap_or(0).min(1000) as usize);
            Value::String(format!("{}{}{}", blanks(1), text_of(0), blanks(2)))
        }
        "print" => Value::String(values.iter().map(text).collect::<Vec<_>>().join(" ")),
        "println" => Value::String(values.iter().map(text).collect::<Vec<_>>().join(" ") + "\n"),
        "printf" => {
            needs(1)?;
            Value::String(printf(&text_of(0), &values[1..])?)
        }
        "and" => values.iter().find(|value| !truth(value)).or(values.last()).cloned().unwrap_or_default(),
        "or" => values.iter().find(|value| truth(value)).or(values.last()).cloned().unwrap_or_default(),
        "not" => {
            needs(1)?;
            Value::Bool(!truth(&values[0]))
        }
        "eq" => {
            needs(2)?;
            Value::Bool(values[1..].iter().any(|value| same(&values[0], value)))
        }
        "ne" => {
            needs(2)?;
            Value::Bool(!same(&values[0], &values[1]))
        }
        "lt" | "le" | "gt" | "ge" => {
            needs(2)?;
            let order = compare(&values[0], &values[1])?;
            Value::Bool(match name {
                "lt" => order.is_lt(),
                "le" => order.is_le(),
                "gt" => order.is_gt(),
                _ => order.is_ge(),
            })
        }
        other => {
            let near = did_you_mean(other, NAMES).map(|near| format!("did you mean `{near}`?"));
            let help = near.unwrap_or_else(|| format!("there are {}", NAMES.join(", ")));
            return Err((format!("there is no function `{other}`"), Some(help)));
        }
    })
}

/// What a range goes over: keys or numbers, and items.
pub(super) fn items(value: &Value) -> Result<Vec<(Value, Value)>, Bad> {
    match value {
        Value::Array(list) => {
            Ok(list.iter().enumerate().map(|(number, item)| (Value::from(number), item.clone())).collect())
        }
        Value::Object(object) => {
            Ok(object.iter().map(|(key, item)| (Value::from(key.as_str()), item.clone())).collect())
        }
        Value::Null => Ok(Vec::new()),
        other => bad(format!("{} is no list", kind(other))),
    }
}

/// As Go prints it: lists in brackets, objects as maps.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => "<no value>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(list) => format!("[{}]", list.iter().map(text).collect::<Vec<_>>().join(" ")),
        Value::Object(object) => {
            let fields: Vec<String> =
                object.iter().map(|(key, value)| format!("{key}:{}", text(value))).collect();
            format!("map[{}]", fields.join(" "))
        }
        other => other.to_string(),
    }
}

/// False for nothing, zero, and what is empty.
pub(super) fn truth(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(object) => !object.is_empty(),
    }
}

/// What to call a value in messages.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn index(value: &Value, key: &Value) -> Result<Value, Bad> {
    match (value, key) {
        // As Go: a key that a map does not have gives the empty value of its texts.
        (Value::Object(object), Value::String(key)) => {
            Ok(object.get(key).cloned().unwrap_or_else(|| Value::String(String::new())))
        }
        (Value::Null, Value::String(_)) => Ok(Value::String(String::new())),
        (Value::Array(list), Value::Number(number)) => {
            let at = number.as_u64().and_then(|at| usize::try_from(at).ok());
            let found = at.and_then(|at| list.get(at)).cloned();
            found.ok_or_else(|| (format!("there is no item {number} of {}", list.len()), None))
        }
        (Value::Null, _) => Ok(Value::Null),
        (value, key) => bad(format!("`index` of {} by {}", kind(value), kind(key))),
    }
}

fn slice(value: &Value, bounds: &[Value]) -> Result<Value, Bad> {
    let bound = |at: usize, default: usize| match bounds.get(at) {
        Some(value) => value
            .as_u64()
            .and_then(|number| usize::try_from(number).ok())
            .ok_or_else(|| ("`slice` needs numbers".to_owned(), None)),
        None => Ok(default),
    };
    let out_of_range = || ("`slice` reaches past the end".to_owned(), None);
    match value {
        Value::String(text) => {
            let part = text.get(bound(0, 0)?..bound(1, text.len())?).ok_or_else(out_of_range)?;
            Ok(Value::String(part.to_owned()))
        }
        Value::Array(list) => {
            let part = list.get(bound(0, 0)?..bound(1, list.len())?).ok_or_else(out_of_range)?;
            Ok(Value::Array(part.to_vec()))
        }
        other => bad(format!("`slice` of {}", kind(other))),
    }
}

fn same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a.total_cmp(&b).is_eq(),
        _ => a == b,
    }
}

fn compare(a: &Value, b: &Value) -> Result<Ordering, Bad> {
    match (a, b) {
        (Value::String(a), Value::String(b)) => Ok(a.cmp(b)),
        _ => match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => Ok(a.total_cmp(&b)),
            _ => bad(format!("{} and {} have no order", kind(a), kind(b))),
        },
    }
}

/// `%s`, `%v`, `%d`, `%q`, `%t`, `%%`, with a width.
fn printf(format: &str, values: &[Value]) -> Result<String, Bad> {
    let mut out = String::new();
    let mut values = values.iter();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let (mut width, mut left) = (String::new(), false);
        let verb = loop {
            match chars.next() {
                Some('-') if width.is_empty() => left = true,
                Some(digit @ '0'..='9') if width.len() < 3 => width.push(digit),
                Some(verb) => break verb,
                None => return bad("`printf` ends within a verb"),
            }
        };
        if verb == '%' {
            out.push('%');
            continue;
        }
        let value = values.next().ok_or_else(|| ("`printf` has too few values".to_owned(), None))?;
        let shown = match verb {
            's' | 'v' | 'd' | 't' => text(value),
            'q' => Value::String(text(value)).to_string(),
            other => return bad(format!("`printf` knows no `%{other}`")),
        };
        let width: usize = width.parse().unwrap_or(0);
        let blanks = " ".repeat(width.saturating_sub(shown.chars().count()));
        out.push_str(&if left { shown + &blanks } else { blanks + &shown });
    }
    Ok(out)
}
