//! A whole configuration as it travels: encoded, compressed, hashed and cut into chunks once a revision, however many
//! proxies ask for it.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use ring::digest;
use tokio::sync::Mutex;
use tollgate_proto::{Snapshot, SnapshotChunk};
use tonic::Status;

use super::convert;
use crate::publish::{Head, Published, Whole};

/// The most a chunk's data may be, by the protocol.
const CHUNK_BYTES: usize = 1024 * 1024;
/// Three times smaller than the fastest level on configurations, at a cost that is paid once a revision.
const COMPRESSION_LEVEL: i32 = 3;

/// An encoded snapshot.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) head: Head,
    chunks: Vec<Bytes>,
    sha256: Bytes,
}

impl Frame {
    fn encode(whole: &Whole) -> std::io::Result<Self> {
        let resources = whole.resources.iter().map(|resource| convert::resource(resource)).collect();
        let encoded = Snapshot { resources }.encode_to_vec();
        let sha256 = Bytes::copy_from_slice(digest::digest(&digest::SHA256, &encoded).as_ref());
        let mut compressed = Bytes::from(zstd::bulk::compress(&encoded, COMPRESSION_LEVEL)?);
        let mut chunks = Vec::with_capacity(compressed.len().div_ceil(CHUNK_BYTES));
        while !compressed.is_empty() {
            chunks.push(compressed.split_to(CHUNK_BYTES.min(compressed.len())));
        }
        Ok(Self { head: whole.head.clone(), chunks, sha256 })
    }

    /// The messages that carry this snapshot under a nonce.
    pub(super) fn messages(&self, nonce: u64) -> impl Iterator<Item = SnapshotChunk> + '_ {
        let count = u32::try_from(self.chunks.len()).unwrap_or(u32::MAX);
        (0..count).zip(&self.chunks).map(move |(index, data)| SnapshotChunk {
            epoch: self.head.epoch.to_string(),
            revision: self.head.revision,
            nonce,
            index,
            count,
            data: data.clone(),
            sha256: self.sha256.clone(),
        })
    }
}

/// The frame of the newest revision that anyone asked for.
#[derive(Debug, Default)]
pub(super) struct Frames(Mutex<Option<Arc<Frame>>>);

impl Frames {
    /// The head's frame. Those who ask at the same time wait for one encoding.
    pub(super) async fn newest(&self, published: &Arc<Published>) -> Result<Arc<Frame>, Status> {
        let mut cached = self.0.lock().await;
        let head = published.head().borrow().clone();
        if let Some(frame) = cached.as_ref().filter(|frame| Some(&frame.head) == head.as_ref()) {
            return Ok(Arc::clone(frame));
        }
        let published = Arc::clone(published);
        let encoding = tokio::task::spawn_blocking(move || {
            let whole = published.whole().ok_or_else(|| Status::unavailable("no configuration is published yet"))?;
            Frame::encode(&whole).map_err(|_| Status::internal("the snapshot cannot be compressed"))
        });
        let frame = encoding.await.map_err(|_| Status::internal("the snapshot cannot be encoded"))??;
        let frame = Arc::new(frame);
        *cached = Some(Arc::clone(&frame));
        Ok(frame)
    }
}
