//! The request log: what arrived, byte for byte, and how its answer ended.

use std::collections::VecDeque;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::incoming::Incoming;
use super::options::LogOptions;
use super::usage::Usage;

/// One request, as `GET /__sim/requests` tells it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RecordedRequest {
    /// Counts from 1 in order of arrival.
    pub n: u64,
    pub method: String,
    /// Path and query as received.
    pub target: String,
    /// In order and in the case received (h2 has lower case only).
    pub headers: Vec<(String, String)>,
    #[serde(rename = "body_base64", serialize_with = "encode", deserialize_with = "decode")]
    pub body: Bytes,
    /// `None` until a head was sent, and for ever when none was.
    pub status: Option<u16>,
    pub stream: bool,
    /// As far as the answer got: a stream that was cut has generated less than was planned.
    pub generated: Usage,
    /// The answer was fully written.
    pub completed: bool,
    /// The client closed before that.
    pub client_gone: bool,
    pub connection_id: u64,
    /// Where the credential was: `authorization`, `x-api-key`, `x-goog-api-key` or `query`.
    pub credential_place: Option<String>,
    pub credential: Option<String>,
    pub model: String,
    /// Chunks of a stream, or pieces of a body, that were written.
    pub chunks_sent: u64,
}

impl RecordedRequest {
    /// The first header of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(crate) fn of(incoming: &Incoming) -> Self {
        let credential = incoming.credential();
        Self {
            method: incoming.method().to_owned(),
            target: incoming.target().to_owned(),
            headers: incoming.headers(),
            // A copy: the received bytes are a part of a larger buffer.
            body: Bytes::copy_from_slice(&incoming.body),
            connection_id: incoming.connection_id,
            credential_place: credential.map(|credential| credential.place.to_owned()),
            credential: credential.map(|credential| credential.value.to_owned()),
            ..Self::default()
        }
    }

    fn size(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len() + 64).sum();
        512 + self.target.len() + headers + self.body.len()
    }
}

fn encode<S: Serializer>(body: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(body))
}

fn decode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    let text = String::deserialize(deserializer)?;
    STANDARD.decode(text).map(Bytes::from).map_err(serde::de::Error::custom)
}

#[derive(Debug)]
pub(crate) struct Log {
    options: LogOptions,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    last: u64,
    bytes: usize,
    list: VecDeque<RecordedRequest>,
}

impl Log {
    pub(crate) fn new(options: LogOptions) -> Self {
        Self { options, entries: Mutex::default() }
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.options.enabled
    }

    /// Remembers a request that has arrived, and gives its number.
    pub(crate) fn begin(&self, mut request: RecordedRequest) -> u64 {
        let size = request.size();
        let mut entries = self.entries.lock();
        entries.last += 1;
        request.n = entries.last;
        entries.bytes += size;
        entries.list.push_back(request);
        while entries.list.len() > self.options.max_entries.max(1)
            || (entries.bytes > self.options.max_bytes && entries.list.len() > 1)
        {
            let Some(oldest) = entries.list.pop_front() else { break };
            entries.bytes -= oldest.size();
        }
        entries.last
    }

    /// Changes what is remembered of request `n`, if it is still there.
    pub(crate) fn update(&self, n: u64, change: impl FnOnce(&mut RecordedRequest)) {
        let mut entries = self.entries.lock();
        let Some(first) = entries.list.front().map(|entry| entry.n) else { return };
        let index = n.checked_sub(first).and_then(|index| usize::try_from(index).ok());
        if let Some(entry) = index.and_then(|index| entries.list.get_mut(index)) {
            change(entry);
        }
    }

    /// Requests with a number above `after`.
    pub(crate) fn after(&self, after: u64) -> Vec<RecordedRequest> {
        self.entries.lock().list.iter().filter(|entry| entry.n > after).cloned().collect()
    }

    /// Forgets everything; the numbers go on.
    pub(crate) fn clear(&self) {
        let mut entries = self.entries.lock();
        entries.list.clear();
        entries.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(max_entries: usize, max_bytes: usize) -> Log {
        Log::new(LogOptions { enabled: true, max_entries, max_bytes })
    }

    #[test]
    fn the_oldest_entries_go_first_and_numbers_stay() {
        let log = log(2, usize::MAX);
        for _ in 0..3 {
            log.begin(RecordedRequest::default());
        }
        log.update(1, |_| panic!("forgotten"));
        log.update(3, |entry| entry.completed = true);
        let numbers: Vec<_> = log.after(0).iter().map(|entry| (entry.n, entry.completed)).collect();
        assert_eq!(numbers, [(2, false), (3, true)]);
        assert_eq!(log.after(2).len(), 1);
    }

    #[test]
    fn bytes_are_bounded_too() {
        let log = log(100, 4096);
        for _ in 0..10 {
            log.begin(RecordedRequest { body: Bytes::from(vec![0; 1000]), ..RecordedRequest::default() });
        }
        assert_eq!(log.after(0).len(), 2);
        log.clear();
        assert_eq!(log.begin(RecordedRequest::default()), 11);
    }

    #[test]
    fn a_recorded_body_survives_json() {
        let request = RecordedRequest { body: Bytes::from_static(b"\x00\xff"), ..RecordedRequest::default() };
        let text = serde_json::to_string(&request).unwrap();
        assert!(text.contains(r#""body_base64":"AP8=""#), "{text}");
        assert_eq!(serde_json::from_str::<RecordedRequest>(&text).unwrap(), request);
    }
}
