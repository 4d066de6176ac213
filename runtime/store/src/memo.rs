//! Remembered answers: text by key. Any of them may be lost at any time.

use imgc_base::digest::BlobDigest;
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::{Store, read_optional, record};

const TAG: &str = "imgc-memo-1";

#[derive(Serialize, Deserialize)]
struct Memo {
    key: String,
    value: String,
}

impl Store {
    /// What was remembered under a key.
    pub fn memo(&self, key: &str) -> Result<Option<String>, StoreError> {
        let path = self.memo_path(key);
        let Some(bytes) = read_optional(&path, record::LIMIT)? else { return Ok(None) };
        let memo = record::decode::<Memo>(TAG, &bytes).filter(|memo| memo.key == key);
        if memo.is_some() {
            Self::touch(&path);
        }
        Ok(memo.map(|memo| memo.value))
    }

    /// Remembers a text under a key, until it is replaced or collected.
    pub fn put_memo(&self, key: &str, value: &str) -> Result<(), StoreError> {
        let path = self.memo_path(key);
        let memo = Memo { key: key.to_owned(), value: value.to_owned() };
        let bytes = record::encode(TAG, &memo).map_err(|e| StoreError::io("write", &path)(e))?;
        self.write_small(&path, &bytes)
    }

    fn memo_path(&self, key: &str) -> std::path::PathBuf {
        self.layout().at("memo").join(BlobDigest::of(key.as_bytes()).hex())
    }
}
