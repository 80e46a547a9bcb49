//! Messages ↔ the control plane's types; the only code that knows both.
//!
//! Structures are taken apart completely, so that a new field breaks the build here and not in production.

mod health;
mod lease;
mod resource;
mod usage;

use tollgate_proto as proto;
use tollgate_shared::ids::BootId;
use tonic::Status;

use super::ConnectedProxy;
use crate::{
    domain::{change::ResourceKind, proxy::RefusedResource, published::ResourceKey},
    publish::Changes,
};

pub(super) use health::{health_hello, health_hint, key_model_report};
pub(super) use lease::{asks, borrower, grants, shortages};
pub(super) use resource::resource;
pub(super) use usage::usage_event;

/// Free text of a proxy is shown to people, not stored without bound.
const LONGEST_TEXT: usize = 500;

pub(super) fn connected_proxy(hello: proto::Hello) -> Result<ConnectedProxy, Status> {
    let proto::Hello { proxy_id, boot_id, version, schema: _, epoch, revision, hostname } = hello;
    Ok(ConnectedProxy {
        id: proxy_id.parse().map_err(|_| Status::invalid_argument("hello.proxy_id is not a UUID"))?,
        boot_id: boot_id.parse::<BootId>().map_err(|_| Status::invalid_argument("hello.boot_id is not a UUID"))?,
        hostname: text(&hostname, LONGEST_TEXT),
        version: text(&version, LONGEST_TEXT),
        epoch: text(&epoch, LONGEST_TEXT),
        revision,
    })
}

pub(super) fn refused_resource(error: proto::ResourceError) -> RefusedResource {
    let proto::ResourceError { resource, field, message } = error;
    let proto::ResourceRef { kind, id } = resource.unwrap_or_default();
    let kind = match proto::ResourceKind::try_from(kind).unwrap_or_default() {
        proto::ResourceKind::Unspecified => "",
        proto::ResourceKind::Settings => ResourceKind::Settings.as_str(),
        proto::ResourceKind::Provider => ResourceKind::Provider.as_str(),
        proto::ResourceKind::KeyPool => ResourceKind::KeyPool.as_str(),
        proto::ResourceKind::UpstreamKey => ResourceKind::UpstreamKey.as_str(),
        proto::ResourceKind::Service => ResourceKind::Service.as_str(),
        proto::ResourceKind::AccessKey => ResourceKind::AccessKey.as_str(),
        proto::ResourceKind::User => ResourceKind::User.as_str(),
        proto::ResourceKind::Price => ResourceKind::Price.as_str(),
    };
    RefusedResource {
        kind: kind.to_owned(),
        id: text(&id, LONGEST_TEXT),
        field: text(&field, LONGEST_TEXT),
        message: text(&message, LONGEST_TEXT),
    }
}

pub(super) fn delta(changes: Changes, nonce: u64) -> proto::Delta {
    let Changes { epoch, from, to, upserts, deletes } = changes;
    proto::Delta {
        epoch: epoch.to_string(),
        from,
        to,
        nonce,
        upserts: upserts.iter().map(|changed| resource(changed)).collect(),
        deletes: deletes.into_iter().map(resource_ref).collect(),
    }
}

fn resource_ref(key: ResourceKey) -> proto::ResourceRef {
    let ResourceKey { kind, id } = key;
    let kind = match kind {
        ResourceKind::Settings => proto::ResourceKind::Settings,
        ResourceKind::Provider => proto::ResourceKind::Provider,
        ResourceKind::KeyPool => proto::ResourceKind::KeyPool,
        ResourceKind::UpstreamKey => proto::ResourceKind::UpstreamKey,
        ResourceKind::Service => proto::ResourceKind::Service,
        ResourceKind::AccessKey => proto::ResourceKind::AccessKey,
        ResourceKind::User => proto::ResourceKind::User,
        ResourceKind::Price => proto::ResourceKind::Price,
    };
    proto::ResourceRef { kind: kind.into(), id }
}

/// A text as the database takes it: `PostgreSQL` refuses NUL; and not longer than `longest` bytes.
fn text(text: &str, longest: usize) -> String {
    let end = text.floor_char_boundary(longest.min(text.len()));
    text[..end].replace('\0', "\u{fffd}")
}
