use http::{HeaderName, HeaderValue};
use tollgate_dialect::classify::{Left, Quota};
use tollgate_shared::limits::Limits;

use super::*;
use crate::{
    health_exchange::{HealthRecord, KeyHint, Verdict as Found},
    limits::Counted,
    snapshot::ProviderKind,
};

fn base() -> BaseUrl {
    BaseUrl {
        https: true,
        host: "provider.test".into(),
        port: 443,
        authority: HeaderValue::from_static("provider.test"),
        path_prefix: None,
    }
}

fn key(group: Option<&str>) -> UpstreamKey {
    UpstreamKey {
        id: UpstreamKeyId::generate(),
        name: "key".into(),
        credential: HeaderValue::from_static("Bearer sk"),
        credential_header: HeaderName::from_static("authorization"),
        weight: 1,
        priority: 0,
        limits: Limits::default(),
        quota_group: group.map(Into::into),
        counted: Counted::default(),
    }
}

fn watch(health: &Health, key: &UpstreamKey, model: Option<&str>) -> Watch {
    Watch::new(health.of(key, &base()), model, ProviderKind::Openai)
}

const NOW: Moment = Moment(1_000_000);

fn limited(seconds: u64) -> Verdict {
    Verdict::RateLimited { wait: Some(Duration::from_secs(seconds)), quota: Quota::Window }
}

fn tell(health: &Health, key: &UpstreamKey, model: Option<&str>, verdict: Found) {
    let (ttl, model) = (Duration::from_mins(1), model.map(Into::into));
    health.hint(KeyHint { upstream_key_id: key.id, model, verdict, until: None, ttl, reason: "seen".into() });
}

fn fail(watch: &Watch, model: &str, verdict: Verdict, now: Moment) {
    watch.ticket(model, now).failed(verdict, now, 0);
}

fn is_ready(watch: &Watch, model: &str) -> bool {
    watch.look(model, NOW).0 == Standing::Ready
}

fn state(watch: &Watch, model: &str) -> Option<KeyState> {
    match watch.look(model, NOW).0 {
        Standing::Out { state, .. } => Some(state),
        Standing::Ready | Standing::TrialDue => None,
    }
}

#[test]
fn a_limit_is_one_models_and_a_refusal_the_whole_keys() {
    let health = Health::default();
    let key = key(None);
    let (any, named) = (watch(&health, &key, None), watch(&health, &key, Some("b")));
    fail(&any, "a", limited(10), NOW);
    assert_eq!(state(&any, "a"), Some(KeyState::Cooling));
    assert!(is_ready(&any, "b") && is_ready(&named, "whatever the caller says"));
    fail(&named, "", Verdict::Refused(403), NOW);
    assert_eq!(state(&any, "b"), Some(KeyState::Refused));
    assert!(is_ready(&any, "c"));
    fail(&any, "c", Verdict::Refused(401), NOW);
    assert_eq!(state(&any, "d"), Some(KeyState::Refused));
    assert_eq!(state(&named, ""), Some(KeyState::Refused));
}

#[test]
fn a_spent_account_is_the_whole_keys() {
    let health = Health::default();
    let any = watch(&health, &key(None), None);
    fail(&any, "a", Verdict::RateLimited { wait: None, quota: Quota::Spent }, NOW);
    assert_eq!(state(&any, "b"), Some(KeyState::Spent));
}

#[test]
fn keys_of_a_quota_group_share_limits_and_nothing_else() {
    let health = Health::default();
    let (mine, theirs, other) = (
        watch(&health, &key(Some("g")), None),
        watch(&health, &key(Some("g")), None),
        watch(&health, &key(None), None),
    );
    fail(&mine, "a", limited(10), NOW);
    assert_eq!(state(&theirs, "a"), Some(KeyState::Cooling));
    assert!(is_ready(&other, "a") && is_ready(&theirs, "b"));
    for _ in 0..3 {
        fail(&mine, "b", Verdict::Failed(Cause::Server), NOW);
    }
    assert_eq!(state(&mine, "b"), Some(KeyState::Ejected));
    assert!(is_ready(&theirs, "b"));
    // Nor is an overload the account's.
    fail(&mine, "c", Verdict::Overloaded(Some(Duration::from_secs(10))), NOW);
    assert_eq!(state(&mine, "c"), Some(KeyState::Cooling));
    assert!(mine.rests_after_overload("c", NOW) && !mine.rests_after_overload("a", NOW));
    assert!(is_ready(&theirs, "c") && is_ready(&mine, "d"));
}

