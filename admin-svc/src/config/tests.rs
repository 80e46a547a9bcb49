use super::*;

fn check(change: impl FnOnce(&mut Fields)) -> Result<Configuration, ConfigurationError> {
    let mut fields = Fields::default();
    change(&mut fields);
    fields.check()
}

fn refused(change: impl FnOnce(&mut Fields)) -> String {
    check(change).unwrap_err().to_string()
}

#[test]
fn defaults_are_the_documented_ones() {
    let configuration = check(|_| ()).unwrap();
    assert_eq!(configuration.listeners.http.to_string(), "0.0.0.0:9090");
    assert_eq!(configuration.listeners.grpc.to_string(), "127.0.0.1:9091");
    assert_eq!(configuration.listeners.ops.to_string(), "127.0.0.1:9092");
    assert_eq!(configuration.database_url.expose(), "sqlite://./data/admin/tollgate.db");
    assert_eq!(configuration.log, "info");
}

#[test]
fn a_refusal_names_the_field() {
    assert!(refused(|fields| fields.listen = "localhost".to_owned()).starts_with("listen:"));
    assert!(refused(|fields| fields.database_url = Some("mysql://x".to_owned())).starts_with("database_url:"));
    assert!(refused(|fields| fields.master_key = Some("c2hvcnQ=".to_owned())).starts_with("master_key:"));
    assert!(refused(|fields| fields.setup_token = Some("  ".to_owned())).starts_with("setup_token:"));
    assert!(
        refused(|fields| fields.upstream_allow_cidrs = "localhost".to_owned()).starts_with("upstream_allow_cidrs:")
    );
    assert!(refused(|fields| fields.currency = "euro".to_owned()).starts_with("currency:"));
    assert!(refused(|fields| fields.log_format = Some("xml".to_owned())).starts_with("log_format:"));
    assert!(refused(|fields| fields.log = "admin_svc=loud".to_owned()).starts_with("log:"));
    assert!(refused(|fields| fields.join_token_file = Some("/does/not/exist".into())).starts_with("join_token_file:"));
}

#[test]
fn a_join_token_is_asked_for_only_when_it_is_needed() {
    let error = check(|_| ()).unwrap().join_token().unwrap_err();
    assert!(error.to_string().starts_with("join_token:"), "{error}");
    let configuration = check(|fields| fields.join_token = Some("join".to_owned())).unwrap();
    assert_eq!(configuration.join_token().unwrap().expose(), "join");
}

#[test]
fn a_secret_given_twice_is_refused() {
    let error = refused(|fields| {
        fields.join_token = Some("one".to_owned());
        fields.join_token_file = Some("two".into());
    });
    assert!(error.starts_with("join_token:"), "{error}");
}

#[test]
fn proxies_are_not_served_in_clear_beyond_loopback() {
    assert!(refused(|fields| fields.grpc_listen = "0.0.0.0:9091".to_owned()).starts_with("grpc_listen:"));
    assert!(check(|fields| fields.grpc_listen = "[::1]:9091".to_owned()).is_ok());
}

#[test]
fn secrets_are_not_printed() {
    let configuration = check(|fields| {
        fields.join_token = Some("canary-1".to_owned());
        fields.setup_token = Some("canary-2".to_owned());
        fields.database_url = Some("postgres://user:canary-3@localhost/tollgate".to_owned());
    });
    assert!(!format!("{configuration:?}").contains("canary"));
}
