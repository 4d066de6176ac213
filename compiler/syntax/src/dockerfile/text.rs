//! A logical line: physical lines joined into one text, and the way back from it to the file.

use std::ops::Range;

use imgc_base::span::{SourceId, Span, Spanned};

/// Text joined from pieces of a file.
#[derive(Debug, Clone)]
pub(super) struct Text {
    source: SourceId,
    joined: String,
    /// Where in the text each piece starts, and where in the file. Never empty; sorted.
    pieces: Vec<(u32, u32)>,
}

impl Text {
    /// A text of one piece that starts at `offset` of the file.
    pub(super) fn new(source: SourceId, piece: &str, offset: usize) -> Self {
        Self { source, joined: piece.to_owned(), pieces: vec![(0, offset as u32)] }
    }

    /// Appends a piece that starts at `offset` of the file.
    pub(super) fn push(&mut self, piece: &str, offset: usize) {
        self.pieces.push((self.joined.len() as u32, offset as u32));
        self.joined.push_str(piece);
    }

    /// The whole as a slice.
    pub(super) fn whole(&self) -> Slice<'_> {
        Slice { line: self, start: 0, end: self.joined.len() }
    }

    /// Where a byte of the text stands in the file.
    fn offset(&self, at: usize) -> u32 {
        let piece = self.pieces.partition_point(|&(start, _)| start as usize <= at).max(1) - 1;
        let (start, offset) = self.pieces[piece];
        offset + (at as u32 - start)
    }
}

/// A part of a logical line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slice<'a> {
    line: &'a Text,
    start: usize,
    end: usize,
}

impl<'a> Slice<'a> {
    /// The text.
    pub(super) fn as_str(self) -> &'a str {
        &self.line.joined[self.start..self.end]
    }

    /// Whether there is nothing in it.
    pub(super) fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Where it begins in the logical line.
    pub(super) fn start(self) -> usize {
        self.start
    }

    /// Where it ends in the logical line.
    pub(super) fn end(self) -> usize {
        self.end
    }

    /// A part; the range counts from the start of this slice.
    pub(super) fn part(self, range: Range<usize>) -> Self {
        Self { line: self.line, start: self.start + range.start, end: self.start + range.end }
    }

    /// From `at` to the end.
    pub(super) fn from(self, at: usize) -> Self {
        self.part(at..self.end - self.start)
    }

    /// A part; the range counts from the start of the logical line.
    pub(super) fn of_line(self, range: Range<usize>) -> Self {
        Self { line: self.line, start: range.start, end: range.end }
    }

    /// Without white space at both ends.
    pub(super) fn trim(self) -> Self {
        let text = self.as_str();
        let front = text.len() - text.trim_start().len();
        let end = text.trim_end().len().max(front);
        self.part(front..end)
    }

    /// Where it stands in the file. Over several lines it covers all that lies between.
    pub(super) fn span(self) -> Span {
        let start = self.line.offset(self.start);
        let end = if self.start == self.end { start } else { self.line.offset(self.end - 1) + 1 };
        Span::new(self.line.source, start, end)
    }

    /// Its text and place.
    pub(super) fn spanned(self) -> Spanned<String> {
        Spanned::new(self.as_str().to_owned(), self.span())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_lead_back_to_the_file() {
        // `RUN a \` + newline + `  b`
        let mut text = Text::new(SourceId(7), "RUN a ", 10);
        text.push("  b", 18);
        let whole = text.whole();
        assert_eq!(whole.as_str(), "RUN a   b");
        assert_eq!(whole.span(), Span::new(SourceId(7), 10, 21));
        assert_eq!(whole.part(4..5).span(), Span::new(SourceId(7), 14, 15));
        assert_eq!(whole.part(8..9).span(), Span::new(SourceId(7), 20, 21));
        assert_eq!(whole.part(6..6).span(), Span::new(SourceId(7), 18, 18));
        assert_eq!(whole.from(4).trim().as_str(), "a   b");
        assert_eq!(whole.part(6..8).trim().as_str(), "");
    }
}
