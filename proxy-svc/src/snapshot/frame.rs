//! Encoded snapshots, as they come from the control plane and as they lie on the disk: zstd frames of bounded size.

use std::{
    fmt,
    io::{self, Read},
};

use prost::{Message, bytes::Bytes};

/// More than 1,000,000 access keys; a frame that unpacks to more is refused before it fills the memory.
pub(super) const MAX_BYTES: usize = 256 << 20;
/// The fastest level: at start and after each change somebody waits for it.
const LEVEL: i32 = 1;

/// A `tollgate.v1.Snapshot` whose resources are still encoded, so that one which cannot be decoded spoils no other.
/// It cannot be printed: it holds secrets.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(super) struct EncodedSnapshot {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub resources: Vec<Bytes>,
}

impl fmt::Debug for EncodedSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncodedSnapshot").field("resources", &self.resources.len()).finish()
    }
}

/// Why a frame cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
    #[error("not a whole zstd frame: {0}")]
    Zstd(#[from] io::Error),
    #[error("larger than {MAX_BYTES} bytes")]
    TooLarge,
}

pub(super) fn pack(plain: &[u8]) -> io::Result<Vec<u8>> {
    zstd::bulk::compress(plain, LEVEL)
}

pub(super) fn unpack(frame: &[u8]) -> Result<Vec<u8>, FrameError> {
    unpack_at_most(frame, MAX_BYTES)
}

fn unpack_at_most(frame: &[u8], most: usize) -> Result<Vec<u8>, FrameError> {
    let mut plain = Vec::new();
    let read = zstd::Decoder::new(frame)?.take(most as u64 + 1).read_to_end(&mut plain)?;
    if read > most {
        return Err(FrameError::TooLarge);
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_unpacks_to_the_same() {
        let plain = b"snapshot".repeat(1000);
        assert_eq!(unpack(&pack(&plain).unwrap()).unwrap(), plain);
    }

    #[test]
    fn a_bomb_is_refused() {
        let bomb = pack(&vec![0; 10_000]).unwrap();
        assert!(matches!(unpack_at_most(&bomb, 9_999), Err(FrameError::TooLarge)));
        assert!(unpack_at_most(&bomb, 10_000).is_ok());
    }

    #[test]
    fn garbage_and_torn_frames_are_refused() {
        assert!(unpack(b"garbage").is_err());
        let frame = pack(&b"snapshot".repeat(1000)).unwrap();
        assert!(unpack(&frame[..frame.len() - 1]).is_err());
    }
}
