//! Requests of one session go to the same member while it can serve: weighted rendezvous hashing.
//!
//! Each member draws a lot that depends on the session and on nothing but itself; the best lot wins. So when a member
//! leaves, only its own sessions move, when it is back they come home, and proxies agree without talking.

use tollgate_shared::ids::UpstreamKeyId;

/// What is left of a session's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Session(u64);

impl Session {
    pub(crate) fn named(name: &[u8]) -> Self {
        // FNV-1a: the same in every proxy and every version.
        let hash = name.iter().fold(0xCBF2_9CE4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3)
        });
        Self(hash)
    }

    /// The lot of a key at a target; the largest one serves. A weight makes large ones more likely, in proportion.
    pub(super) fn lot(self, key: UpstreamKeyId, target: usize, weight: u64) -> f64 {
        let id = key.as_uuid().as_u128();
        #[expect(clippy::cast_possible_truncation, reason = "both halves are used")]
        let key = (id >> 64) as u64 ^ id as u64;
        let mixed = mix(mix(self.0 ^ mix(key)).wrapping_add(target as u64));
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit, and weights are small")]
        let (uniform, weight) = (((mixed >> 11) as f64 + 0.5) / (1_u64 << 53) as f64, weight as f64);
        -weight / uniform.ln()
    }
}

/// The finaliser of `SplitMix64`.
fn mix(value: u64) -> u64 {
    let mixed = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn winner(session: &str, members: &[(u128, u64)]) -> u128 {
        let session = Session::named(session.as_bytes());
        let lot = |(id, weight): &(u128, u64)| session.lot(UpstreamKeyId::from_uuid(Uuid::from_u128(*id)), 0, *weight);
        members.iter().max_by(|one, other| lot(one).total_cmp(&lot(other))).unwrap().0
    }

    #[test]
    fn sessions_are_spread_by_weight_and_stay_when_others_leave() {
        let all = [(1, 1), (2, 2), (3, 1)];
        let mut served = [0; 4];
        for session in 0..10_000 {
            let session = format!("session-{session}");
            let home = winner(&session, &all);
            served[usize::try_from(home).unwrap()] += 1;
            let without = |gone: u128| all.iter().copied().filter(|(id, _)| *id != gone).collect::<Vec<_>>();
            for gone in 1..=3 {
                if gone != home {
                    assert_eq!(winner(&session, &without(gone)), home);
                }
            }
        }
        assert!((2300..2700).contains(&served[1]), "{served:?}");
        assert!((4800..5200).contains(&served[2]), "{served:?}");
        assert!((2300..2700).contains(&served[3]), "{served:?}");
    }
}
