//! Envelope encryption: each value has a data key of its own, and the master key wraps only data keys.
//!
//! So a change of the master key re-wraps 32 bytes a record and never touches what they protect. Both layers are
//! AES-256-GCM with random nonces and `table|id|column|version` as associated data: a sealed value that is moved to
//! another row, column or version does not open. In text: `v1.<master key>.<version>.<wrapped key>.<value>`, where the
//! first part after `v1` tells which master key it needs.

use std::{fmt, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest::{SHA256, digest},
};
use zeroize::Zeroizing;

use super::{NoRandomness, random_bytes};

const FORMAT: &str = "v1";

/// The key that protects every secret of a database. 32 bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

/// Why a text is not a master key.
#[derive(Debug, thiserror::Error)]
#[error("a master key is 32 bytes in base64 or 64 hexadecimal digits")]
pub struct InvalidMasterKey;

impl MasterKey {
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub fn generate() -> Result<Self, NoRandomness> {
        Ok(Self::from_bytes(random_bytes()?))
    }

    /// Reads base64 (either alphabet) or hexadecimal digits; blanks around them are ignored.
    pub fn from_text(text: &str) -> Result<Self, InvalidMasterKey> {
        let text = text.trim();
        let bytes = if text.len() == 64 {
            from_hexadecimal(text).ok_or(InvalidMasterKey)?
        } else {
            let unpadded = text.trim_end_matches('=');
            let decoded = STANDARD.decode(text).or_else(|_| BASE64.decode(unpadded)).map_err(|_| InvalidMasterKey)?;
            Zeroizing::new(decoded)
        };
        let bytes: [u8; 32] = bytes.as_slice().try_into().map_err(|_| InvalidMasterKey)?;
        Ok(Self::from_bytes(bytes))
    }

    /// The text form for a key file; reading it is [`MasterKey::from_text`].
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.0.as_ref()))
    }

    /// Tells keys apart without giving anything away: 8 characters of a hash.
    pub fn id(&self) -> String {
        let labelled = Zeroizing::new([b"tollgate master key".as_slice(), self.0.as_ref()].concat());
        BASE64.encode(&digest(&SHA256, &labelled).as_ref()[..6])
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey")
    }
}

fn from_hexadecimal(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let digits = text.as_bytes().chunks(2);
    let bytes = digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    bytes.collect::<Option<Vec<u8>>>().map(Zeroizing::new)
}

/// Which cell of the database a sealed value belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Cell<'a> {
    pub table: &'static str,
    pub id: &'a str,
    pub column: &'static str,
}

impl Cell<'_> {
    fn associated_data(&self, version: i64) -> String {
        let Self { table, id, column } = self;
        format!("{table}|{id}|{column}|{version}")
    }
}

/// Why a value cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    #[error("sealed with master key {0}, which is not the one that this process was given")]
    OtherMasterKey(String),
    #[error("not a sealed value")]
    Malformed,
    #[error("the sealed value was altered or belongs elsewhere")]
    Altered,
}

/// The master keys that may be needed: the current one seals, the others only open.
#[derive(Clone, Debug)]
pub struct Keyring(Arc<Vec<MasterKey>>);

impl Keyring {
    pub fn new(current: MasterKey) -> Self {
        Self(Arc::new(vec![current]))
    }

    /// For a rotation: `current` seals from now on, and what `previous` sealed still opens.
    pub fn rotating(current: MasterKey, previous: MasterKey) -> Self {
        Self(Arc::new(vec![current, previous]))
    }

    /// Seals a value for one cell. `version` is the record's version that brings it.
    pub fn seal(&self, cell: Cell<'_>, version: i64, value: &[u8]) -> Result<String, SealError> {
        let data_key = MasterKey::generate()?;
        let sealed = encrypt(&data_key, &cell.associated_data(version), value)?;
        self.assemble(cell, version, &data_key, &sealed)
    }

