use super::*;

fn violations(check: impl FnOnce(&mut Violations)) -> Vec<String> {
    let mut violations = Violations::default();
    check(&mut violations);
    violations
        .finish()
        .err()
        .map(|invalid| invalid.0.into_iter().map(|error| error.field).collect())
        .unwrap_or_default()
}

#[test]
fn networks_are_normalised_and_bad_ones_are_named() {
    let mut networks = vec!["10.1.2.3/8".to_owned(), "192.0.2.1".to_owned(), "2001:db8::1".to_owned()];
    assert!(violations(|found| found.networks("ip_allow", &mut networks)).is_empty());
    assert_eq!(networks, ["10.0.0.0/8", "192.0.2.1/32", "2001:db8::1/128"]);
    let mut bad = vec!["10.0.0.0/8".to_owned(), "10.0.0.0/33".to_owned(), "everywhere".to_owned()];
    assert_eq!(violations(|found| found.networks("ip_allow", &mut bad)), ["ip_allow[1]", "ip_allow[2]"]);
    let mut mapped = vec!["::ffff:10.1.2.3/104".to_owned(), "::ffff:192.0.2.1".to_owned()];
    assert!(violations(|found| found.networks("ip_deny", &mut mapped)).is_empty());
    assert_eq!(mapped, ["10.0.0.0/8", "192.0.2.1/32"]);
    for text in ["::ffff:10.0.0.0/8", "010.0.0.0/8", "10.0.0.0/", "/8", "10.0.0.0/8/8", "10.0.0.0/-1"] {
        let mut bad = vec![text.to_owned()];
        assert_eq!(violations(|found| found.networks("ip_deny", &mut bad)), ["ip_deny[0]"], "{text}");
    }
}

#[test]
fn limits_below_one_and_beyond_exact_integers_are_named() {
    let limits = Limits { rpm: Some(0), tpm: Some(u64::MAX), rpd: Some(1), concurrency: None };
    assert_eq!(violations(|found| found.limits("limits", &limits)), ["limits.rpm", "limits.tpm"]);
}

#[test]
fn names_are_bounded_and_printable() {
    for name in ["", " padded", "line\nbreak", "nul\0", &"x".repeat(101)] {
        assert!(!violations(|found| found.name("name", name)).is_empty(), "{name:?}");
    }
    assert!(violations(|found| found.name("name", "生产环境 – main")).is_empty());
}

#[test]
fn a_budget_that_is_too_large_is_told_the_largest_amount() {
    let budget = serde_json::json!({"amount": "9999999999999", "currency": "USD", "period": "day"});
    let Invalid(errors) = crate::domain::patch::from_value::<Budget>(budget).unwrap_err();
    let said = (errors[0].field.as_str(), errors[0].message.as_str());
    assert_eq!(said, ("amount", "too large: an amount is at most 9223372036854.775807"));
}
