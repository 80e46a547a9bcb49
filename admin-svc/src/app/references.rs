//! Refuses to delete what others still point to, and says who they are.

use super::AppError;

/// As many names as a person reads.
const NAMED: usize = 5;

/// `users`: kinds of resources (in the singular) and the names of those that point here.
pub(super) fn ensure_unused(users: &[(&str, &[String])]) -> Result<(), AppError> {
    let parts: Vec<String> =
        users.iter().filter(|(_, names)| !names.is_empty()).map(|(kind, names)| describe(kind, names)).collect();
    if parts.is_empty() { Ok(()) } else { Err(AppError::InUse(parts.join(" and "))) }
}

fn describe(kind: &str, names: &[String]) -> String {
    let plural = if names.len() == 1 { "" } else { "s" };
    let more = if names.len() > NAMED { ", …" } else { "" };
    let shown = names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    format!("{} {kind}{plural} ({shown}{more})", names.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_named_and_counted() {
        let names = |count: usize| (0..count).map(|index| format!("n{index}")).collect::<Vec<_>>();
        assert!(ensure_unused(&[("service", &[])]).is_ok());
        let error = ensure_unused(&[("service", &names(1)), ("upstream key", &names(7))]).unwrap_err();
        let expected = "it is still used by 1 service (n0) and 7 upstream keys (n0, n1, n2, n3, n4, …)";
        assert_eq!(error.to_string(), expected);
    }
}
