//! Puts a chunked snapshot together. Whether it is a good one is not looked at here.

use tollgate_proto as proto;

use crate::snapshot::{apply::SnapshotFrame, frame};

/// The chunks so far.
pub(super) struct Assembly {
    nonce: u64,
    count: u32,
    next: u32,
    snapshot: SnapshotFrame,
}

/// Why chunks do not make a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum AssemblyError {
    #[error("a chunk of a snapshot came out of order")]
    Order,
    #[error("the snapshot's chunks are together larger than {} bytes", frame::MAX_BYTES)]
    TooLarge,
}

/// A snapshot that is whole.
pub(super) struct Assembled {
    pub nonce: u64,
    pub snapshot: SnapshotFrame,
}

impl Assembly {
    /// Takes one more chunk in; the first one begins anew. Returns the snapshot with the last one.
    pub(super) fn add(
        assembly: &mut Option<Self>,
        chunk: proto::SnapshotChunk,
    ) -> Result<Option<Assembled>, AssemblyError> {
        let proto::SnapshotChunk { epoch, revision, nonce, index, count, data, sha256 } = chunk;
        if index == 0 {
            let snapshot = SnapshotFrame { epoch, revision, sha256, frame: data.into() };
            *assembly = Some(Self { nonce, count, next: 1, snapshot });
        } else {
            let current = assembly.as_mut().ok_or(AssemblyError::Order)?;
            let same = current.nonce == nonce
                && current.count == count
                && current.snapshot.epoch == epoch
                && current.snapshot.revision == revision
                && current.snapshot.sha256 == sha256;
            if !same || current.next != index {
                return Err(AssemblyError::Order);
            }
            current.snapshot.frame.extend_from_slice(&data);
            current.next += 1;
        }
        match assembly.take_if(|assembly| assembly.next >= assembly.count) {
            Some(whole) if whole.next > whole.count => Err(AssemblyError::Order),
            Some(Self { nonce, snapshot, .. }) => Ok(Some(Assembled { nonce, snapshot })),
            None => check_size(assembly.as_ref()).map(|()| None),
        }
    }
}

fn check_size(assembly: Option<&Assembly>) -> Result<(), AssemblyError> {
    match assembly {
        Some(assembly) if assembly.snapshot.frame.len() > frame::MAX_BYTES => Err(AssemblyError::TooLarge),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use prost::bytes::Bytes;

    use super::*;

    fn chunk(nonce: u64, index: u32, count: u32, data: &'static [u8]) -> proto::SnapshotChunk {
        proto::SnapshotChunk {
            epoch: "e".into(),
            revision: 5,
            nonce,
            index,
            count,
            data: Bytes::from_static(data),
            sha256: Bytes::from_static(b"hash"),
        }
    }

    fn whole(chunks: Vec<proto::SnapshotChunk>) -> Result<Option<Vec<u8>>, AssemblyError> {
        let mut assembly = None;
        let mut result = None;
        for chunk in chunks {
            result = Assembly::add(&mut assembly, chunk)?;
        }
        Ok(result.map(|assembled| assembled.snapshot.frame))
    }

    #[test]
    fn chunks_in_order_make_a_snapshot() {
        assert_eq!(whole(vec![chunk(1, 0, 1, b"a")]), Ok(Some(b"a".to_vec())));
        assert_eq!(whole(vec![chunk(1, 0, 3, b"a"), chunk(1, 1, 3, b"b")]), Ok(None));
        let chunks = vec![chunk(1, 0, 3, b"a"), chunk(1, 1, 3, b"b"), chunk(1, 2, 3, b"c")];
        assert_eq!(whole(chunks), Ok(Some(b"abc".to_vec())));
    }

    #[test]
    fn a_new_first_chunk_begins_anew() {
        let chunks = vec![chunk(1, 0, 3, b"a"), chunk(2, 0, 2, b"x"), chunk(2, 1, 2, b"y")];
        assert_eq!(whole(chunks), Ok(Some(b"xy".to_vec())));
    }

    #[test]
    fn chunks_that_do_not_follow_are_refused() {
        for chunks in [
            vec![chunk(1, 1, 2, b"b")],
            vec![chunk(1, 0, 0, b"a")],
            vec![chunk(1, 0, 3, b"a"), chunk(1, 2, 3, b"c")],
            vec![chunk(1, 0, 3, b"a"), chunk(2, 1, 3, b"b")],
            vec![chunk(1, 0, 3, b"a"), chunk(1, 1, 2, b"b")],
            vec![chunk(1, 0, 3, b"a"), proto::SnapshotChunk { revision: 6, ..chunk(1, 1, 3, b"b") }],
            vec![chunk(1, 0, 1, b"a"), chunk(1, 1, 1, b"b")],
        ] {
            assert_eq!(whole(chunks), Err(AssemblyError::Order));
        }
    }
}
