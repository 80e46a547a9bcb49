//! A route's targets and their keys, laid out once when the snapshot is built.
//!
//! What a roster counts (turns, places in the queue) goes on in the roster that follows it, for members that are still
//! there: a change of the configuration begins no count anew. Requests that still run on the snapshot before use the same
//! counts.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use tollgate_dialect::Protocol;
use tollgate_shared::ids::UpstreamKeyId;

use super::{Reach, scheduler::Place};
use crate::{
    health::{Health, KeyHealth, Watch},
    snapshot::Target,
};

/// The candidates of a route: those that speak each protocol, and all together.
#[derive(Default)]
pub struct Rosters {
    speaking: [Roster; 3],
    any: Roster,
    /// Of each target, in the order of its pool's keys; also of those that are never scheduled.
    keys: Vec<Vec<Arc<KeyHealth>>>,
}

/// The keys behind a route's targets, the tiers that are tried first in front.
#[derive(Debug, Default)]
pub(super) struct Roster {
    pub(super) tiers: Vec<Tier>,
}

/// Candidates of equal priority: target first, then key.
#[derive(Debug)]
pub(super) struct Tier {
    priority: (u32, u32),
    pub(super) members: Vec<Member>,
    turn: Arc<AtomicU64>,
}

/// One key at one target, with what is known of it.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) seat: Seat,
    pub(super) key: UpstreamKeyId,
    /// The target's × the key's.
    pub(super) weight: u64,
    pub(super) place: Arc<Place>,
    pub(super) watch: Watch,
    model: Option<Box<str>>,
}

/// Where a member is among the route's targets and their keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seat {
    pub(super) target: usize,
    pub(super) key: usize,
}

/// They follow from the targets beside them, so they tell no two routes apart.
impl PartialEq for Rosters {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Rosters {}

impl fmt::Debug for Rosters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rosters")
    }
}

impl Rosters {
    pub fn new(targets: &[Target], health: &Health, previous: Option<&Self>) -> Self {
        let of_target = |target: &Target| {
            let base = &target.pool.provider.base;
            target.pool.keys.iter().map(|key| health.of(key, base)).collect()
        };
        let keys: Vec<Vec<Arc<KeyHealth>>> = targets.iter().map(of_target).collect();
        let roster = |reach| Roster::new(targets, &keys, reach, previous.map(|rosters| rosters.of(reach)));
        let speaking = |protocol| roster(Reach::Speaking(protocol));
        Self {
            speaking: [speaking(Protocol::OpenAi), speaking(Protocol::Anthropic), speaking(Protocol::Gemini)],
            any: roster(Reach::Any),
            keys,
        }
    }

    pub(super) fn of(&self, reach: Reach) -> &Roster {
        match reach {
            Reach::Speaking(Protocol::OpenAi) => &self.speaking[0],
            Reach::Speaking(Protocol::Anthropic) => &self.speaking[1],
            Reach::Speaking(Protocol::Gemini) => &self.speaking[2],
            Reach::Any => &self.any,
        }
    }

    pub(super) fn key(&self, seat: Seat) -> Option<&Arc<KeyHealth>> {
        self.keys.get(seat.target)?.get(seat.key)
    }
}

impl Roster {
    fn new(targets: &[Target], keys: &[Vec<Arc<KeyHealth>>], reach: Reach, previous: Option<&Self>) -> Self {
        let mut tiers: Vec<Tier> = Vec::new();
        for (target_index, target) in targets.iter().enumerate() {
            let kind = target.pool.provider.kind;
            if let Reach::Speaking(protocol) = reach
                && kind.protocol() != protocol
            {
                continue;
            }
            for (key_index, key) in target.pool.keys.iter().enumerate() {
                let priority = (target.priority, key.priority);
                let weight = u64::from(target.weight) * u64::from(key.weight);
                if weight == 0 {
                    continue;
                }
                let seat = Seat { target: target_index, key: key_index };
                let watch = Watch::new(Arc::clone(&keys[target_index][key_index]), target.model.as_deref(), kind);
                let (model, place) = (target.model.clone(), Arc::default());
                let member = Member { seat, key: key.id, weight, place, watch, model };
                match tiers.iter_mut().find(|tier| tier.priority == priority) {
                    Some(tier) => tier.members.push(member),
                    None => tiers.push(Tier { priority, members: vec![member], turn: Arc::default() }),
                }
            }
        }
        tiers.sort_by_key(|tier| tier.priority);
        for tier in &mut tiers {
            match previous.and_then(|roster| roster.tiers.iter().find(|before| before.priority == tier.priority)) {
                Some(before) => tier.follow(before),
                None => tier.begin(),
            }
        }
        Self { tiers }
    }
}

impl Tier {
    pub(super) fn take_turn(&self) -> u64 {
        self.turn.fetch_add(1, Relaxed)
    }

    /// At a random turn and in a random order, so that many proxies do not all begin with the same key.
    fn begin(&mut self) {
        let start = u64::from(fastrand::u32(..));
        let mut order: Vec<u64> = (start..start + self.members.len() as u64).collect();
        fastrand::shuffle(&mut order);
        self.turn = Arc::new(AtomicU64::new(start + order.len() as u64));
        for (member, turn) in self.members.iter_mut().zip(order) {
            member.place = Arc::new(Place::at(turn));
        }
    }

    /// Goes on where the tier before is; who is new stands at the end of the queue.
    fn follow(&mut self, before: &Self) {
        self.turn = Arc::clone(&before.turn);
        // Behind everyone who was served, and before whoever is served next.
        let end = self.turn.load(Relaxed).saturating_sub(1);
        for member in &mut self.members {
            let same = |other: &&Member| other.key == member.key && other.model == member.model;
            member.place = match before.members.iter().find(same) {
                Some(known) => Arc::clone(&known.place),
                None => Arc::new(Place::at(end)),
            };
        }
    }
}
