//! How much of anything from outside is accepted (security rule R9).

/// Entries of one layer.
pub const ENTRIES: u64 = 8_000_000;
/// Bytes of one PAX header or one GNU long name.
pub const PAX_BYTES: u64 = 1 << 20;
/// Bytes of one extended attribute's value (Linux `XATTR_SIZE_MAX`).
pub const XATTR_BYTES: usize = 65_536;
/// Uncompressed bytes of one layer.
pub const LAYER_BYTES: u64 = 1 << 40;
/// Bytes of one file with holes, and of all in one archive: a few bytes can ask for any number of zeros.
pub const SPARSE_BYTES: u64 = 64 << 30;
/// Symbolic links followed in one resolution (Linux follows 40).
pub const SYMLINKS: usize = 40;
/// Bytes of a manifest or index.
pub const MANIFEST_BYTES: u64 = 4 << 20;
/// Bytes of a config.
pub const CONFIG_BYTES: u64 = 8 << 20;
/// Layers of one image.
pub const LAYERS: usize = 400;
