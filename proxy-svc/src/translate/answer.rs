//! What becomes of an answer's bytes on their way to the client: nothing, or another protocol.

use bytes::{Bytes, BytesMut};
use tollgate_dialect::{
    endpoint::Operation,
    translate::{Exchange, Format, Names, StreamTranslator, Terms},
    usage::{ProviderError, Tap},
};

use super::{Translation, seal::ServiceSeal};
use crate::{
    meter::{Count, Meter, Observed},
    report::Tokens,
    stored::Tagging,
};

/// A whole answer that is translated is held up to this.
const WHOLE_BYTES: usize = 32 << 20;

/// One answer under way.
pub(crate) enum Passage<'t> {
    Untouched(Box<Untouched<'t>>),
    Whole(Box<Whole<'t>>),
    Stream(Box<Stream<'t>>),
}

/// An answer that goes on as it comes, but for what the gateway itself asked for, and for tags behind the ids in it.
pub(crate) struct Untouched<'t> {
    meter: Meter,
    tagging: Option<Box<Tagging<'t>>>,
}

/// An answer that is written anew once all of it has come.
pub(crate) struct Whole<'t> {
    exchange: Exchange,
    names: Names,
    terms: OwnTerms<'t>,
    tap: Tap,
    count: Count,
    body: BytesMut,
    error: Option<ProviderError>,
}

/// An answer that is written anew event by event.
pub(crate) struct Stream<'t> {
    translator: StreamTranslator,
    count: Count,
    content_type: &'static str,
    seal: &'t ServiceSeal,
    out: Vec<u8>,
    /// Something went on to the client.
    has_begun: bool,
}

/// [`Terms`] that are needed when the answer has come.
struct OwnTerms<'t> {
    id: Box<str>,
    created: u64,
    model: Box<str>,
    echo: Box<[u8]>,
    seal: &'t ServiceSeal,
}

impl<'t> Passage<'t> {
    pub(super) fn translated(
        translation: Translation,
        terms: &Terms<'_>,
        seal: &'t ServiceSeal,
        operation: Operation,
        stream: bool,
        meter: Meter,
    ) -> Self {
        let Translation { exchange, names, adapted: _ } = translation;
        let count = meter.into_count();
        if let (Exchange::Conversation { from, to }, true) = (exchange, stream) {
            return Self::Stream(Box::new(Stream {
                translator: StreamTranslator::new(from, to, terms, names),
                count,
                content_type: if to == Format::Generate && !terms.events {
                    "application/json"
                } else {
                    "text/event-stream"
                },
                seal,
                out: Vec::new(),
                has_begun: false,
            }));
        }
        Self::Whole(Box::new(Whole {
            exchange,
            names,
            terms: OwnTerms {
                id: terms.id.into(),
                created: terms.created,
                model: terms.model.into(),
                echo: terms.echo.into(),
                seal,
            },
            tap: Tap::for_answer(exchange.protocol(), operation, Some("application/json")),
            count,
            body: BytesMut::new(),
            error: None,
        }))
    }

    /// Takes a piece, and says what goes on to the client; it may be nothing.
    pub(crate) fn pass(&mut self, piece: Bytes) -> Bytes {
        match self {
            Self::Untouched(untouched) => untouched.pass(piece),
            Self::Whole(whole) => {
                whole.take(&piece);
                Bytes::new()
            }
            Self::Stream(stream) => {
                stream.count.see(&piece);
                stream.out.clear();
                stream.translator.feed(&piece, stream.seal, &mut stream.out);
                stream.has_begun |= !stream.out.is_empty();
                Bytes::copy_from_slice(&stream.out)
            }
        }
    }

    /// The upstream's end has come: what still goes on to the client. `None` when the answer lacks its proper end, or
    /// is none of its protocol; [`Passage::error`] may say more.
    pub(crate) fn end(&mut self) -> Option<Bytes> {
        match self {
            Self::Untouched(untouched) => Some(untouched.rest()),
            Self::Whole(whole) => whole.write(),
            Self::Stream(stream) => {
                stream.out.clear();
                let whole = stream.translator.finish(stream.seal, &mut stream.out);
                whole.then(|| Bytes::copy_from_slice(&stream.out))
            }
        }
    }

    /// The error that the provider told in place of an answer, or in the middle of it.
    pub(crate) fn error(&self) -> Option<&ProviderError> {
        match self {
            Self::Untouched(untouched) => untouched.meter.error(),
            Self::Whole(whole) => whole.error.as_ref().or(whole.tap.error()),
            Self::Stream(stream) => stream.translator.error(),
        }
    }

    /// Whether something that the model made is among what goes on.
    pub(crate) fn semantic_started(&self) -> bool {
        match self {
            Self::Untouched(untouched) => untouched.meter.semantic_started(),
            Self::Whole(_) => false,
            Self::Stream(stream) => stream.translator.semantic_started(),
        }
    }

    /// Whether the provider refused the prompt in what is formally an answer.
    pub(crate) fn is_blocked(&self) -> bool {
        match self {
            Self::Untouched(untouched) => untouched.meter.is_blocked(),
            Self::Whole(whole) => whole.tap.is_blocked(),
            Self::Stream(stream) => stream.translator.is_blocked(),
        }
    }

