//! What the fuzzer does at length, in short: its checks over the fixtures and changes to them.

use proptest::prelude::*;
use proptest::sample::Index;

use crate::checks::{self, CHECKS};
use crate::fixtures;

#[test]
fn every_fixture_passes_the_checks() {
    for check in CHECKS {
        for fixture in fixtures::all(check.seeds) {
            (check.run)(&fixture.bytes);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn changed_documents_do_no_harm(which in any::<Index>(), seed in any::<u32>()) {
        for check in CHECKS {
            let seeds = fixtures::all(check.seeds);
            if let Some(changed) = checks::mutate(check.name, &which.get(&seeds).bytes, seed) {
                checks::run(check.name, &changed);
            }
        }
    }

    #[test]
    fn changed_bytes_do_no_harm(which in any::<Index>(), at in any::<Index>(), bytes in prop::collection::vec(any::<u8>(), 0..4), gone in 0..4_usize) {
        for check in CHECKS {
            let seeds = fixtures::all(check.seeds);
            let mut changed = which.get(&seeds).bytes.clone();
            let at = at.index(changed.len());
            let end = (at + gone).min(changed.len());
            changed.splice(at..end, bytes.iter().copied());
            checks::run(check.name, &changed);
        }
    }
}
