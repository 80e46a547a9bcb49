//! What can be asked of usage.

use std::{collections::BTreeMap, fmt, str::FromStr};

use tollgate_shared::{
    clock::UnixMicros,
    ids::{AccessKeyId, ProviderId, RequestId, ServiceId, UpstreamKeyId, UserId},
};

use super::{Granularity, Outcome, Sums, UsageEvent};
use crate::domain::text_enum::text_enum;

/// Which events are wanted; absent = any.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Included.
    pub from: Option<UnixMicros>,
    /// Not included.
    pub to: Option<UnixMicros>,
    pub service_id: Option<ServiceId>,
    pub access_key_id: Option<AccessKeyId>,
    pub user_id: Option<UserId>,
    /// Served or asked for.
    pub model: Option<String>,
    pub provider_id: Option<ProviderId>,
    pub upstream_key_id: Option<UpstreamKeyId>,
    pub status: Option<u16>,
    pub outcome: Option<Outcome>,
}

/// The last event of a page: the next page is what started before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventPosition {
    pub started_at: UnixMicros,
    pub request_id: RequestId,
}

/// Why a text is not a position.
#[derive(Debug, thiserror::Error)]
#[error("not a position in the list of events")]
pub struct InvalidPosition;

impl EventPosition {
    pub fn of(event: &UsageEvent) -> Self {
        Self { started_at: event.started_at, request_id: event.request_id }
    }
}

impl fmt::Display for EventPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { started_at, request_id } = self;
        write!(f, "{started_at}.{request_id}")
    }
}

impl FromStr for EventPosition {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, InvalidPosition> {
        let (started_at, request_id) = text.split_once('.').ok_or(InvalidPosition)?;
        Ok(Self {
            started_at: started_at.parse().map_err(|_| InvalidPosition)?,
            request_id: request_id.parse().map_err(|_| InvalidPosition)?,
        })
    }
}

text_enum! {
    /// What usage is broken down by.
    pub enum Dimension {
        Service = "service",
        AccessKey = "access_key",
        User = "user",
        Model = "model",
        Provider = "provider",
        UpstreamKey = "upstream_key",
    }
}

/// Which sums are wanted.
#[derive(Clone, Debug)]
pub struct SummaryQuery {
    /// Included; on a minute.
    pub from: UnixMicros,
    /// Not included; on a minute.
    pub to: UnixMicros,
    /// Absent: the whole time in one.
    pub interval: Option<Granularity>,
    pub group_by: Vec<Dimension>,
    pub service_id: Option<ServiceId>,
    pub access_key_id: Option<AccessKeyId>,
    pub user_id: Option<UserId>,
    /// The one served.
    pub model: Option<String>,
    pub provider_id: Option<ProviderId>,
    pub upstream_key_id: Option<UpstreamKeyId>,
}

/// A stretch of a summary's time, and the roll-ups that cover it exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SummaryPiece {
    pub granularity: Granularity,
    pub from: UnixMicros,
    pub to: UnixMicros,
}

/// The sums of a group in an interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SummaryRow {
    /// Start of the interval; absent when none was asked for.
    pub bucket_at: Option<UnixMicros>,
    /// One value a dimension, in the order of [`SummaryQuery::group_by`]; empty where the request did not get that far.
    pub group: Vec<String>,
    pub sums: Sums,
}

impl SummaryQuery {
    /// How many rows a group has at most.
    pub fn intervals(&self) -> i64 {
        self.interval.map_or(1, |interval| (self.to - self.from) / interval.micros() + 2)
    }

    /// Cuts the time so that as much as possible is read from the coarsest roll-ups: days in the middle, hours and
    /// minutes at the edges. Never coarser than the interval.
    pub fn pieces(&self) -> Vec<SummaryPiece> {
        let coarsest = self.interval.unwrap_or(Granularity::Day);
        let mut pieces = Vec::new();
        cut(self.from, self.to, coarsest, &mut pieces);
        pieces
    }
}

fn cut(from: UnixMicros, to: UnixMicros, granularity: Granularity, pieces: &mut Vec<SummaryPiece>) {
    if from >= to {
        return;
    }
    let finer = match granularity {
        Granularity::Minute => {
            pieces.push(SummaryPiece { granularity, from, to });
            return;
        }
        Granularity::Hour => Granularity::Minute,
        Granularity::Day => Granularity::Hour,
    };
    let first = granularity.floor(from + granularity.micros() - 1);
    let last = granularity.floor(to);
    if first >= last {
        cut(from, to, finer, pieces);
        return;
    }
    cut(from, first, finer, pieces);
    pieces.push(SummaryPiece { granularity, from: first, to: last });
    cut(last, to, finer, pieces);
}

/// Adds rows of the same interval and group, ordered by interval and group.
pub fn merge(rows: impl IntoIterator<Item = SummaryRow>) -> Vec<SummaryRow> {
    let mut merged: BTreeMap<(Option<UnixMicros>, Vec<String>), Sums> = BTreeMap::new();
    for SummaryRow { bucket_at, group, sums } in rows {
        merged.entry((bucket_at, group)).or_default().add(&sums);
    }
    merged.into_iter().map(|((bucket_at, group), sums)| SummaryRow { bucket_at, group, sums }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000;

    fn query(from: i64, to: i64, interval: Option<Granularity>) -> SummaryQuery {
        SummaryQuery {
            from,
            to,
            interval,
            group_by: Vec::new(),
            service_id: None,
            access_key_id: None,
            user_id: None,
            model: None,
            provider_id: None,
            upstream_key_id: None,
        }
    }

    #[test]
    fn pieces_cover_the_time_without_gap_or_overlap() {
        for (from, to) in [(0, 1), (0, 60), (59, 61), (1, 2_879), (1_439, 1_441), (30, 10_000), (5, 5)] {
            for interval in [None, Some(Granularity::Minute), Some(Granularity::Hour), Some(Granularity::Day)] {
                let pieces = query(from * MINUTE, to * MINUTE, interval).pieces();
                let mut at = from * MINUTE;
                for piece in pieces {
                    assert_eq!(piece.from, at);
                    assert_eq!(piece.granularity.floor(piece.from), piece.from);
                    assert_eq!(piece.granularity.floor(piece.to), piece.to);
                    assert!(piece.granularity <= interval.unwrap_or(Granularity::Day));
                    at = piece.to;
                }
                assert_eq!(at, to * MINUTE, "{from} {to} {interval:?}");
            }
        }
    }

    #[test]
    fn positions_round_trip_through_their_text() {
        let position = EventPosition { started_at: 1_700_000_000_000_000, request_id: RequestId::generate() };
        assert_eq!(position.to_string().parse::<EventPosition>().unwrap(), position);
        assert!("1".parse::<EventPosition>().is_err());
    }

    #[test]
    fn whole_days_are_read_from_days() {
        let pieces = query(0, 3 * 1_440 * MINUTE, None).pieces();
        assert_eq!(pieces, [SummaryPiece { granularity: Granularity::Day, from: 0, to: 3 * 1_440 * MINUTE }]);
    }
}
