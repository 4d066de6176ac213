//! Tokens to nodes with entries, whatever they mean.

use std::ops::Range;

use super::lex::{self, Token, TokenKind};
use super::{Fault, HEAD};

/// A whole text.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) nodes: Vec<NodeText>,
    pub(super) targets: Vec<(u32, Range<usize>)>,
}

/// `%2 = exec %0 %1 { ... }`.
#[derive(Debug)]
pub(super) struct NodeText {
    pub(super) number: u32,
    pub(super) number_at: Range<usize>,
    pub(super) op: String,
    pub(super) op_at: Range<usize>,
    pub(super) inputs: Vec<(u32, Range<usize>)>,
    pub(super) entries: Vec<Entry>,
}

/// `mount cache "/x" id="a" readonly`: a key, then values, each perhaps with a name.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) at: Range<usize>,
    pub(super) items: Vec<Item>,
}

#[derive(Debug)]
pub(super) struct Item {
    pub(super) name: Option<String>,
    pub(super) value: Value,
    pub(super) at: Range<usize>,
}

#[derive(Debug)]
pub(super) enum Value {
    Word(String),
    Text(Vec<u8>),
    Node(u32),
    List(Vec<Vec<u8>>),
}

pub(super) fn parse(text: &str) -> Result<Document, Fault> {
    let tokens = lex::tokens(text)?;
    let mut reader = Reader { tokens: &tokens, next: 0, end: text.len() };
    reader.document()
}

struct Reader<'a> {
    tokens: &'a [Token],
    next: usize,
    end: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<&TokenKind> {
        self.tokens.get(self.next).map(|token| &token.kind)
    }

    fn at(&self) -> Range<usize> {
        self.tokens.get(self.next).map_or(self.end..self.end, |token| token.at.clone())
    }

    fn fail<T>(&self, wanted: &str) -> Result<T, Fault> {
        let found = match self.peek() {
            None => "the end of the text".to_owned(),
            Some(TokenKind::Line) => "the end of the line".to_owned(),
            Some(TokenKind::Word(word)) => format!("`{word}`"),
            Some(TokenKind::Text(_)) => "a string".to_owned(),
            Some(TokenKind::Node(number)) => format!("`%{number}`"),
            Some(TokenKind::Sign(sign)) => format!("`{}`", char::from(*sign)),
        };
        Err(Fault::new(self.at(), format!("expected {wanted}, found {found}")))
    }

    fn sign(&mut self, sign: u8) -> bool {
        let found = self.peek() == Some(&TokenKind::Sign(sign));
        self.next += usize::from(found);
        found
    }

    fn skip_lines(&mut self) {
        while self.peek() == Some(&TokenKind::Line) {
            self.next += 1;
        }
    }

    fn end_of_line(&mut self) -> Result<(), Fault> {
        match self.peek() {
            None => Ok(()),
            Some(TokenKind::Line) => {
                self.next += 1;
                Ok(())
            }
            Some(_) => self.fail("the end of the line"),
        }
    }

    fn word(&mut self, wanted: &str) -> Result<(String, Range<usize>), Fault> {
        let at = self.at();
        match self.peek() {
            Some(TokenKind::Word(word)) => {
                let word = word.clone();
                self.next += 1;
                Ok((word, at))
            }
            _ => self.fail(wanted),
        }
    }

    fn document(&mut self) -> Result<Document, Fault> {
        self.skip_lines();
        let at = self.at();
        let (head, _) = self.word(&format!("`{HEAD}`"))?;
        let (version, _) = self.word(&format!("`{HEAD}`"))?;
        if format!("{head} {version}") != HEAD {
            return Err(Fault::new(at, format!("expected `{HEAD}`, found `{head} {version}`")));
        }
        self.end_of_line()?;
        let mut document = Document::default();
        loop {
            self.skip_lines();
            let at = self.at();
            match self.peek() {
                None => return Ok(document),
                Some(&TokenKind::Node(number)) => {
                    self.next += 1;
                    document.nodes.push(self.node(number, at)?);
                }
                Some(TokenKind::Word(word)) if word == "target" => {
                    self.next += 1;
                    match (self.at(), self.peek()) {
                        (at, Some(&TokenKind::Node(number))) => document.targets.push((number, at)),
                        _ => return self.fail("a node"),
                    }
                    self.next += 1;
                    self.end_of_line()?;
                }
                Some(_) => return self.fail("a node (`%0 = ...`) or `target`"),
            }
        }
    }

    fn node(&mut self, number: u32, number_at: Range<usize>) -> Result<NodeText, Fault> {
        if !self.sign(b'=') {
            return self.fail("`=`");
        }
        let (op, op_at) = self.word("an operation")?;
        let mut node = NodeText { number, number_at, op, op_at, inputs: Vec::new(), entries: Vec::new() };
        while let (at, Some(&TokenKind::Node(input))) = (self.at(), self.peek()) {
            node.inputs.push((input, at));
            self.next += 1;
        }
        if self.sign(b'{') {
            self.end_of_line()?;
            loop {
                self.skip_lines();
                if self.sign(b'}') {
                    break;
                }
                node.entries.push(self.entry()?);
            }
        }
        self.end_of_line()?;
        Ok(node)
    }

    fn entry(&mut self) -> Result<Entry, Fault> {
        let (key, at) = self.word("an entry or `}`")?;
        let mut entry = Entry { key, at, items: Vec::new() };
        loop {
            match self.peek() {
                None | Some(TokenKind::Line) => {
                    self.end_of_line()?;
                    return Ok(entry);
                }
                _ => {
                    let item = self.item()?;
                    entry.items.push(item);
                }
            }
        }
    }

    fn item(&mut self) -> Result<Item, Fault> {
        let at = self.at();
        let value = self.value()?;
        match value {
            Value::Word(name) if self.sign(b'=') => {
                let value = self.value()?;
                let end = self.tokens[self.next - 1].at.end;
                Ok(Item { name: Some(name), value, at: at.start..end })
            }
            value => Ok(Item { name: None, value, at: at.start..self.tokens[self.next - 1].at.end }),
        }
    }

    fn value(&mut self) -> Result<Value, Fault> {
        let value = match self.peek() {
            Some(TokenKind::Word(word)) => Value::Word(word.clone()),
            Some(TokenKind::Text(text)) => Value::Text(text.clone()),
            Some(TokenKind::Node(number)) => Value::Node(*number),
            Some(TokenKind::Sign(b'[')) => {
                self.next += 1;
                let mut items = Vec::new();
                while !self.sign(b']') {
                    match self.peek() {
                        Some(TokenKind::Text(text)) => items.push(text.clone()),
                        Some(TokenKind::Word(word)) => items.push(word.clone().into_bytes()),
                        _ => return self.fail("a string or `]`"),
                    }
                    self.next += 1;
                }
                return Ok(Value::List(items));
            }
            _ => return self.fail("a value"),
        };
        self.next += 1;
        Ok(value)
    }
}
