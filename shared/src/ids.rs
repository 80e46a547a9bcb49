//! Identifiers: one type a thing, so that they cannot be mixed up. All are UUIDv7, so they sort by time of creation.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Why a text is not an identifier.
#[derive(Debug, thiserror::Error)]
#[error("not a UUID")]
pub struct InvalidId;

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String, format = "uuid"))]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new identifier of the present moment.
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }

            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            pub const fn as_uuid(&self) -> &Uuid {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Uuid::parse_str(text).map(Self).map_err(|_| InvalidId)
            }
        }
    )*};
}

id! {
    /// A person who signs in to the console.
    UserId;
    ProviderId;
    KeyPoolId;
    UpstreamKeyId;
    ServiceId;
    AccessKeyId;
    /// One request of a client: its `x-request-id` and the id of its usage event.
    RequestId;
    /// A proxy, across its restarts.
    ProxyId;
    /// One start of a proxy.
    BootId;
    AuditEventId;
    PriceId;
    SessionId;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_round_trips() {
        let id = ServiceId::generate();
        assert_eq!(id.to_string().parse::<ServiceId>().unwrap(), id);
        assert!("services".parse::<ServiceId>().is_err());
    }

    #[test]
    fn later_ids_sort_later() {
        let first = RequestId::generate();
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert!(first.to_string() < RequestId::generate().to_string());
    }
}
