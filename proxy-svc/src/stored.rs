//! Stored objects go back to the upstream key that made them.
//!
//! A provider keeps responses, files and batches for one account. The ids of them that a client gets carry a tag
//! ([`tag`]) that says which upstream key that was; a request that gives such an id back goes to that key and to no
//! other, at whichever proxy it arrives. The tag is taken out before the request goes upstream: providers see their own
//! ids only. Where ids stand is [`tollgate_dialect::stored`]'s knowledge.

mod answer;
mod origin;
mod tag;

use std::{borrow::Cow, ops::Range};

use bytes::Bytes;
use tollgate_dialect::{
    endpoint::{BodyKind, Endpoint},
    rewrite::{self, Edit, Edits},
    stored,
};
use tollgate_shared::ids::{ServiceId, UpstreamKeyId};

pub(crate) use self::{
    answer::{Owner, Tagging},
    origin::origin,
    tag::TagKey,
};
use crate::{respond::Refusal, snapshot::Snapshots};

/// The upstream key that a request must go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pin {
    pub(crate) key: UpstreamKeyId,
    /// Where the request says so.
    pub(crate) field: Box<str>,
}

/// Takes the tags out of one request.
pub(crate) struct Tags<'s> {
    snapshots: &'s Snapshots,
    service: ServiceId,
    pin: Option<Pin>,
}

impl<'s> Tags<'s> {
    pub(crate) fn new(snapshots: &'s Snapshots, service: ServiceId) -> Self {
        Self { snapshots, service, pin: None }
    }

    /// What the tags said that were taken out.
    pub(crate) fn into_pin(self) -> Option<Pin> {
        self.pin
    }

    /// Opens a tag. One that does not open is of another service, or was changed: there is no such object for this
    /// caller.
    fn take(&mut self, field: &str, id: &str, tag: &str) -> Result<(), Refusal> {
        let tag_key = self.snapshots.load().tag_key();
        let opened = tag_key.and_then(|tag_key| tag_key.open(self.service, id, tag));
        let Some(key) = opened else { return Err(Refusal::stored_object_not_found(field)) };
        match &self.pin {
            Some(pin) if pin.key != key => Err(Refusal::several_upstream_keys(&pin.field, field)),
            Some(_) => Ok(()),
            None => {
                self.pin = Some(Pin { key, field: field.into() });
                Ok(())
            }
        }
    }

    /// The path without the tag of the id in it; `endpoint` was recognised from it, and stays true of it.
    pub(crate) fn path<'p>(&mut self, path: &'p str, endpoint: &mut Endpoint<'_>) -> Result<Cow<'p, str>, Refusal> {
        let Some(Range { start, end }) = endpoint.resource_id else { return Ok(Cow::Borrowed(path)) };
        let Some((id, tag)) = path.get(start..end).and_then(stored::split) else { return Ok(Cow::Borrowed(path)) };
        self.take("id", id, tag)?;
        endpoint.resource_id = Some(start..start + id.len());
        let (before, behind) = (path.get(..start).unwrap_or_default(), path.get(end..).unwrap_or_default());
        Ok(Cow::Owned([before, id, behind].concat()))
    }

    /// The query without the tags of ids in it: where a list goes on.
    pub(crate) fn query<'q>(&mut self, query: Cow<'q, str>) -> Result<Cow<'q, str>, Refusal> {
        if stored::split(&query).is_none() {
            return Ok(query);
        }
        let mut plain = String::with_capacity(query.len());
        for (index, pair) in query.split('&').enumerate() {
            if index > 0 {
                plain.push('&');
            }
            match pair.split_once('=').and_then(|(name, value)| Some((name, stored::split(value)?))) {
                None => plain.push_str(pair),
                Some((name, (id, tag))) => {
                    self.take(name, id, tag)?;
                    plain.extend([name, "=", id]);
                }
            }
        }
        Ok(Cow::Owned(plain))
    }

    /// The body without the tags of ids in it.
    pub(crate) fn body(&mut self, endpoint: &Endpoint<'_>, body: Bytes) -> Result<Bytes, Refusal> {
        if endpoint.body != BodyKind::Json {
            return Ok(body);
        }
        let mut edits = Edits::default();
        for stored::Tagged { field, id, tag, at } in stored::tagged(endpoint.protocol, &body) {
            self.take(field, id, tag)?;
            edits.push(Edit { at, with: Cow::Borrowed(b"") });
        }
        if edits.is_empty() {
            return Ok(body);
        }
        Ok(rewrite::replace(&body, &edits).into())
    }
}
