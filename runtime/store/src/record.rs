//! Small files that see their own damage: one head line with a kind, a version and the SHA-256 of the rest.
//!
//! They are not synced one by one. After a power loss such a file may be empty, short or full of zeros; its head then
//! does not fit, and the reader treats the file as absent.

use imgc_base::digest::BlobDigest;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Longest record that is read.
pub(crate) const LIMIT: u64 = 16 << 20;

/// The stored form of a value.
pub(crate) fn encode<T: Serialize>(tag: &str, value: &T) -> Result<Vec<u8>, serde_json::Error> {
    let body = serde_json::to_vec(value)?;
    let mut out = format!("{tag} {}\n", BlobDigest::of(&body).hex()).into_bytes();
    out.extend_from_slice(&body);
    Ok(out)
}

/// Reads the stored form; `None` if it is torn, damaged, or of another kind or version.
pub(crate) fn decode<T: DeserializeOwned>(tag: &str, bytes: &[u8]) -> Option<T> {
    let rest = bytes.strip_prefix(tag.as_bytes())?.strip_prefix(b" ")?;
    let (sum, body) = rest.split_at_checked(64)?;
    let body = body.strip_prefix(b"\n")?;
    let sum = BlobDigest::from_hex(std::str::from_utf8(sum).ok()?)?;
    if BlobDigest::of(body) != sum {
        return None;
    }
    serde_json::from_slice(body).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn round_trip(value in proptest::collection::btree_map(".{0,20}", ".{0,20}", 0..5)) {
            let bytes = encode("imgc-test-1", &value).unwrap();
            prop_assert_eq!(decode::<std::collections::BTreeMap<String, String>>("imgc-test-1", &bytes), Some(value));
        }

        #[test]
        fn every_damage_is_seen(at in any::<prop::sample::Index>(), bit in 0u8..8, cut in any::<prop::sample::Index>()) {
            let good = encode("imgc-test-1", &"a value of some length").unwrap();
            let mut flipped = good.clone();
            let index = at.index(good.len());
            flipped[index] ^= 1 << bit;
            prop_assert_eq!(decode::<String>("imgc-test-1", &flipped), None);
            prop_assert_eq!(decode::<String>("imgc-test-1", &good[..cut.index(good.len())]), None);
            let mut zeros = good.clone();
            zeros[cut.index(good.len())..].fill(0);
            prop_assert_eq!(decode::<String>("imgc-test-1", &zeros), None);
        }
    }

    #[test]
    fn other_kinds_and_versions_are_absent() {
        let bytes = encode("imgc-test-1", &1).unwrap();
        assert_eq!(decode::<u8>("imgc-test-2", &bytes), None);
        assert_eq!(decode::<u8>("imgc-test", &bytes), None);
        assert_eq!(decode::<u8>("imgc-test-1", &[&bytes[..], b" "].concat()), None);
    }
}
