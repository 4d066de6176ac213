//! The patterns of `#`, `%` and `/`: `*` any text, `?` one character, `\` takes their meaning.
//!
//! A pattern is a row of pieces without `*`. Placing each piece as far left as it goes decides whether it matches
//! at all and where the shortest match ends; the last piece as far right as it goes ends the longest. No backtracking.

use super::Reason;

/// Steps that all matching within one text may take.
pub(super) const BUDGET: usize = 1 << 26;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Any,
    One,
    Char(char),
}

/// A pattern.
#[derive(Debug)]
pub(super) struct Pattern {
    tokens: Vec<Token>,
}

/// Which of several matches is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    Shortest,
    Longest,
}

/// Where a pattern matches, in characters.
type Match = (usize, usize);

impl Pattern {
    /// Reads a pattern as expansion leaves it, escapes included.
    pub(super) fn new(text: &str) -> Result<Self, Reason> {
        let mut tokens = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(char) = chars.next() {
            tokens.push(match char {
                '*' => Token::Any,
                '?' => Token::One,
                // The brace and the slash end the pattern, so their escape belongs to the substitution.
                '\\' if matches!(chars.peek(), Some('}' | '/')) => continue,
                '\\' => match chars.next() {
                    Some(escaped @ ('*' | '?' | '\\')) => Token::Char(escaped),
                    other => {
                        let escaped = other.map(String::from).unwrap_or_default();
                        return Err(Reason::Pattern { pattern: text.to_owned(), escaped });
                    }
                },
                other => Token::Char(other),
            });
        }
        Ok(Self { tokens })
    }

    /// `#`, `##`: the value without a matching start.
    pub(super) fn trim_start(&self, value: &str, want: Want, budget: &mut usize) -> Result<String, Reason> {
        let chars: Vec<char> = value.chars().collect();
        let end = find(&self.tokens, &chars, 0, true, want, budget)?.map_or(0, |(_, end)| end);
        Ok(chars[end..].iter().collect())
    }

    /// `%`, `%%`: the value without a matching end.
    pub(super) fn trim_end(&self, value: &str, want: Want, budget: &mut usize) -> Result<String, Reason> {
        let mut chars: Vec<char> = value.chars().collect();
        chars.reverse();
        let tokens: Vec<Token> = self.tokens.iter().rev().copied().collect();
        let end = find(&tokens, &chars, 0, true, want, budget)?.map_or(0, |(_, end)| end);
        Ok(chars[end..].iter().rev().collect())
    }

    /// `/`, `//`: the value with the first match, or all of them, replaced.
    pub(super) fn replace(
        &self,
        value: &str,
        with: &str,
        all: bool,
        budget: &mut usize,
    ) -> Result<String, Reason> {
        let chars: Vec<char> = value.chars().collect();
        let mut result = String::with_capacity(value.len());
        let mut at = 0;
        while let Some((start, end)) = find(&self.tokens, &chars, at, false, Want::Longest, budget)? {
            result.extend(&chars[at..start]);
            result.push_str(with);
            at = end;
            if start == end {
                // An empty match: the next one begins a character later.
                let Some(next) = chars.get(at) else { break };
                result.push(*next);
                at += 1;
            }
            if !all || (at == chars.len() && start != end) {
                break;
            }
            if result.len() > super::MAX_RESULT {
                return Err(Reason::Long);
            }
        }
        result.extend(&chars[at..]);
        Ok(result)
    }
}

/// The leftmost match at or after `from`, or exactly there if `anchored`.
fn find(
    tokens: &[Token],
    chars: &[char],
    from: usize,
    anchored: bool,
    want: Want,
    budget: &mut usize,
) -> Result<Option<Match>, Reason> {
    let mut pieces = tokens.split(|&token| token == Token::Any);
    let first = pieces.next().unwrap_or_default();
    let rest: Vec<&[Token]> = pieces.collect();
    let start = if anchored {
        spend(budget, first.len())?;
        fits(first, chars, from).then_some(from)
    } else {
        leftmost(first, chars, from, budget)?
    };
    let Some(start) = start else { return Ok(None) };
    // With `*` in front, a match that may begin anywhere begins at once.
    let mut end = start + first.len();
    let Some((last, middle)) = rest.split_last() else { return Ok(Some((start, end))) };
    for piece in middle {
        match leftmost(piece, chars, end, budget)? {
            Some(at) => end = at + piece.len(),
            None => return Ok(None),
        }
    }
    let at = match want {
        Want::Shortest => leftmost(last, chars, end, budget)?,
        Want::Longest => rightmost(last, chars, end, budget)?,
    };
    Ok(at.map(|at| (start, at + last.len())))
}

fn fits(piece: &[Token], chars: &[char], at: usize) -> bool {
    let Some(part) = chars.get(at..at + piece.len()) else { return false };
    piece.iter().zip(part).all(|(token, char)| match token {
        Token::Char(wanted) => wanted == char,
        Token::One | Token::Any => true,
    })
}

fn places(
    piece: &[Token],
    chars: &[char],
    from: usize,
    budget: &mut usize,
) -> Result<std::ops::Range<usize>, Reason> {
    let last = (chars.len() + 1).saturating_sub(piece.len());
    spend(budget, last.saturating_sub(from).saturating_mul(piece.len()) + 1)?;
    Ok(from..last)
}

fn leftmost(
    piece: &[Token],
    chars: &[char],
    from: usize,
    budget: &mut usize,
) -> Result<Option<usize>, Reason> {
    // Pieces that fit at once are the usual case, and free.
    if fits(piece, chars, from) {
        return Ok(Some(from));
    }
    Ok(places(piece, chars, from, budget)?.find(|&at| fits(piece, chars, at)))
}

fn rightmost(
    piece: &[Token],
    chars: &[char],
    from: usize,
    budget: &mut usize,
) -> Result<Option<usize>, Reason> {
    Ok(places(piece, chars, from, budget)?.rev().find(|&at| fits(piece, chars, at)))
}

/// Takes steps from the budget.
pub(super) fn spend(budget: &mut usize, steps: usize) -> Result<(), Reason> {
    *budget = budget.checked_sub(steps).ok_or(Reason::Costly)?;
    Ok(())
}
