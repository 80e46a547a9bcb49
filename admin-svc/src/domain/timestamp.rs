//! A point in time: microseconds inside, RFC 3339 UTC in JSON.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tollgate_shared::clock::UnixMicros;

const NANOS_PER_MICRO: i128 = 1_000;

/// Microseconds since 1970 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, utoipa::ToSchema)]
#[schema(value_type = String, format = "date-time", example = "2026-11-23T06:42:00.123456Z")]
pub struct Timestamp(UnixMicros);

/// Why a text is not a point in time.
#[derive(Debug, thiserror::Error)]
#[error("not a time as in RFC 3339, such as \"2026-11-23T06:42:00Z\"")]
pub struct InvalidTimestamp;

impl Timestamp {
    pub const fn from_micros(micros: UnixMicros) -> Self {
        Self(micros)
    }

    pub const fn micros(self) -> UnixMicros {
        self.0
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| InvalidTimestamp)?;
        let micros = time.unix_timestamp_nanos() / NANOS_PER_MICRO;
        i64::try_from(micros).map(Self).map_err(|_| InvalidTimestamp)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * NANOS_PER_MICRO);
        let text = time.map_err(|_| fmt::Error)?.format(&Rfc3339).map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_any_zone_and_written_in_utc() {
        let time: Timestamp = "2026-11-23T08:42:00.5+02:00".parse().unwrap();
        assert_eq!(time.to_string(), "2026-11-23T06:42:00.5Z");
        assert_eq!(Timestamp::from_micros(0).to_string(), "1970-01-01T00:00:00Z");
        for text in ["", "yesterday", "2026-11-23", "2026-13-01T00:00:00Z"] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }
}
