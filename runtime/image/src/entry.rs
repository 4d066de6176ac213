//! One path of a layer.

use imgc_base::digest::FileDigest;
use imgc_base::path::ImagePath;

/// One path of a layer: what it is, and who it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where. Never the root.
    pub path: ImagePath,
    /// What.
    pub kind: Kind,
    /// Mode, owner, time, attributes. All zero for a whiteout.
    pub meta: Meta,
}

/// Mode, owner, time, attributes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Meta {
    /// The twelve permission bits.
    pub mode: u32,
    /// Owner, as a number in the image.
    pub uid: u32,
    /// Group, as a number in the image.
    pub gid: u32,
    /// Modification time, whole seconds since 1970.
    pub mtime: i64,
    /// `security.capability` and `user.*` only, sorted by name.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Meta {
    /// Of a directory that a layer implies by what is in it, but has no entry for.
    pub const IMPLIED_DIR: Self = Self { mode: 0o755, uid: 0, gid: 0, mtime: 0, xattrs: Vec::new() };
}

/// What a path is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A directory. An opaque one hides everything below it in lower layers.
    Dir {
        /// Hides lower layers.
        opaque: bool,
    },
    /// A regular file.
    File {
        /// Bytes.
        size: u64,
        /// SHA-256 of the content.
        digest: FileDigest,
    },
    /// A symbolic link.
    Symlink {
        /// As stored; not cleaned.
        target: Vec<u8>,
    },
    /// Another name of a file of the same layer that stands earlier in it.
    Hardlink {
        /// The first name.
        to: ImagePath,
    },
    /// A character device.
    Char {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A block device.
    Block {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
    /// The path does not exist from this layer on.
    Whiteout,
}

impl Kind {
    /// True for a directory, opaque or not.
    pub fn is_dir(&self) -> bool {
        matches!(self, Self::Dir { .. })
    }

    /// One word for messages.
    pub fn noun(&self) -> &'static str {
        match self {
            Self::Dir { .. } => "directory",
            Self::File { .. } | Self::Hardlink { .. } => "file",
            Self::Symlink { .. } => "symbolic link",
            Self::Char { .. } | Self::Block { .. } => "device",
            Self::Fifo => "named pipe",
            Self::Whiteout => "whiteout",
        }
    }
}

/// True for the extended attributes that layers carry (architecture part 6). A name with `=` has no place in a PAX
/// record, where the first `=` ends the name.
pub fn keeps_xattr(name: &[u8]) -> bool {
    name == b"security.capability"
        || (name.starts_with(b"user.")
            && !name.contains(&b'=')
            && !name.starts_with(b"user.overlay.")
            && name != crate::ownership::XATTR)
}
