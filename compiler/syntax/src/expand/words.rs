//! Splitting at blanks while a text is expanded.

/// Collects words. Quoted and escaped characters never split.
#[derive(Debug, Default)]
pub(super) struct Words {
    done: Vec<String>,
    current: String,
}

impl Words {
    /// Adds text whose blanks split.
    pub(super) fn split(&mut self, text: &str) {
        for char in text.chars() {
            if char.is_whitespace() {
                self.end();
            } else {
                self.current.push(char);
            }
        }
    }

    /// Adds text that stays whole.
    pub(super) fn whole(&mut self, text: &str) {
        self.current.push_str(text);
    }

    /// The words. Empty ones do not exist, not even quoted.
    pub(super) fn finish(mut self) -> Vec<String> {
        self.end();
        self.done
    }

    fn end(&mut self) {
        if !self.current.is_empty() {
            self.done.push(std::mem::take(&mut self.current));
        }
    }
}
