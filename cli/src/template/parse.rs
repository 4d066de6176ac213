//! Text to a list of nodes.

use std::iter::Peekable;
use std::vec::IntoIter;

use serde_json::Value;

/// A part of a template.
#[derive(Debug, Clone)]
pub(super) enum Node {
    /// Text as it is.
    Text(String),
    /// `{{pipeline}}`, or `{{$x := pipeline}}`.
    Print { variable: Option<String>, pipeline: Pipeline },
    /// `{{if}}`, `{{with}}`, `{{range}}`.
    Block { kind: Block, variables: Vec<String>, pipeline: Pipeline, body: Vec<Self>, otherwise: Vec<Self> },
}

/// What a block does with its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Block {
    If,
    With,
    Range,
}

/// Commands; each gets the result of the one before as its last argument.
#[derive(Debug, Clone)]
pub(super) struct Pipeline(pub(super) Vec<Command>);

/// A function with arguments, or one operand.
#[derive(Debug, Clone)]
pub(super) struct Command {
    pub(super) function: Option<String>,
    pub(super) operands: Vec<Operand>,
}

/// Something with a value.
#[derive(Debug, Clone)]
pub(super) enum Operand {
    Literal(Value),
    /// `.A.B`, `$.A`, `$x.A`, `(pipeline).A`.
    Path {
        start: Start,
        fields: Vec<String>,
    },
}

/// Where a path starts.
#[derive(Debug, Clone)]
pub(super) enum Start {
    Dot,
    Variable(String),
    Pipeline(Pipeline),
}

/// Blocks in blocks, and parentheses in parentheses.
const DEPTH: usize = 100;

/// Reads a template.
pub(super) fn parse(text: &str) -> Result<Vec<Node>, String> {
    let mut parser = Parser { pieces: pieces(text)?.into_iter().peekable(), depth: 0 };
    let nodes = parser.nodes()?;
    match parser.pieces.next() {
        None => Ok(nodes),
        Some(Piece::Action(tokens)) => Err(format!("`{}` has no start", first(&tokens))),
        Some(Piece::Text(_)) => Err("text is left over".to_owned()),
    }
}

#[derive(Debug)]
enum Piece {
    Text(String),
    Action(Vec<Token>),
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Field(String),
    Variable(String),
    Literal(Value),
    Pipe,
    Open,
    Close,
    Assign,
    Comma,
}

fn first(tokens: &[Token]) -> String {
    match tokens.first() {
        Some(Token::Word(word)) => word.clone(),
        other => format!("{other:?}"),
    }
}

