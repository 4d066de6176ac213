//! Bytes under their digest: manifests, configs, compressed layers.
//!
//! A blob gets its name after its size and digest were checked and its bytes are on disk. So a file below `blobs/` is
//! whole at every instant, also after a power loss.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use imgc_base::digest::{BlobDigest, Hasher};

use crate::Store;
use crate::error::StoreError;
use crate::lock::{self, Mode};
use crate::session::Held;

impl Store {
    /// True if the blob is here. From then on this process keeps it from being collected.
    pub fn has_blob(&self, digest: &BlobDigest) -> bool {
        self.hold(Held::Blob(*digest)).is_ok() && self.layout().blob(digest).exists()
    }

    /// The blob's size.
    pub fn blob_size(&self, digest: &BlobDigest) -> Result<u64, StoreError> {
        self.find_blob(digest)?.ok_or_else(|| StoreError::missing(digest))
    }

    /// The blob's size, if it is here.
    pub fn find_blob(&self, digest: &BlobDigest) -> Result<Option<u64>, StoreError> {
        self.hold(Held::Blob(*digest))?;
        let path = self.layout().blob(digest);
        match fs_err::symlink_metadata(&path) {
            Ok(meta) => Ok(Some(meta.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("stat", &path)(error)),
        }
    }

    /// Opens a blob. The bytes are not checked again: see [`Store::open_checked`].
    pub fn open_blob(&self, digest: &BlobDigest) -> Result<File, StoreError> {
        self.hold(Held::Blob(*digest))?;
        let path = self.layout().blob(digest);
        match File::open(&path) {
            Ok(file) => Ok(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(StoreError::missing(digest)),
            Err(error) => Err(StoreError::io("open", &path)(error)),
        }
    }

    /// Opens a blob for reading to its end: the end is an error if the bytes are not the digest's.
    pub fn open_checked(&self, digest: &BlobDigest) -> Result<CheckedBlob, StoreError> {
        let file = self.open_blob(digest)?;
        Ok(CheckedBlob { file, hasher: Hasher::new(), digest: *digest, store: self.clone() })
    }

    /// Reads a document of at most `limit` bytes and checks its digest.
    pub fn read_document(&self, digest: &BlobDigest, limit: u64) -> Result<Vec<u8>, StoreError> {
        let size = self.blob_size(digest)?;
        if size > limit {
            return Err(StoreError::TooLarge { digest: *digest, size, limit });
        }
        let mut bytes = Vec::with_capacity(size as usize);
        let path = self.layout().blob(digest);
        self.open_blob(digest)?.take(limit).read_to_end(&mut bytes).map_err(StoreError::io("read", &path))?;
        if BlobDigest::of(&bytes) == *digest { Ok(bytes) } else { Err(self.broken_blob(digest)?) }
    }

    /// Moves a blob with wrong bytes away; the error that says so.
    pub(crate) fn broken_blob(&self, digest: &BlobDigest) -> Result<StoreError, StoreError> {
        if !self.inner.read_only {
            self.quarantine(&self.layout().blob(digest))?;
        }
        Ok(StoreError::Corrupt {
            what: format!("the blob {digest}"),
            reason: "its bytes have another digest".to_owned(),
            remedy: "pull or build the image again",
        })
    }

    /// Stores a document.
    pub fn put_document(&self, bytes: &[u8]) -> Result<BlobDigest, StoreError> {
        let digest = BlobDigest::of(bytes);
        if self.find_blob(&digest)?.is_some() {
            match self.read_document(&digest, bytes.len() as u64) {
                Ok(_) => return Ok(digest),
                Err(StoreError::Corrupt { .. }) => {}
                // Too long for the document that it should be.
                Err(StoreError::TooLarge { .. }) => drop(self.broken_blob(&digest)?),
                Err(error) => return Err(error),
            }
        }
        let mut writer = self.blob_writer()?;
        writer.write_all(bytes).map_err(StoreError::io("write", &writer.path.clone()))?;
        writer.commit(Some((digest, bytes.len() as u64)))?;
        Ok(digest)
    }

    /// Starts a new blob.
    pub fn blob_writer(&self) -> Result<BlobWriter, StoreError> {
        let path = self.session()?.new_path("blob");
        let file = File::options()
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(StoreError::io("create", &path))?;
        Ok(BlobWriter {
            store: self.clone(),
            file,
            path,
            hasher: Hasher::new(),
            size: 0,
            resumed: None,
            done: false,
        })
    }

    /// Starts or continues a blob that is known by digest and size: what an earlier process received is kept, also if it
    /// was killed. [`BlobWriter::offset`] says how much that is.
    pub fn resume_blob(&self, digest: &BlobDigest, size: u64) -> Result<BlobWriter, StoreError> {
        self.hold(Held::Blob(*digest))?;
        // After a power loss a partial file may have holes: each boot has its own.
        let boot = BlobDigest::of(self.inner.ledger.boot().as_bytes()).short();
        let path = self.layout().at("partial").join(format!("{}-{boot}", digest.hex()));
        let file = lock::open(&path)?;
        // Another process is receiving the same blob: receive it apart.
        if !lock::try_lock(&file, &path, Mode::Exclusive)? || !lock::still_named(&file, &path)? {
            return self.blob_writer();
        }
        let mut hasher = Hasher::new();
        let mut kept = io::copy(&mut &file, &mut hasher).map_err(StoreError::io("read", &path))?;
        if kept > size {
            file.set_len(0).map_err(StoreError::io("shorten", &path))?;
            io::Seek::rewind(&mut &file).map_err(StoreError::io("rewind", &path))?;
            (hasher, kept) = (Hasher::new(), 0);
        }
        let resumed = Some(*digest);
        Ok(BlobWriter { store: self.clone(), file, path, hasher, size: kept, resumed, done: false })
    }
}

/// A blob that has no name yet.
#[derive(Debug)]
pub struct BlobWriter {
    store: Store,
    file: File,
    path: PathBuf,
    hasher: Hasher,
    size: u64,
    resumed: Option<BlobDigest>,
    done: bool,
}

impl BlobWriter {
    /// How many bytes there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// How many bytes there are already: where a continued download goes on.
    pub fn offset(&self) -> u64 {
        self.size
    }

    /// Starts from nothing again, for a source that cannot continue.
    pub fn restart(&mut self) -> Result<(), StoreError> {
        self.file.set_len(0).map_err(StoreError::io("shorten", &self.path))?;
        io::Seek::rewind(&mut self.file).map_err(StoreError::io("rewind", &self.path))?;
        self.hasher = Hasher::new();
        self.size = 0;
        Ok(())
    }

    /// Checks size and digest, writes everything to disk, and gives the blob its name.
    pub fn commit(mut self, expected: Option<(BlobDigest, u64)>) -> Result<(BlobDigest, u64), StoreError> {
        let got = BlobDigest::finish(std::mem::take(&mut self.hasher));
        let size = self.size;
        if let Some((expected, expected_size)) = expected {
            let wrong = if size == expected_size {
                (got != expected).then_some(StoreError::Digest { expected, got })
            } else {
                Some(StoreError::Size { digest: expected, expected: expected_size, got: size })
            };
            if let Some(error) = wrong {
                // Continuing would never give the right bytes.
                self.resumed = self.resumed.filter(|_| size < expected_size);
                return Err(error);
            }
        }
        self.store.hold(Held::Blob(got))?;
        let target = self.store.layout().blob(&got);
        if fs_err::symlink_metadata(&target).is_ok_and(|meta| meta.len() == size) {
            self.resumed = None;
            return Ok((got, size));
        }
        self.file.sync_data().map_err(StoreError::io("sync", &self.path))?;
        let read_only = std::fs::Permissions::from_mode(0o444);
        self.file.set_permissions(read_only).map_err(StoreError::io("change mode of", &self.path))?;
        fs_err::rename(&self.path, &target).map_err(StoreError::io("name", &target))?;
        self.done = true;
        // The name becomes durable before anything that refers to it does: see `refs` and `Store::sync`.
        Ok((got, size))
    }
}

impl Write for BlobWriter {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let count = self.file.write(buf)?;
        self.hasher.update(&buf[..count]);
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        if !self.done && self.resumed.is_none() {
            // Otherwise it goes with the session.
            fs_err::remove_file(&self.path).ok();
        }
        if !self.done && self.resumed.is_some() {
            // A process that was just started has the descriptor too, until it becomes its program.
            lock::release(&self.file, &self.path).ok();
        }
    }
}

/// Reads a blob and checks its digest at the end.
#[derive(Debug)]
pub struct CheckedBlob {
    file: File,
    hasher: Hasher,
    digest: BlobDigest,
    store: Store,
}

impl Read for CheckedBlob {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buf)?;
        self.hasher.update(&buf[..count]);
        if count == 0 && !buf.is_empty() && BlobDigest::finish(self.hasher.clone()) != self.digest {
            let error = self.store.broken_blob(&self.digest).unwrap_or_else(|error| error);
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        Ok(count)
    }
}
