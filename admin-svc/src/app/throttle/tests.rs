use super::*;

const SECOND: i64 = MICROS_PER_SECOND;

fn fail(throttle: &Throttle, account: &str, address: &str, now: i64) -> Result<(), u64> {
    throttle.admit(Some(account), address, now).map(drop)
}

#[test]
fn waits_double_after_five_failures_of_an_account() {
    let throttle = Throttle::default();
    for _ in 0..5 {
        assert_eq!(fail(&throttle, "a", "192.0.2.1", 0), Ok(()));
    }
    assert_eq!(fail(&throttle, "a", "192.0.2.1", 0), Err(1));
    assert_eq!(fail(&throttle, "a", "192.0.2.2", SECOND), Ok(()), "the wait is over");
    assert_eq!(fail(&throttle, "a", "192.0.2.2", SECOND), Err(2));
    assert_eq!(fail(&throttle, "b", "192.0.2.1", 0), Ok(()), "another account is not slowed down");
}

#[test]
fn attempts_at_the_same_time_do_not_slip_through() {
    let throttle = Throttle::default();
    let let_in = (0..100).filter(|_| fail(&throttle, "a", "192.0.2.1", 0).is_ok()).count();
    assert_eq!(let_in, 5);
}

#[test]
fn success_forgives_the_account_but_not_the_address() {
    let throttle = Throttle::default();
    for _ in 0..4 {
        fail(&throttle, "a", "192.0.2.1", 0).unwrap();
    }
    let attempt = throttle.admit(Some("a"), "192.0.2.1", 0).unwrap();
    throttle.succeeded(attempt);
    for _ in 0..5 {
        fail(&throttle, "a", "192.0.2.1", 0).unwrap();
    }
    for account in 0..11 {
        fail(&throttle, &account.to_string(), "192.0.2.1", 0).unwrap();
    }
    assert_eq!(fail(&throttle, "new", "192.0.2.1", 0), Err(1));
}

#[test]
fn an_ipv6_network_counts_as_one_address() {
    let throttle = Throttle::default();
    for host in 0..20 {
        fail(&throttle, &host.to_string(), &format!("2001:db8::{host:x}"), 0).unwrap();
    }
    assert!(fail(&throttle, "new", "2001:db8::ffff", 0).is_err());
    assert!(fail(&throttle, "new", "2001:db8:0:1::1", 0).is_ok());
}

#[test]
fn failures_are_forgotten_after_an_hour() {
    let throttle = Throttle::default();
    for _ in 0..5 {
        fail(&throttle, "a", "192.0.2.1", 0).unwrap();
    }
    let later = 3_601 * SECOND;
    for _ in 0..5 {
        assert_eq!(fail(&throttle, "a", "192.0.2.1", later), Ok(()));
    }
}

#[test]
fn memory_is_bounded() {
    let throttle = Throttle::default();
    for account in 0..MOST_ENTRIES + 50 {
        drop(throttle.admit(Some(&account.to_string()), "192.0.2.1", i64::try_from(account).unwrap() * 400 * SECOND));
    }
    assert!(throttle.0.lock().len() <= MOST_ENTRIES);
}
