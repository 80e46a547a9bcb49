//! Tags on the ids of one answer.

use bytes::{Bytes, BytesMut};
use tollgate_dialect::{
    stored::{Framing, IdFilter, Places, Tagger},
    stream::Forward,
};
use tollgate_shared::ids::{ServiceId, UpstreamKeyId};

use super::TagKey;

/// Puts the tag of the upstream key that answers behind the ids in its answer.
pub(crate) struct Tagging<'t> {
    filter: IdFilter,
    owner: Owner<'t>,
}

/// Whose the objects are.
pub(crate) struct Owner<'t> {
    pub(crate) tag_key: TagKey,
    pub(crate) service: ServiceId,
    pub(crate) upstream_key: UpstreamKeyId,
    /// Where the client reached the gateway.
    pub(crate) origin: Option<&'t str>,
}

impl Tagger for Owner<'_> {
    fn write_tag(&self, id: &str, out: &mut Vec<u8>) -> bool {
        self.tag_key.write(self.service, self.upstream_key, id, out);
        true
    }

    fn origin(&self) -> Option<&str> {
        self.origin
    }
}

impl<'t> Tagging<'t> {
    pub(crate) fn new(places: Places, event_stream: bool, owner: Owner<'t>) -> Self {
        let framing = if event_stream { Framing::Events } else { Framing::Object };
        Self { filter: IdFilter::new(places, framing), owner }
    }

    /// What of a piece goes on; it may be nothing.
    pub(crate) fn pass(&mut self, piece: &Bytes) -> Bytes {
        match self.filter.filter(piece, &self.owner) {
            Forward::Piece(range) => piece.slice(range),
            Forward::Copied(bytes) => Bytes::copy_from_slice(bytes),
        }
    }

    /// The last piece, and what was held back.
    pub(crate) fn finish(mut self, last: &Bytes) -> Bytes {
        let passed = self.pass(last);
        let held = self.filter.finish();
        if held.is_empty() {
            return passed;
        }
        let mut whole = BytesMut::from(&*passed);
        whole.extend_from_slice(&held);
        whole.freeze()
    }
}
