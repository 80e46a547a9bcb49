//! How a stream's bytes are cut changes nothing of what comes out.

use proptest::prelude::*;
use proptest::sample::Index;
use tollgate_dialect::translate::Format;

use crate::checks::streams::translate;
use crate::fixtures;

fn every_cut(from: Format) {
    for fixture in fixtures::of(from, "streams") {
        for to in Format::ALL {
            let whole = translate(from, to, [&*fixture.bytes], b"");
            for cut in 1..fixture.bytes.len() {
                let (first, second) = fixture.bytes.split_at(cut);
                let found = translate(from, to, [first, second], b"");
                assert!(found == whole, "{} for {}, cut at {cut}", fixture.name, to.as_str());
            }
        }
    }
}

#[test]
fn chat_streams_are_the_same_at_every_cut() {
    every_cut(Format::Chat);
}

#[test]
fn responses_streams_are_the_same_at_every_cut() {
    every_cut(Format::Responses);
}

#[test]
fn messages_streams_are_the_same_at_every_cut() {
    every_cut(Format::Messages);
}

#[test]
fn generate_streams_are_the_same_at_every_cut() {
    every_cut(Format::Generate);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn streams_in_any_pieces_are_the_same(cuts in prop::collection::vec(any::<Index>(), 0..40)) {
        for from in Format::ALL {
            for fixture in fixtures::of(from, "streams") {
                let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(fixture.bytes.len() + 1)).collect();
                places.sort_unstable();
                let starts = std::iter::once(0).chain(places.iter().copied());
                let ends = places.iter().copied().chain([fixture.bytes.len()]);
                let pieces: Vec<&[u8]> = starts.zip(ends).map(|(start, end)| &fixture.bytes[start..end]).collect();
                for to in Format::ALL {
                    let whole = translate(from, to, [&*fixture.bytes], b"");
                    let found = translate(from, to, pieces.iter().copied(), b"");
                    prop_assert!(found == whole, "{} for {}, cut at {places:?}", fixture.name, to.as_str());
                }
            }
        }
    }
}