    /// Opens what [`Keyring::seal`] made for the same cell.
    pub fn unseal(&self, cell: Cell<'_>, sealed: &str) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let envelope = Envelope::parse(sealed)?;
        let data_key = self.data_key(cell, &envelope)?;
        decrypt(&data_key, &cell.associated_data(envelope.version), &envelope.value)
    }

    /// The same value under the current master key; absent when it is so already.
    pub fn rewrap(&self, cell: Cell<'_>, sealed: &str) -> Result<Option<String>, SealError> {
        let envelope = Envelope::parse(sealed)?;
        if self.0.first().is_some_and(|current| current.id() == envelope.master_key) {
            return Ok(None);
        }
        let data_key = self.data_key(cell, &envelope)?;
        self.assemble(cell, envelope.version, &data_key, &envelope.value).map(Some)
    }

    fn assemble(&self, cell: Cell<'_>, version: i64, data_key: &MasterKey, value: &[u8]) -> Result<String, SealError> {
        let current = self.0.first().ok_or(SealError::Malformed)?;
        let wrapped = encrypt(current, &cell.associated_data(version), data_key.0.as_ref())?;
        let (key, wrapped, value) = (current.id(), BASE64.encode(wrapped), BASE64.encode(value));
        Ok(format!("{FORMAT}.{key}.{version}.{wrapped}.{value}"))
    }

    fn data_key(&self, cell: Cell<'_>, envelope: &Envelope) -> Result<MasterKey, SealError> {
        let master = self.0.iter().find(|key| key.id() == envelope.master_key);
        let master = master.ok_or_else(|| SealError::OtherMasterKey(envelope.master_key.clone()))?;
        let key = decrypt(master, &cell.associated_data(envelope.version), &envelope.wrapped_key)?;
        Ok(MasterKey::from_bytes(key.as_slice().try_into().map_err(|_| SealError::Malformed)?))
    }
}

struct Envelope {
    master_key: String,
    version: i64,
    wrapped_key: Vec<u8>,
    value: Vec<u8>,
}

impl Envelope {
    fn parse(text: &str) -> Result<Self, SealError> {
        let mut parts = text.split('.');
        let mut next = || parts.next().ok_or(SealError::Malformed);
        if next()? != FORMAT {
            return Err(SealError::Malformed);
        }
        let decode = |part: &str| BASE64.decode(part).map_err(|_| SealError::Malformed);
        Ok(Self {
            master_key: next()?.to_owned(),
            version: next()?.parse().map_err(|_| SealError::Malformed)?,
            wrapped_key: decode(next()?)?,
            value: decode(next()?)?,
        })
    }
}

fn cipher(key: &MasterKey) -> Result<LessSafeKey, SealError> {
    UnboundKey::new(&AES_256_GCM, key.0.as_ref()).map(LessSafeKey::new).map_err(|_| SealError::Malformed)
}

/// Nonce, ciphertext, tag.
fn encrypt(key: &MasterKey, associated_data: &str, value: &[u8]) -> Result<Vec<u8>, SealError> {
    let nonce = random_bytes::<NONCE_LEN>()?;
    let mut buffer = value.to_vec();
    cipher(key)?
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(associated_data.as_bytes()),
            &mut buffer,
        )
        .map_err(|_| SealError::Malformed)?;
    Ok([nonce.as_slice(), &buffer].concat())
}

fn decrypt(key: &MasterKey, associated_data: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let (nonce, ciphertext) = sealed.split_at_checked(NONCE_LEN).ok_or(SealError::Malformed)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Malformed)?;
    let mut buffer = Zeroizing::new(ciphertext.to_vec());
    let length = cipher(key)?
        .open_in_place(nonce, Aad::from(associated_data.as_bytes()), &mut buffer)
        .map_err(|_| SealError::Altered)?
        .len();
    buffer.truncate(length);
    Ok(buffer)
}

#[cfg(test)]
mod tests;
