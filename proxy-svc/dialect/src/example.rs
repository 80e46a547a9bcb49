//! The protocol that `docs/adding-a-provider.md` adds, step by step: it is here so that the document stays true.
//!
//! It has one path, `POST /v1/talk`:
//!
//! ```json
//! {"model": "m", "lines": [{"by": "user", "words": "Hello"}], "most": 100, "stream": false}
//! {"model": "m", "words": "Hello yourself.", "why": "done", "used": {"in": 9, "out": 4}}
//! ```
//!
//! A stream is `data:` lines with some `words` each; the last says `why` and what was `used`. An error is
//! `{"error": {"code": "…", "message": "…"}}`.

use crate::classify::{Class, Dimension, Fault, Headers, Signs};
use crate::dialect::Dialect;
use crate::endpoint::{BodyKind, Model, Offer, Operation, Path, Route, Version};
use crate::error::{ErrorBody, ErrorKind, Shape, to_json};
use crate::headers::Side;
use crate::json::walk::{Kept, Node, Select, Slot, Step};
use crate::json::{Members, count};
use crate::models::InvalidParameter;
use crate::stored::{Place, Places};
use crate::usage::{Progress, ProviderError, Reported, Usage, update};

pub(crate) mod talk;

pub(crate) struct Example;

const TALK: &[Offer] = &[Offer::post(Operation::Talk, BodyKind::Json, Model::Required)];

impl Dialect for Example {
    fn route(&self, path: &Path<'_>) -> Option<Route> {
        (path.version == Some(Version::V1) && *path.segments() == ["talk"]).then(|| Route::fixed(TALK))
    }

    fn status(&self, kind: ErrorKind) -> u16 {
        kind.general_status()
    }

    fn error_body(&self, error: &ErrorBody<'_>) -> Vec<u8> {
        to_json(&serde_json::json!({"error": {"code": error.kind.code(), "message": error.message}}))
    }

    fn classify(&self, _status: u16, _headers: Headers<'_, '_>, _body: Option<&[u8]>) -> Option<Class> {
        None
    }

    fn fault(&self, error: &ProviderError) -> Fault {
        let nothing = Signs { codes: &[], words: &[] };
        Fault::told(error, Signs { codes: &["too_long"], words: &[] }, nothing)
    }

    fn framing(&self, _operation: Operation, _events: bool) -> Shape {
        Shape::Data
    }

    fn signature_code(&self) -> u8 {
        b'e'
    }

    fn wait_ms(&self, _body: Option<&[u8]>) -> Option<u64> {
        None
    }

    fn dimensions(&self) -> &'static [Dimension] {
        &[]
    }

    fn select(&self) -> Select {
        |node, name| match (node, name) {
            (Node::ROOT, Some(b"used")) => Step::Keep(Slot::Usage),
            (Node::ROOT, Some(b"model")) => Step::Keep(Slot::Model),
            (Node::ROOT, Some(b"error")) => Step::Keep(Slot::Error),
            (Node::ROOT, Some(b"why")) => Step::Keep(Slot::Finish),
            (Node::ROOT, Some(b"words")) => Step::Evidence,
            _ => Step::Skip,
        }
    }

    fn is_interesting(&self, _payload: &[u8]) -> bool {
        true
    }

    fn is_end_marker(&self, _payload: &[u8]) -> bool {
        false
    }

    fn observe(&self, kept: &mut Kept, progress: &mut Progress) {
        progress.model(kept.get(Slot::Model));
        if let Some(raw) = kept.get(Slot::Usage) {
            for member in Members::of(raw).into_iter().flatten().map_while(Result::ok) {
                let Some(value) = raw.get(member.value) else { continue };
                match &*member.key {
                    b"in" => update(&mut progress.reported.input, count(value)),
                    b"out" => update(&mut progress.reported.output, count(value)),
                    _ => {}
                }
            }
            kept.swap(Slot::Usage, &mut progress.raw);
        }
        progress.complete |= kept.get(Slot::Finish).is_some();
    }

    fn settle(&self, reported: &Reported) -> Usage {
        let prompt = Usage::of_prompt(reported.input.unwrap_or_default(), 0, 0, 0);
        Usage { output: reported.output.unwrap_or_default(), ..prompt }
    }

    fn models(&self, names: &[&str], _query: &str) -> Result<Vec<u8>, InvalidParameter> {
        Ok(to_json(&serde_json::json!({"models": names})))
    }

    fn model(&self, name: &str) -> Vec<u8> {
        to_json(&serde_json::json!({"model": name}))
    }

    fn stored_ids(&self, _operation: Operation, _rest: &str, _store: Option<bool>) -> Option<Places> {
        None
    }

    fn place(&self, _name: &[u8]) -> Place {
        Place::Other
    }

    fn headers(&self, _side: Side) -> &'static [&'static str] {
        &[]
    }
}