/// Cuts a template into text and actions, and trims text beside `{{-` and `-}}`.
fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    let mut trim = false;
    while let Some((before, after)) = rest.split_once("{{") {
        let (body, after) = after.split_once("}}").ok_or("`{{` is not closed")?;
        let (mut body, mut before) = (body, before);
        if trim {
            before = before.trim_start();
        }
        if let Some(trimmed) = body.strip_prefix("- ") {
            (body, before) = (trimmed, before.trim_end());
        }
        trim = false;
        if let Some(trimmed) = body.strip_suffix(" -") {
            (body, trim) = (trimmed, true);
        }
        pieces.push(Piece::Text(before.to_owned()));
        let body = body.trim();
        if !(body.starts_with("/*") && body.ends_with("*/")) {
            pieces.push(Piece::Action(tokens(body)?));
        }
        rest = after;
    }
    pieces.push(Piece::Text(if trim { rest.trim_start() } else { rest }.to_owned()));
    Ok(pieces)
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(c) = rest.chars().next() {
        let word = |from: &str| -> usize {
            from.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(from.len())
        };
        let length = match c {
            '|' | '(' | ')' | ',' => {
                tokens.push(match c {
                    '|' => Token::Pipe,
                    '(' => Token::Open,
                    ')' => Token::Close,
                    _ => Token::Comma,
                });
                1
            }
            ':' if rest.starts_with(":=") => {
                tokens.push(Token::Assign);
                2
            }
            '.' => {
                let length = word(&rest[1..]);
                tokens.push(Token::Field(rest[1..=length].to_owned()));
                length + 1
            }
            '$' => {
                let length = word(&rest[1..]);
                tokens.push(Token::Variable(rest[1..=length].to_owned()));
                length + 1
            }
            '"' => {
                let mut escaped = false;
                let end = rest[1..].find(|c| {
                    let ends = c == '"' && !escaped;
                    escaped = c == '\\' && !escaped;
                    ends
                });
                let end = end.ok_or("a text is not closed")? + 2;
                let value = serde_json::from_str(&rest[..end]).map_err(|error| error.to_string())?;
                tokens.push(Token::Literal(value));
                end
            }
            '`' => {
                let end = rest[1..].find('`').ok_or("a text is not closed")? + 1;
                tokens.push(Token::Literal(Value::String(rest[1..end].to_owned())));
                end + 1
            }
            '0'..='9' | '-' => {
                let end = rest[1..]
                    .find(|c: char| !(c.is_ascii_digit() || c == '.'))
                    .map_or(rest.len(), |at| at + 1);
                let value = serde_json::from_str(&rest[..end])
                    .map_err(|_| format!("`{}` is no number", &rest[..end]))?;
                tokens.push(Token::Literal(value));
                end
            }
            c if c.is_alphabetic() || c == '_' => {
                let length = word(rest);
                tokens.push(match &rest[..length] {
                    "true" => Token::Literal(Value::Bool(true)),
                    "false" => Token::Literal(Value::Bool(false)),
                    "nil" => Token::Literal(Value::Null),
                    word => Token::Word(word.to_owned()),
                });
                length
            }
            other => return Err(format!("`{other}` means nothing here")),
        };
        let after = &rest[length..];
        // `.A .B` are two operands, `.A.B` is one: a blank between them is kept as the end of the path.
        let trimmed = after.trim_start();
        if trimmed.len() < after.len() && trimmed.starts_with('.') {
            tokens.push(Token::Word(String::new()));
        }
        rest = trimmed;
    }
    Ok(tokens)
}

struct Parser {
    pieces: Peekable<IntoIter<Piece>>,
    depth: usize,
}

impl Parser {
    /// Nodes up to an `end` or `else`, which stays.
    fn nodes(&mut self) -> Result<Vec<Node>, String> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err("its blocks are nested too deeply".to_owned());
        }
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.peek() {
            match piece {
                Piece::Action(tokens) if is_word(tokens, "end") || is_word(tokens, "else") => break,
                _ => {}
            }
            match self.pieces.next() {
                Some(Piece::Text(text)) if text.is_empty() => {}
                Some(Piece::Text(text)) => nodes.push(Node::Text(text)),
                Some(Piece::Action(tokens)) => nodes.push(self.action(&tokens)?),
                None => break,
            }
        }
        self.depth -= 1;
        Ok(nodes)
    }

    fn action(&mut self, tokens: &[Token]) -> Result<Node, String> {
        let kind = match tokens.first() {
            Some(Token::Word(word)) if word == "if" => Block::If,
            Some(Token::Word(word)) if word == "with" => Block::With,
            Some(Token::Word(word)) if word == "range" => Block::Range,
            _ => {
                let (variables, pipeline) = assigned(tokens)?;
                return Ok(Node::Print { variable: variables.into_iter().next(), pipeline });
            }
        };
        self.block(kind, &tokens[1..])
    }

    fn block(&mut self, kind: Block, tokens: &[Token]) -> Result<Node, String> {
        let (variables, pipeline) = assigned(tokens)?;
        let body = self.nodes()?;
        let otherwise = match self.pieces.next() {
            Some(Piece::Action(tokens)) if is_word(&tokens, "else") => {
                // `else if` is an `if` within the `else`; both end with one `end`.
                let rest: Vec<Token> = tokens[1..]
                    .iter()
                    .filter(|token| **token != Token::Word(String::new()))
                    .cloned()
                    .collect();
                match rest.first() {
                    None => {
                        let nodes = self.nodes()?;
                        match self.pieces.next() {
                            Some(Piece::Action(tokens)) if is_word(&tokens, "end") => nodes,
                            _ => return Err("a block has no `{{end}}`".to_owned()),
                        }
                    }
                    Some(Token::Word(word)) if word == "if" || word == "with" => {
                        self.depth += 1;
                        if self.depth > DEPTH {
                            return Err("its blocks are nested too deeply".to_owned());
                        }
                        let inner = if word == "if" { Block::If } else { Block::With };
                        let node = self.block(inner, tokens.get(2..).unwrap_or_default())?;
                        self.depth -= 1;
                        vec![node]
                    }
                    Some(other) => return Err(format!("{other:?} follows `else`")),
                }
            }
            Some(Piece::Action(_)) => Vec::new(),
            _ => return Err("a block has no `{{end}}`".to_owned()),
        };
        Ok(Node::Block { kind, variables, pipeline, body, otherwise })
    }
}