#[test]
fn state_survives_a_new_snapshot_but_not_a_new_credential_or_place() {
    let health = Health::default();
    let mut key = key(None);
    fail(&watch(&health, &key, None), "a", limited(10), NOW);
    assert_eq!(state(&watch(&health, &key, Some("a")), ""), Some(KeyState::Cooling));
    let elsewhere = Watch::new(health.of(&key, &BaseUrl { port: 444, ..base() }), None, ProviderKind::Openai);
    assert!(is_ready(&elsewhere, "a"));
    fail(&elsewhere, "a", limited(10), NOW);
    key.credential = HeaderValue::from_static("Bearer other");
    assert!(is_ready(&watch(&health, &key, None), "a"));
}

#[test]
fn names_that_the_provider_does_not_know_leave_nothing_and_others_are_bounded() {
    let health = Health::default();
    let key = key(None);
    let any = watch(&health, &key, None);
    let of_key = health.of(&key, &base());
    for number in 0..1000 {
        any.ticket(&format!("nonsense-{number}"), NOW).neutral(NOW);
    }
    assert_eq!(of_key.models.load().len(), 0);
    for number in 0..1000 {
        fail(&any, &format!("model-{number}"), limited(300), NOW);
    }
    assert_eq!(of_key.models.load().len(), 256);
    // What is not used any more makes room.
    let later = NOW.after(Duration::from_mins(11));
    fail(&any, "one more", limited(10), later);
    assert_eq!(of_key.models.load().len(), 1);
    // One that the configuration names always has its place.
    assert!(watch(&health, &key, Some("named")).look("", NOW).0 == Standing::Ready);
    assert!(of_key.known("named").is_some());
}

#[test]
fn a_dropped_ticket_gives_its_permit_back_and_counts_nothing() {
    let health = Health::default();
    let any = watch(&health, &key(None), None);
    for _ in 0..3 {
        fail(&any, "a", Verdict::Failed(Cause::Timeout), NOW);
    }
    assert_eq!(any.cause("a"), Some(Cause::Timeout));
    let due = NOW.after(Duration::from_secs(15));
    let mut ticket = any.ticket("a", due);
    assert!(ticket.claim(due));
    assert!(!any.ticket("a", due).claim(due));
    assert_eq!(any.look("a", due).1.in_flight, 1);
    drop(ticket);
    let (standing, reading) = any.look("a", due);
    assert_eq!((standing, reading.in_flight), (Standing::TrialDue, 0));
}

#[test]
fn an_answer_that_breaks_off_is_a_failure_and_one_that_ends_a_success() {
    let health = Health::default();
    let any = watch(&health, &key(None), Some("a"));
    for round in 0..3 {
        assert!(is_ready(&any, ""), "{round}");
        let mut ticket = any.ticket("", NOW);
        ticket.committed(Duration::from_millis(200), None, NOW);
        ticket.failed(Verdict::Failed(Cause::Lost), NOW, 0);
    }
    assert_eq!(state(&any, ""), Some(KeyState::Ejected));
    assert_eq!(any.look("", NOW).1.first_token, Some(Duration::from_millis(200)));
    // A trial that breaks off after its first word is one more failure.
    let due = NOW.after(Duration::from_secs(5));
    let mut ticket = any.ticket("", due);
    assert!(ticket.claim(due));
    ticket.committed(Duration::from_millis(200), None, due);
    assert_eq!(any.look("", due).0, Standing::Ready);
    ticket.failed(Verdict::Failed(Cause::Lost), due, 0);
    assert!(matches!(any.look("", due).0, Standing::Out { state: KeyState::Ejected, .. }));
    // One that comes to its end brings it back.
    let due = due.after(Duration::from_secs(5));
    let mut ticket = any.ticket("", due);
    assert!(ticket.claim(due));
    ticket.committed(Duration::from_millis(200), None, due);
    ticket.completed(due);
    assert_eq!(any.look("", due).0, Standing::Ready);
}

#[test]
fn what_good_answers_tell_of_the_limit_counts() {
    let health = Health::default();
    let any = watch(&health, &key(None), None);
    let mut ticket = any.ticket("a", NOW);
    ticket.committed(Duration::ZERO, Some(Left { per_mille: 0, until_ms: Some(4000) }), NOW);
    ticket.completed(NOW);
    assert_eq!(
        any.look("a", NOW).0,
        Standing::Out { state: KeyState::Cooling, until: NOW.after(Duration::from_secs(4)) }
    );
    assert_eq!(any.look("a", NOW.after(Duration::from_secs(4))).0, Standing::Ready);
}

#[test]
fn a_day_without_a_known_reset_is_an_hour_at_least() {
    let health = Health::default();
    for (kind, wall, expected) in [
        (ProviderKind::Openai, 0, Duration::from_hours(1)),
        // 1970-01-01 00:00 UTC is eight hours before midnight in California.
        (ProviderKind::Gemini, 0, Duration::from_hours(8)),
    ] {
        let any = Watch::new(health.of(&key(None), &base()), None, kind);
        let verdict = Verdict::RateLimited { wait: Some(Duration::from_secs(34)), quota: Quota::Day };
        any.ticket("a", NOW).failed(verdict, NOW, wall);
        let Standing::Out { until, .. } = any.look("a", NOW).0 else { panic!("{kind:?}") };
        assert_eq!(until.since(NOW), expected, "{kind:?}");
    }
}