    /// Whether the answer lacks its proper end, as far as can be told.
    pub(crate) fn lacks_its_end(&self) -> bool {
        match self {
            Self::Untouched(untouched) => untouched.meter.lacks_its_end(),
            Self::Whole(_) | Self::Stream(_) => false,
        }
    }

    /// Whether the client may get another number of bytes than the upstream sends.
    pub(crate) fn changes_length(&self) -> bool {
        match self {
            Self::Untouched(untouched) => untouched.changes_length(),
            Self::Whole(_) | Self::Stream(_) => true,
        }
    }

    /// Whether the client gets other bytes than the upstream sends.
    pub(crate) const fn changes_content(&self) -> bool {
        !matches!(self, Self::Untouched(_))
    }

    /// Whether nothing goes on before all of it has come.
    pub(crate) const fn is_whole(&self) -> bool {
        matches!(self, Self::Whole(_))
    }

    /// The content type that the client is told, where it is not the upstream's.
    pub(crate) const fn content_type(&self) -> Option<&'static str> {
        match self {
            Self::Untouched(_) => None,
            Self::Whole(_) => Some("application/json"),
            Self::Stream(stream) => Some(stream.content_type),
        }
    }

    /// Whether an error can be told in the middle of it.
    pub(crate) fn is_stream(&self) -> bool {
        match self {
            Self::Untouched(untouched) => untouched.meter.is_event_stream(),
            Self::Whole(_) => false,
            Self::Stream(_) => true,
        }
    }

    /// Whether the client has anything of a stream.
    pub(crate) fn has_begun(&self) -> bool {
        match self {
            Self::Untouched(_) | Self::Whole(_) => true,
            Self::Stream(stream) => stream.has_begun,
        }
    }

    pub(crate) fn is_after_whole_event(&self) -> bool {
        match self {
            Self::Untouched(untouched) => untouched.meter.is_after_whole_event(),
            Self::Whole(_) | Self::Stream(_) => true,
        }
    }

    /// How many events went on to the client, for a protocol that numbers them.
    pub(crate) fn events(&self) -> u64 {
        match self {
            Self::Untouched(untouched) => untouched.meter.events(),
            Self::Whole(_) => 0,
            Self::Stream(stream) => stream.translator.events(),
        }
    }

    /// A stream's usage up to now.
    pub(crate) fn so_far(&self) -> Option<Tokens> {
        match self {
            Self::Untouched(untouched) => untouched.meter.so_far(),
            Self::Whole(_) => None,
            Self::Stream(stream) => stream.translator.usage_so_far().as_ref().and_then(Tokens::partial),
        }
    }

    /// What the provider told of an answer that has come to its end.
    pub(crate) fn usage(&self) -> Option<Tokens> {
        match self {
            Self::Untouched(_) | Self::Stream(_) => self.so_far(),
            Self::Whole(whole) => whole.tap.usage_so_far().as_ref().and_then(Tokens::partial),
        }
    }

    pub(crate) fn finish(self) -> Observed {
        match self {
            Self::Untouched(untouched) => untouched.meter.finish(),
            Self::Whole(whole) => {
                let Whole { tap, count, error, .. } = *whole;
                let mut observed = tap.finish();
                observed.error = observed.error.or(error);
                count.conclude(observed)
            }
            Self::Stream(stream) => stream.count.conclude(stream.translator.into_observed()),
        }
    }
}

impl<'t> Untouched<'t> {
    pub(super) fn new(meter: Meter, tagging: Option<Tagging<'t>>) -> Self {
        Self { meter, tagging: tagging.map(Box::new) }
    }

    fn pass(&mut self, piece: Bytes) -> Bytes {
        let kept = self.meter.pass(piece);
        match &mut self.tagging {
            Some(tagging) => tagging.pass(&kept),
            None => kept,
        }
    }

    fn rest(&mut self) -> Bytes {
        let rest = self.meter.rest();
        match self.tagging.take() {
            Some(tagging) => tagging.finish(&rest),
            None => rest,
        }
    }

    fn changes_length(&self) -> bool {
        self.tagging.is_some() || self.meter.may_shorten()
    }
}

impl Whole<'_> {
    fn take(&mut self, piece: &[u8]) {
        self.tap.feed(piece);
        if self.body.len() + piece.len() > WHOLE_BYTES {
            self.error = Some(ProviderError::malformed("the answer is too long"));
        } else {
            self.body.extend_from_slice(piece);
        }
    }

    fn write(&mut self) -> Option<Bytes> {
        if self.error.is_some() || self.tap.error().is_some() {
            return None;
        }
        let terms = Terms {
            id: &self.terms.id,
            created: self.terms.created,
            model: &self.terms.model,
            include_usage: true,
            events: true,
            echo: &self.terms.echo,
            seal: self.terms.seal,
        };
        let usage = self.tap.usage_so_far();
        match self.exchange.write_answer(&self.body, usage.as_ref(), &terms, &self.names) {
            Ok(answer) => Some(answer.into()),
            Err(unreadable) => {
                self.error = Some(ProviderError::malformed(&unreadable.to_string()));
                None
            }
        }
    }
}
