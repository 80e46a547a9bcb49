//! The snapshot's copy on the disk, with which a proxy serves when it restarts while the control plane is away.
//!
//! One file, written whole: temporary file, fsync, rename, fsync of the folder; mode 0600. It is a zstd frame,
//! encrypted with AES-256-GCM under a key that is derived from the join token (HKDF-SHA256); the format's version and
//! the epoch are authenticated with it. Whoever takes the file without the token reads nothing; another token (it was
//! changed) reads nothing either, and the proxy then waits for the control plane.
//!
//! A file that cannot be read is set aside as `snapshot.damaged`, and the proxy starts cold: never twice on the same
//! file, never with half of it.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use prost::{Message, bytes::Bytes};
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    error::Unspecified,
    hkdf,
    rand::{SecureRandom, SystemRandom},
};
use tollgate_shared::{clock::UnixMicros, secret::Secret};

use super::frame;

const FILE: &str = "snapshot.bin";
const DAMAGED: &str = "snapshot.damaged";
/// Name and version of the format.
const MAGIC: &[u8; 8] = b"TGSNAP\0\x01";
const MAX_EPOCH_BYTES: usize = 255;

/// What is stored. It cannot be printed: it holds secrets.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(super) struct StoredSnapshot {
    #[prost(string, tag = "1")]
    pub epoch: String,
    #[prost(uint64, tag = "2")]
    pub revision: u64,
    /// Encoded `tollgate.v1.Resource`s.
    #[prost(bytes = "bytes", repeated, tag = "3")]
    pub resources: Vec<Bytes>,
    /// Whether that is all of the revision: false while a resource was refused.
    #[prost(bool, tag = "4")]
    pub complete: bool,
    /// The software that wrote it. Another one may know fields that this one dropped.
    #[prost(string, tag = "5")]
    pub written_by: String,
    #[prost(int64, tag = "6")]
    pub written_at_unix_us: UnixMicros,
}

impl fmt::Debug for StoredSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredSnapshot")
            .field("epoch", &self.epoch)
            .field("revision", &self.revision)
            .field("resources", &self.resources.len())
            .finish_non_exhaustive()
    }
}

/// Why a snapshot could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("older than the stored revision {0}")]
    Older(u64),
    #[error("the epoch is longer than {MAX_EPOCH_BYTES} bytes")]
    LongEpoch,
    #[error("no randomness, or encryption failed")]
    Encryption,
    #[error("damaged, or written under another join token")]
    Damaged,
}

/// The file and its key.
pub struct Store {
    folder: PathBuf,
    key: LessSafeKey,
    random: SystemRandom,
    /// Of what lies on the disk, as far as known.
    stored: Option<(String, u64)>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("folder", &self.folder).field("stored", &self.stored).finish_non_exhaustive()
    }
}

impl Store {
    /// Touches no file yet.
    pub fn new(data_dir: &Path, join_token: &Secret) -> Result<Self, StoreError> {
        let key = derive_key(join_token).map_err(|_| StoreError::Encryption)?;
        Ok(Self { folder: data_dir.to_owned(), key, random: SystemRandom::new(), stored: None })
    }

    /// What is stored, if anything. A file that cannot be read is set aside; the error is for the log only, the proxy
    /// starts without.
    pub(super) fn load(&mut self) -> Result<Option<StoredSnapshot>, StoreError> {
        let path = self.folder.join(FILE);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut bytes = Vec::new();
        // What is packed is smaller than what is not, but for a few bytes.
        file.take(frame::MAX_BYTES as u64 + 4096).read_to_end(&mut bytes)?;
        let Some(snapshot) = self.open(&bytes) else {
            fs::rename(&path, self.folder.join(DAMAGED))?;
            return Err(StoreError::Damaged);
        };
        self.stored = Some((snapshot.epoch.clone(), snapshot.revision));
        Ok(Some(snapshot))
    }

    /// Stores a snapshot; when it fails, the one before is still there.
    pub(super) fn save(&mut self, snapshot: &StoredSnapshot) -> Result<(), StoreError> {
        if let Some((epoch, revision)) = &self.stored
            && *epoch == snapshot.epoch
            && *revision > snapshot.revision
        {
            return Err(StoreError::Older(*revision));
        }
        let sealed = self.seal(snapshot)?;
        fs::create_dir_all(&self.folder)?;
        write_whole(&self.folder.join(FILE), &sealed)?;
        self.stored = Some((snapshot.epoch.clone(), snapshot.revision));
        Ok(())
    }

    fn seal(&self, snapshot: &StoredSnapshot) -> Result<Vec<u8>, StoreError> {
        let mut file = header(&snapshot.epoch)?;
        let mut body = frame::pack(&snapshot.encode_to_vec())?;
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).map_err(|_| StoreError::Encryption)?;
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(&file), &mut body)
            .map_err(|_| StoreError::Encryption)?;
        file.extend_from_slice(&nonce);
        file.append(&mut body);
        Ok(file)
    }

    fn open(&self, file: &[u8]) -> Option<StoredSnapshot> {
        let (epoch_bytes, _) = file.strip_prefix(MAGIC)?.split_first()?;
        let (header, rest) = file.split_at_checked(MAGIC.len() + 1 + usize::from(*epoch_bytes))?;
        let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>()?;
        let mut body = body.to_vec();
        let packed = self.key.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(header), &mut body).ok()?;
        let snapshot = StoredSnapshot::decode(Bytes::from(frame::unpack(packed).ok()?)).ok()?;
        (snapshot.epoch.as_bytes() == &header[MAGIC.len() + 1..]).then_some(snapshot)
    }
}

fn header(epoch: &str) -> Result<Vec<u8>, StoreError> {
    let epoch_bytes = u8::try_from(epoch.len()).map_err(|_| StoreError::LongEpoch)?;
    let mut header = MAGIC.to_vec();
    header.push(epoch_bytes);
    header.extend_from_slice(epoch.as_bytes());
    Ok(header)
}

fn derive_key(join_token: &Secret) -> Result<LessSafeKey, Unspecified> {
    let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"tollgate proxy snapshot");
    let secret = salt.extract(join_token.expose().as_bytes());
    let key = secret.expand(&[b"aes-256-gcm v1"], &AES_256_GCM)?;
    Ok(LessSafeKey::new(UnboundKey::from(key)))
}

/// Replaces a file as a whole, readable by its owner only: after a crash there is the old one or the new one.
pub(super) fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let written = write_new(&temporary, content).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
        return written;
    }
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    // One that a crash left behind may have another mode.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests;