fn is_word(tokens: &[Token], word: &str) -> bool {
    matches!(tokens.first(), Some(Token::Word(first)) if first == word)
}

/// `$x := pipeline`, `$i, $x := pipeline` or a pipeline alone.
fn assigned(tokens: &[Token]) -> Result<(Vec<String>, Pipeline), String> {
    let mut variables = Vec::new();
    let mut rest = tokens;
    if let Some(at) = tokens.iter().position(|token| *token == Token::Assign) {
        for token in &tokens[..at] {
            match token {
                Token::Variable(name) => variables.push(name.clone()),
                Token::Comma => {}
                _ => return Err("only variables stand before `:=`".to_owned()),
            }
        }
        if variables.is_empty() || variables.len() > 2 {
            return Err("one or two variables stand before `:=`".to_owned());
        }
        rest = &tokens[at + 1..];
    }
    let mut tokens = Vec::from(rest).into_iter().peekable();
    let pipeline = pipeline(&mut tokens, 0)?;
    match tokens.next() {
        None => Ok((variables, pipeline)),
        Some(token) => Err(format!("{token:?} is left over")),
    }
}

type Tokens = Peekable<IntoIter<Token>>;

fn pipeline(tokens: &mut Tokens, depth: usize) -> Result<Pipeline, String> {
    if depth > DEPTH {
        return Err("its parentheses are nested too deeply".to_owned());
    }
    let mut commands = vec![command(tokens, depth)?];
    while tokens.next_if_eq(&Token::Pipe).is_some() {
        commands.push(command(tokens, depth)?);
    }
    Ok(Pipeline(commands))
}

fn command(tokens: &mut Tokens, depth: usize) -> Result<Command, String> {
    let mut command = Command { function: None, operands: Vec::new() };
    while let Some(token) = tokens.peek() {
        match token {
            Token::Pipe | Token::Close => break,
            Token::Word(word) if word.is_empty() => drop(tokens.next()),
            Token::Word(word) => {
                if command.function.is_some() || !command.operands.is_empty() {
                    return Err(format!("`{word}` is a function: put it into parentheses"));
                }
                command.function = Some(word.clone());
                tokens.next();
            }
            _ => command.operands.push(operand(tokens, depth)?),
        }
    }
    if command.function.is_none() && command.operands.len() != 1 {
        return Err(match command.operands.len() {
            0 => "something is missing".to_owned(),
            _ => "a value is not a function".to_owned(),
        });
    }
    Ok(command)
}

fn operand(tokens: &mut Tokens, depth: usize) -> Result<Operand, String> {
    let mut fields = Vec::new();
    let start = match tokens.next() {
        Some(Token::Literal(value)) => return Ok(Operand::Literal(value)),
        Some(Token::Field(name)) => {
            fields.extend(Some(name).filter(|name| !name.is_empty()));
            Start::Dot
        }
        Some(Token::Variable(name)) => Start::Variable(name),
        Some(Token::Open) => {
            let inner = pipeline(tokens, depth + 1)?;
            if tokens.next() != Some(Token::Close) {
                return Err("`(` is not closed".to_owned());
            }
            Start::Pipeline(inner)
        }
        other => return Err(format!("{other:?} is no value")),
    };
    while let Some(Token::Field(name)) =
        tokens.next_if(|token| matches!(token, Token::Field(name) if !name.is_empty()))
    {
        fields.push(name);
    }
    Ok(Operand::Path { start, fields })
}
