//! Token counts: what the simulated provider says it generated, in the gateway's own terms.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// Normalised usage of one request. `input_uncached + cache_read + cache_write_5m +
/// cache_write_1h` is the whole prompt; `output` includes `reasoning`. The audio and image counts
/// are parts of these, not additions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    pub input_uncached: u64,
    pub cache_read: u64,
    /// `OpenAI`'s `cache_write_tokens` are counted here too.
    pub cache_write_5m: u64,
    pub cache_write_1h: u64,
    pub output: u64,
    pub reasoning: u64,
    #[serde(default)]
    pub image_input: u64,
    #[serde(default)]
    pub audio_input: u64,
    #[serde(default)]
    pub audio_output: u64,
}

impl Usage {
    /// The whole prompt, cached or not.
    pub fn prompt(&self) -> u64 {
        self.input_uncached + self.cache_read + self.cache_write_5m + self.cache_write_1h
    }

    /// The same prompt with only so much generated, as of a stream that was cut.
    #[must_use]
    pub(crate) fn with_output(self, generated: Generated) -> Self {
        Self { output: generated.output, reasoning: generated.reasoning, ..self }
    }

    pub(crate) fn generated(&self) -> Generated {
        Generated { output: self.output, reasoning: self.reasoning }
    }
}

/// How much of an answer exists at some point of a stream; cumulative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Generated {
    pub(crate) output: u64,
    pub(crate) reasoning: u64,
}

/// Sums since the start or the last `DELETE /__sim/requests`; kept also when the log is off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Requests received, control endpoints excluded.
    pub requests: u64,
    /// Answers that were written to their end.
    pub completed: u64,
    pub client_gone: u64,
    pub connections: u64,
    pub generated: Usage,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    requests: AtomicU64,
    completed: AtomicU64,
    client_gone: AtomicU64,
    connections: AtomicU64,
    input_uncached: AtomicU64,
    cache_read: AtomicU64,
    cache_write_5m: AtomicU64,
    cache_write_1h: AtomicU64,
    output: AtomicU64,
    reasoning: AtomicU64,
    image_input: AtomicU64,
    audio_input: AtomicU64,
    audio_output: AtomicU64,
}

fn add(counter: &AtomicU64, amount: u64) {
    if amount > 0 {
        counter.fetch_add(amount, Ordering::Relaxed);
    }
}

impl Counters {
    pub(crate) fn connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn request(&self) {
        add(&self.requests, 1);
    }

    pub(crate) fn ended(&self, generated: &Usage, completed: bool, client_gone: bool) {
        add(&self.completed, u64::from(completed));
        add(&self.client_gone, u64::from(client_gone));
        add(&self.input_uncached, generated.input_uncached);
        add(&self.cache_read, generated.cache_read);
        add(&self.cache_write_5m, generated.cache_write_5m);
        add(&self.cache_write_1h, generated.cache_write_1h);
        add(&self.output, generated.output);
        add(&self.reasoning, generated.reasoning);
        add(&self.image_input, generated.image_input);
        add(&self.audio_input, generated.audio_input);
        add(&self.audio_output, generated.audio_output);
    }

    pub(crate) fn read(&self) -> Stats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            requests: get(&self.requests),
            completed: get(&self.completed),
            client_gone: get(&self.client_gone),
            connections: get(&self.connections),
            generated: Usage {
                input_uncached: get(&self.input_uncached),
                cache_read: get(&self.cache_read),
                cache_write_5m: get(&self.cache_write_5m),
                cache_write_1h: get(&self.cache_write_1h),
                output: get(&self.output),
                reasoning: get(&self.reasoning),
                image_input: get(&self.image_input),
                audio_input: get(&self.audio_input),
                audio_output: get(&self.audio_output),
            },
        }
    }

    /// Back to zero, except that connection ids never repeat.
    pub(crate) fn reset(&self) {
        for counter in [
            &self.requests,
            &self.completed,
            &self.client_gone,
            &self.input_uncached,
            &self.cache_read,
            &self.cache_write_5m,
            &self.cache_write_1h,
            &self.output,
            &self.reasoning,
            &self.image_input,
            &self.audio_input,
            &self.audio_output,
        ] {
            counter.store(0, Ordering::Relaxed);
        }
    }
}
