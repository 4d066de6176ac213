//! Canonical bytes of a component's value: every part has its length in front.

use imgc_base::canonical::KeyBuilder;

/// Writes parts of a value, each as `u64 LE length, bytes`; numbers as 8 bytes LE, so that they have a length too.
#[derive(Debug, Default)]
pub(super) struct Encoder(Vec<u8>);

impl Encoder {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    pub(super) fn number(&mut self, number: u64) -> &mut Self {
        self.bytes(&number.to_le_bytes())
    }

    pub(super) fn flag(&mut self, flag: bool) -> &mut Self {
        self.number(flag.into())
    }

    /// An absent value and an empty one differ.
    pub(super) fn optional(&mut self, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.flag(true).text(text),
            None => self.flag(false),
        }
    }

    pub(super) fn finish(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

/// A component that may be absent.
pub(super) fn optional(key: &mut KeyBuilder, name: &str, value: Option<&str>) {
    key.add(name, &Encoder::new().optional(value).finish(), value.unwrap_or_default());
}

/// A flag as text.
pub(super) fn yes(flag: bool) -> &'static str {
    if flag { "yes" } else { "no" }
}