#[test]
fn reports_tell_what_changed_or_was_used_and_hints_are_heard() {
    let clock = Clock::held_at(1_700_000_000_000_000);
    let health = Health::new(clock);
    let key = key(None);
    let any = watch(&health, &key, None);
    assert_eq!(health.report(), []);
    let now = health.now();
    let mut ticket = any.ticket("a", now);
    ticket.committed(Duration::from_millis(80), None, now);
    ticket.completed(now);
    fail(&any, "b", limited(12), now);
    let mut reports = health.report();
    reports.sort_by(|one, other| one.model.cmp(&other.model));
    assert_eq!(
        (reports[0].model.as_deref(), reports[0].state, reports[0].outcomes.ok),
        (Some("a"), KeyState::Healthy, 1)
    );
    assert_eq!((reports[1].model.as_deref(), reports[1].state), (Some("b"), KeyState::Cooling));
    assert_eq!(&*reports[1].reason, "rate limited, the provider asks to wait 12 s");
    assert!(reports[1].until.unwrap() > 1_700_000_011_000_000);
    // What goes on is told again, what was told and is well is not.
    let again = health.report();
    assert_eq!(again.len(), 1);
    assert!(again[0].outcomes.is_empty());

    tell(&health, &key, None, Found::Refused);
    let now = health.now();
    assert!(matches!(any.look("a", now).0, Standing::Out { state: KeyState::Refused, .. }));
    assert_eq!(health.report().iter().find(|report| report.model.is_none()).unwrap().state, KeyState::Refused);
    tell(&health, &key, None, Found::Recovered);
    assert_eq!(any.look("a", health.now()).0, Standing::TrialDue);
    let mut ticket = any.ticket("a", health.now());
    assert!(ticket.claim(health.now()));
    ticket.committed(Duration::from_millis(80), None, health.now());
    tell(&health, &key, Some("a"), Found::Unreachable);
    assert!(matches!(any.look("a", health.now()).0, Standing::Out { state: KeyState::Ejected, .. }));
    tell(&health, &key, Some("a"), Found::Recovered);
    assert_eq!(any.look("a", health.now()).0, Standing::TrialDue);
    tell(&health, &self::key(None), None, Found::Recovered);
}

#[test]
fn a_wait_that_another_proxy_was_told_is_kept_and_never_cut_short() {
    let clock = Clock::held_at(1_700_000_000_000_000);
    let health = Health::new(clock);
    let key = key(None);
    let any = watch(&health, &key, None);
    fail(&any, "a", limited(12), health.now());
    let until = |seconds: i64| Found::CoolingUntil(1_700_000_000_000_000 + seconds * 1_000_000);
    let waits = |model: &str| match any.look(model, health.now()).0 {
        Standing::Out { until, .. } => until.since(health.now()).as_secs_f64().round(),
        standing => panic!("{standing:?}"),
    };
    tell(&health, &key, Some("a"), until(5));
    assert!((waits("a") - 12.0).abs() < 1.5);
    tell(&health, &key, Some("a"), until(60));
    assert!((waits("a") - 60.0).abs() < 1.5);
    // Also of a model that nobody asked for here.
    tell(&health, &key, Some("never asked for"), until(60));
    assert!((waits("never asked for") - 60.0).abs() < 1.5);
    // A model that the key may not use says nothing of the others.
    tell(&health, &key, Some("forbidden"), Found::Refused);
    assert!(matches!(any.look("forbidden", health.now()).0, Standing::Out { .. }));
    assert_eq!(any.look("b", health.now()).0, Standing::Ready);
    // Of the key as a whole: its account has no credit left.
    tell(&health, &key, None, until(3600));
    assert!((waits("b") - 3600.0).abs() < 1.5);
    let told = health.report();
    assert!(told.iter().all(|report| report.outcomes.is_empty() || report.outcomes.rate_limited == 1), "{told:?}");
}

#[test]
fn the_page_names_keys_by_id_and_never_by_secret() {
    let health = Health::default();
    let key = key(None);
    let any = watch(&health, &key, None);
    fail(&any, "odd\"name", limited(12), health.now());
    let page = health.render();
    let line =
        format!("upstream_key_state{{upstream_key_id=\"{}\",model=\"odd\\\"name\",state=\"cooling\"}} 1", key.id);
    assert!(page.contains(&line), "{page}");
    assert!(!page.contains("Bearer"));
}
