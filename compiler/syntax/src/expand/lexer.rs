//! The reader itself: characters in, text, words and uses of variables out.

use super::pattern::{BUDGET, Pattern, Want, spend};
use super::words::Words;
use super::{ExpandError, Expansion, Lexer, MAX_DEPTH, MAX_RESULT, Reason, Unset, Variables};

/// Expands a whole text.
pub(super) fn run(lexer: Lexer, text: &str, variables: &dyn Variables) -> Result<Expansion, ExpandError> {
    let mut reader =
        Reader { lexer, text, at: 0, depth: 0, budget: BUDGET, variables, out: Expansion::default() };
    let mut words = Words::default();
    reader.out.text = reader.until(None, lexer.raw_escapes, Some(&mut words))?;
    reader.out.words = words.finish();
    Ok(reader.out)
}

struct Reader<'a> {
    lexer: Lexer,
    text: &'a str,
    at: usize,
    depth: usize,
    budget: usize,
    variables: &'a dyn Variables,
    out: Expansion,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let char = self.peek()?;
        self.at += char.len_utf8();
        Some(char)
    }

    fn error(&self, from: usize, reason: Reason) -> ExpandError {
        ExpandError { reason, at: from..self.at.max(from) }
    }

    /// Takes a value into a result, within the bounds.
    fn push(&mut self, result: &mut String, part: &str, from: usize) -> Result<(), ExpandError> {
        spend(&mut self.budget, part.len()).map_err(|reason| self.error(from, reason))?;
        if result.len() + part.len() > MAX_RESULT {
            return Err(self.error(from, Reason::Long));
        }
        result.push_str(part);
        Ok(())
    }

    /// Reads up to the end, or up to and over `stop`.
    fn until(
        &mut self,
        stop: Option<char>,
        raw_escapes: bool,
        mut words: Option<&mut Words>,
    ) -> Result<String, ExpandError> {
        let mut result = String::new();
        loop {
            let from = self.at;
            let Some(char) = self.peek() else { break };
            if Some(char) == stop {
                self.next();
                return Ok(result);
            }
            let quotes = !self.lexer.plain_quotes;
            match char {
                '$' => {
                    let value = self.dollar()?;
                    self.push(&mut result, &value, from)?;
                    words.as_deref_mut().into_iter().for_each(|words| words.split(&value));
                }
                '\'' | '"' if quotes => {
                    let part = if char == '"' {
                        self.double_quoted(raw_escapes)?
                    } else {
                        self.single_quoted()?.to_owned()
                    };
                    self.push(&mut result, &part, from)?;
                    words.as_deref_mut().into_iter().for_each(|words| words.whole(&part));
                }
                _ if char == self.lexer.escape => {
                    self.next();
                    // At the very end there is nothing to escape.
                    let escaped = self.next();
                    let start = if raw_escapes { from } else { from + char.len_utf8() };
                    let part = &self.text[start..self.at];
                    if escaped.is_some() || raw_escapes {
                        self.push(&mut result, part, from)?;
                        words.as_deref_mut().into_iter().for_each(|words| words.whole(part));
                    }
                }
                _ => {
                    self.next();
                    let part = &self.text[from..self.at];
                    self.push(&mut result, part, from)?;
                    words.as_deref_mut().into_iter().for_each(|words| words.split(part));
                }
            }
        }
        match stop {
            Some('/') => Err(self.error(self.at, Reason::Slash)),
            Some(_) => Err(self.error(self.at, Reason::Brace)),
            None => Ok(result),
        }
    }

    /// `'...'`: nothing has a meaning within.
    fn single_quoted(&mut self) -> Result<&'a str, ExpandError> {
        let open = self.at;
        self.next();
        let Some(length) = self.text[self.at..].find('\'') else {
            return Err(ExpandError { reason: Reason::Quote("single"), at: open..open + 1 });
        };
        let inner = self.at..self.at + length;
        self.at += length + 1;
        Ok(if self.lexer.raw_quotes { &self.text[open..self.at] } else { &self.text[inner] })
    }

    /// `"..."`: variables are expanded; the escape character works before `"`, `$` and itself.
    fn double_quoted(&mut self, raw_escapes: bool) -> Result<String, ExpandError> {
        let open = self.at;
        let mut result = String::new();
        self.next();
        if self.lexer.raw_quotes {
            result.push('"');
        }
        loop {
            let from = self.at;
            match self.peek() {
                None => return Err(ExpandError { reason: Reason::Quote("double"), at: open..open + 1 }),
                Some('"') => {
                    self.next();
                    if self.lexer.raw_quotes {
                        result.push('"');
                    }
                    return Ok(result);
                }
                Some('$') => {
                    let value = self.dollar()?;
                    self.push(&mut result, &value, from)?;
                }
                Some(char) => {
                    self.next();
                    let mut start = from;
                    if char == self.lexer.escape
                        && self.peek().is_some_and(|next| next == '"' || next == '$' || next == char)
                    {
                        self.next();
                        if !raw_escapes {
                            start += char.len_utf8();
                        }
                    }
                    let part = &self.text[start..self.at];
                    self.push(&mut result, part, from)?;
                }
            }
        }
    }

    /// `$name` and `${...}`
    fn dollar(&mut self) -> Result<String, ExpandError> {
        let from = self.at;
        self.next();
        if self.peek() != Some('{') {
            let name = self.name();
            if name.is_empty() {
                return Ok("$".to_owned());
            }
            let value = self.look_up(name, from);
            let written = &self.text[from..self.at];
            return Ok(value.unwrap_or(if self.lexer.keep_unset { written } else { "" }).to_owned());
        }
        self.next();
        match self.peek() {
            None => return Err(self.error(from, Reason::Brace)),
            Some('{' | '}' | ':') => {
                self.next();
                return Err(self.error(from, Reason::BadSubstitution));
            }
            Some(_) => {}
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error(from, Reason::Depth));
        }
        let name = self.name();
        let name_end = self.at;
        let result = self.substitution(name, from, name_end);
        self.depth -= 1;
        result
    }

    /// What follows the name in `${name...}`.
    fn substitution(&mut self, name: &'a str, from: usize, name_end: usize) -> Result<String, ExpandError> {
        let unsupported = |reader: &Self| {
            let modifier = reader.text[name_end..reader.at].to_owned();
            reader.error(from, Reason::Modifier(modifier))
        };
        let kept = |reader: &Self, value: Option<&str>| {
            (value.is_none() && reader.lexer.keep_unset).then(|| reader.text[from..reader.at].to_owned())
        };
        match self.next() {
            None => Err(self.error(from, Reason::Brace)),
            Some('}') => {
                let value = self.look_up_to(name, from, name_end);
                Ok(kept(self, value).unwrap_or_else(|| value.unwrap_or_default().to_owned()))
            }
            Some('/') => {
                let all = self.peek() == Some('/');
                if all {
                    self.next();
                }
                let pattern = self.until(Some('/'), true, None)?;
                let replacement = self.until(Some('}'), true, None)?;
                let value = self.look_up_to(name, from, name_end);
                if let Some(kept) = kept(self, value) {
                    return Ok(kept);
                }
                let value = value.unwrap_or_default();
                Pattern::new(&pattern)
                    .and_then(|pattern| pattern.replace(value, &replacement, all, &mut self.budget))
                    .map_err(|reason| self.error(from, reason))
            }
            Some(first) => {
                let empty_is_unset = first == ':';
                let modifier = if empty_is_unset { self.next() } else { Some(first) };
                let Some(modifier) = modifier else { return Err(self.error(from, Reason::Brace)) };
                let trims = matches!(modifier, '#' | '%') && !empty_is_unset;
                if !matches!(modifier, '-' | '+' | '?') && !trims {
                    return Err(unsupported(self));
                }
                let word = self.until(Some('}'), trims, None)?;
                let value = self.look_up_to(name, from, name_end);
                if let Some(kept) = kept(self, value) {
                    return Ok(kept);
                }
                let missing = value.is_none_or(|value| empty_is_unset && value.is_empty());
                let value = value.unwrap_or_default();
                match modifier {
                    '-' => Ok(if missing { word } else { value.to_owned() }),
                    '+' => Ok(if missing { String::new() } else { word }),
                    '?' if missing => {
                        let what = if value.is_empty() && self.variables.value(name).is_some() {
                            "empty"
                        } else {
                            "unset"
                        };
                        let message =
                            if word.is_empty() { format!("is not allowed to be {what}") } else { word };
                        Err(self.error(from, Reason::Required { name: name.to_owned(), message }))
                    }
                    '?' => Ok(value.to_owned()),
                    _ => self.trim(modifier, &word, value).map_err(|reason| self.error(from, reason)),
                }
            }
        }
    }

    fn trim(&mut self, side: char, word: &str, value: &str) -> Result<String, Reason> {
        let (word, want) = match word.strip_prefix(side) {
            Some(word) => (word, Want::Longest),
            None => (word, Want::Shortest),
        };
        let pattern = Pattern::new(word)?;
        spend(&mut self.budget, value.len())?;
        if side == '#' {
            pattern.trim_start(value, want, &mut self.budget)
        } else {
            pattern.trim_end(value, want, &mut self.budget)
        }
    }

    /// A name: letters, digits and `_`; or digits alone; or one special parameter.
    fn name(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let Some(first) = rest.chars().next() else { return "" };
        let length = if first.is_numeric() {
            rest.find(|char: char| !char.is_numeric()).unwrap_or(rest.len())
        } else if matches!(first, '@' | '*' | '#' | '?' | '-' | '$' | '!') {
            1
        } else {
            rest.find(|char: char| !char.is_alphanumeric() && char != '_').unwrap_or(rest.len())
        };
        self.at += length;
        &rest[..length]
    }

    fn look_up(&mut self, name: &str, from: usize) -> Option<&'a str> {
        self.look_up_to(name, from, self.at)
    }

    fn look_up_to(&mut self, name: &str, from: usize, end: usize) -> Option<&'a str> {
        let value = self.variables.value(name);
        if value.is_some() {
            self.out.set.insert(name.to_owned());
        } else {
            self.out.unset.push(Unset { name: name.to_owned(), at: from..end });
        }
        value
    }
}
