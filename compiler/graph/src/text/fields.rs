//! Entries to typed fields, with faults that say where.

use std::ops::Range;

use imgc_base::diagnostic::did_you_mean;
use imgc_base::path::ImagePath;

use super::Fault;
use super::tree::{Entry, Item, Value};

/// The values of one entry, taken one by one; what is left over at the end is a fault.
pub(super) struct Fields<'a> {
    entry: &'a Entry,
    items: Vec<&'a Item>,
    /// Names that were asked for: what an unknown one could have meant.
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(entry: &'a Entry) -> Self {
        Self { entry, items: entry.items.iter().collect(), known: Vec::new() }
    }

    /// The next value without a name.
    fn plain(&mut self, wanted: &str) -> Result<&'a Item, Fault> {
        match self.items.iter().position(|item| item.name.is_none()) {
            Some(at) => Ok(self.items.remove(at)),
            None => Err(Fault::new(self.entry.at.clone(), format!("`{}` needs {wanted}", self.entry.key))),
        }
    }

    /// The value `name=...`.
    fn named(&mut self, name: &'static str) -> Option<&'a Item> {
        self.known.push(name);
        let at = self.items.iter().position(|item| item.name.as_deref() == Some(name))?;
        Some(self.items.remove(at))
    }

    /// True if the word stands there.
    pub(super) fn flag(&mut self, name: &'static str) -> bool {
        self.known.push(name);
        let is =
            |item: &&Item| item.name.is_none() && matches!(&item.value, Value::Word(word) if word == name);
        let found = self.items.iter().position(is);
        found.map(|at| self.items.remove(at)).is_some()
    }

    pub(super) fn text(&mut self) -> Result<String, Fault> {
        text(self.plain("a string")?)
    }

    pub(super) fn path(&mut self) -> Result<ImagePath, Fault> {
        path(self.plain("a path")?)
    }

    pub(super) fn list(&mut self) -> Result<Vec<String>, Fault> {
        list(self.plain("a list")?)
    }

    pub(super) fn number<N: std::str::FromStr>(&mut self) -> Result<N, Fault> {
        number(self.plain("a number")?)
    }

    /// A value with a text form of its own: a digest, a platform.
    pub(super) fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(&mut self) -> Result<T, Fault> {
        parsed(self.plain("a value")?)
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&mut self, choices: &[(&'static str, T)]) -> Result<T, Fault> {
        choice(self.plain("a word")?, choices)
    }

    pub(super) fn named_text(&mut self, name: &'static str) -> Result<Option<String>, Fault> {
        self.named(name).map(text).transpose()
    }

    pub(super) fn named_bytes(&mut self, name: &'static str) -> Result<Option<Vec<u8>>, Fault> {
        self.named(name).map(bytes).transpose()
    }

    pub(super) fn named_path(&mut self, name: &'static str) -> Result<Option<ImagePath>, Fault> {
        self.named(name).map(path).transpose()
    }

    pub(super) fn named_list(&mut self, name: &'static str) -> Result<Option<Vec<String>>, Fault> {
        self.named(name).map(list).transpose()
    }

    pub(super) fn named_number<N: std::str::FromStr>(
        &mut self,
        name: &'static str,
    ) -> Result<Option<N>, Fault> {
        self.named(name).map(number).transpose()
    }

    pub(super) fn named_choice<T: Copy>(
        &mut self,
        name: &'static str,
        choices: &[(&'static str, T)],
    ) -> Result<Option<T>, Fault> {
        self.named(name).map(|item| choice(item, choices)).transpose()
    }

    /// A mode, in octal.
    pub(super) fn named_mode(&mut self, name: &'static str) -> Result<Option<u32>, Fault> {
        let octal = |item: &Item| match &item.value {
            Value::Word(word) => u32::from_str_radix(word, 8).ok().filter(|mode| *mode <= 0o7777),
            _ => None,
        };
        let Some(item) = self.named(name) else { return Ok(None) };
        match octal(item) {
            Some(mode) => Ok(Some(mode)),
            None => Err(Fault::new(item.at.clone(), "expected a mode in octal, up to 7777")),
        }
    }

    /// A node, if one is left.
    pub(super) fn node(&mut self) -> Option<(u32, Range<usize>)> {
        let at = self.items.iter().position(|item| matches!(item.value, Value::Node(_)))?;
        let item = self.items.remove(at);
        match item.value {
            Value::Node(number) => Some((number, item.at.clone())),
            _ => None,
        }
    }

    /// Faults if a value was not taken.
    pub(super) fn finish(self) -> Result<(), Fault> {
        let Some(item) = self.items.first() else { return Ok(()) };
        let key = &self.entry.key;
        let word = match (&item.name, &item.value) {
            (Some(name), _) => name,
            (None, Value::Word(word)) => word,
            (None, _) => return Err(Fault::new(item.at.clone(), format!("one value too many for `{key}`"))),
        };
        let near = did_you_mean(word, self.known.iter().copied());
        Err(Fault::new(item.at.clone(), format!("`{key}` knows no `{word}`")).help(near))
    }
}

fn text(item: &Item) -> Result<String, Fault> {
    String::from_utf8(bytes(item)?).map_err(|_| Fault::new(item.at.clone(), "the string is not UTF-8"))
}

fn bytes(item: &Item) -> Result<Vec<u8>, Fault> {
    match &item.value {
        Value::Text(bytes) => Ok(bytes.clone()),
        _ => Err(Fault::new(item.at.clone(), "expected a string in quotes")),
    }
}

fn path(item: &Item) -> Result<ImagePath, Fault> {
    ImagePath::strict(bytes(item)?).map_err(|error| Fault::new(item.at.clone(), error.to_string()))
}

fn list(item: &Item) -> Result<Vec<String>, Fault> {
    let Value::List(items) = &item.value else {
        return Err(Fault::new(item.at.clone(), "expected a list of strings: [\"a\" \"b\"]"));
    };
    let texts: Result<Vec<String>, _> = items.iter().map(|item| String::from_utf8(item.clone())).collect();
    texts.map_err(|_| Fault::new(item.at.clone(), "a string of the list is not UTF-8"))
}

fn number<N: std::str::FromStr>(item: &Item) -> Result<N, Fault> {
    let Value::Word(word) = &item.value else { return Err(Fault::new(item.at.clone(), "expected a number")) };
    word.parse()
        .map_err(|_| Fault::new(item.at.clone(), format!("`{word}` is no number that may stand here")))
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(item: &Item) -> Result<T, Fault> {
    let word = match &item.value {
        Value::Word(word) => word.clone(),
        _ => text(item)?,
    };
    word.parse().map_err(|error: T::Err| Fault::new(item.at.clone(), error.to_string()))
}

fn choice<T: Copy>(item: &Item, choices: &[(&'static str, T)]) -> Result<T, Fault> {
    let Value::Word(word) = &item.value else { return Err(Fault::new(item.at.clone(), "expected a word")) };
    let names = || choices.iter().map(|(name, _)| *name);
    if let Some((_, value)) = choices.iter().find(|(name, _)| name == word) {
        return Ok(*value);
    }
    let all = names().collect::<Vec<_>>().join(", ");
    let near = did_you_mean(word, names());
    Err(Fault::new(item.at.clone(), format!("`{word}` is none of: {all}")).help(near))
}
