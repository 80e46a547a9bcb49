use std::{collections::BTreeMap, path::Path};

use super::*;

fn load(file: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, file).unwrap();
    load_file(&path, environment)
}

fn load_file(path: &Path, environment: &[(&str, &str)]) -> Result<Config, String> {
    let layers = Layers {
        table: "proxy",
        environment_prefix: PREFIX,
        common_variables: COMMON_VARIABLES,
        file: Some(path),
        flags: &[],
    };
    let environment: BTreeMap<String, String> =
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    configuration::load_with(&Raw::default(), &layers, &environment)
        .and_then(Config::try_from)
        .map_err(|error| error.to_string())
}

const TOKEN: (&str, &str) = ("TOLLGATE_JOIN_TOKEN", "join-token");

#[test]
fn defaults_are_the_documented_ones() {
    let config = load("", &[TOKEN]).unwrap();
    assert_eq!(config.listen, "0.0.0.0:8080".parse().unwrap());
    assert_eq!(config.ops_listen, "127.0.0.1:8081".parse().unwrap());
    assert_eq!(config.data_dir, Path::new("./data/proxy"));
    assert_eq!(config.admin.uri, "http://127.0.0.1:9091");
    assert_eq!(config.limits.max_body_bytes, 33_554_432);
    assert_eq!(config.timeouts.total, Duration::from_mins(15));
    assert_eq!(config.journal.level, JournalLevel::Process);
    assert_eq!((config.cache.max_bytes, config.cache.wait), (67_108_864, Duration::from_secs(30)));
    assert_eq!(config.log, "info");
    assert!(config.threads >= 1);
    assert!(config.redis_url.is_none());
}

#[test]
fn every_layer_reaches_every_section() {
    let config = load(
        "[proxy]\nthreads = 3\n[proxy.timeouts]\nconnect_ms = 7\n[proxy.journal]\nlevel = 'host'",
        &[
            TOKEN,
            ("TOLLGATE_PROXY_LISTEN", "127.0.0.1:1"),
            ("TOLLGATE_PROXY_LIMITS__MAX_BODY_BYTES", "5"),
            ("TOLLGATE_PROXY_REDIS_URL", "redis://:password@localhost"),
            ("TOLLGATE_LOG_FORMAT", "json"),
            ("TOLLGATE_UPSTREAM_ALLOW_CIDRS", "127.0.0.0/8"),
        ],
    )
    .unwrap();
    assert_eq!(config.threads, 3);
    assert_eq!(config.timeouts.connect, Duration::from_millis(7));
    assert_eq!(config.journal.level, JournalLevel::Host);
    assert_eq!(config.listen, "127.0.0.1:1".parse().unwrap());
    assert_eq!(config.limits.max_body_bytes, 5);
    assert_eq!(config.log_format, Some(LogFormat::Json));
    assert!(config.upstream_addresses.permits("127.0.0.1".parse().unwrap()));
    assert!(!format!("{config:?}").contains("password"));
    assert!(!format!("{config:?}").contains("join-token"));
}

#[test]
fn wrong_values_are_refused_by_the_name_of_their_field() {
    for (file, field) in [
        ("[proxy]\nlisten = 'everywhere'", "listen"),
        ("[proxy]\nops_listen = ':8081'", "ops_listen"),
        ("[proxy]\ndata_dir = ''", "data_dir"),
        ("[proxy]\nadmin_endpoint = 'http://admin:9091'", "admin_endpoint"),
        ("[proxy]\nadmin_endpoint = 'http://localhost.example.com:9091'", "admin_endpoint"),
        ("[proxy]\nadmin_endpoint = 'https://admin:9091/grpc'", "admin_endpoint"),
        ("[proxy]\nadmin_endpoint = 'https://user@admin:9091'", "admin_endpoint"),
        ("[proxy]\nadmin_endpoint = 'admin:9091'", "admin_endpoint"),
        ("[proxy]\nadmin_ca_file = '/nowhere/ca.pem'", "admin_ca_file"),
        ("[proxy]\nadmin_ca_file = '/dev/null'", "admin_ca_file"),
        ("[proxy]\nredis_url = 'localhost:6379'", "redis_url"),
        ("[proxy]\nredis_url = 'redis://:password@localhost:port'", "redis_url"),
        ("[proxy.limits]\nrequests_per_minute = 0", "limits.requests_per_minute"),
        ("[proxy.limits]\ntokens_per_minute = 0", "limits.tokens_per_minute"),
        ("[proxy.limits]\nrequests_per_day = 0", "limits.requests_per_day"),
        ("[proxy]\nupstream_allow_cidrs = 'everything'", "upstream_allow_cidrs"),
        ("[proxy]\nlog = 'proxy_svc=loud'", "log"),
        ("[proxy]\nlog_format = 'xml'", "log_format"),
        ("[proxy]\nthreads = 5000", "threads"),
        ("[proxy]\nthreads = -1", "threads"),
        ("[proxy.limits]\nmax_body_bytes = 0", "limits.max_body_bytes"),
        ("[proxy.limits]\nmax_body_bytes = 'big'", "limits.max_body_bytes"),
        ("[proxy.limits]\nmax_connections = 0", "limits.max_connections"),
        ("[proxy.timeouts]\nconnect_ms = 0", "timeouts.connect_ms"),
        ("[proxy.timeouts]\nidle_ms = 999999999", "timeouts.idle_ms"),
        ("[proxy.timeouts]\nidle = 5", "idle"),
        ("[proxy.journal]\nlevel = 'memory'", "level"),
        ("[proxy.journal]\nmax_bytes = 100", "journal.max_bytes"),
        ("[proxy.cache]\nmax_bytes = -1", "cache.max_bytes"),
        ("[proxy.cache]\nwait_ms = 999999999", "cache.wait_ms"),
        ("[proxy]\nport = 8080", "port"),
    ] {
        let error = load(file, &[TOKEN]).unwrap_err();
        assert!(error.contains(field), "{file}: {error}");
    }
}

#[test]
fn plain_http_is_allowed_to_loopback_hosts() {
    for endpoint in ["http://localhost:9091", "http://127.0.0.2:1", "http://[::1]:9091", "https://admin:9091/"] {
        assert!(load(&format!("[proxy]\nadmin_endpoint = '{endpoint}'"), &[TOKEN]).is_ok(), "{endpoint}");
    }
}

#[test]
fn join_token_comes_from_a_variable_or_a_file_and_must_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "from-file\n").unwrap();
    let file = ("TOLLGATE_JOIN_TOKEN_FILE", path.to_str().unwrap());
    assert_eq!(load("", &[file]).unwrap().join_token.expose(), "from-file");
    assert_eq!(load("", &[file, TOKEN]).unwrap().join_token.expose(), "join-token");
    assert!(load("", &[]).unwrap_err().contains("join_token"));
    assert!(load("", &[("TOLLGATE_JOIN_TOKEN", "two words")]).unwrap_err().contains("join_token"));
    assert!(load("", &[("TOLLGATE_JOIN_TOKEN_FILE", "/nowhere")]).unwrap_err().contains("join_token_file"));
}

#[test]
fn shipped_files_are_right() {
    for name in ["dev", "test", "prod"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../config/{name}.toml"));
        load_file(&path, &[TOKEN]).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn protection_is_off_or_generous_unless_it_is_set() {
    let config = load("", &[TOKEN]).unwrap();
    assert_eq!(config.trusted_proxies, TrustedProxies::default());
    assert_eq!(config.proxy_protocol, ProxyProtocol::Off);
    let expected = Protection {
        connections_per_address: 0,
        requests_per_second_per_address: 0,
        bad_keys_per_minute_per_address: 30,
        signature_nonces: 1_000_000,
        memory_watermark: None,
    };
    assert_eq!(config.protection, expected);
    let set = load(
        "[proxy]\nproxy_protocol = 'on'\n[proxy.protection]\nmemory_watermark = '104857600'",
        &[TOKEN, ("TOLLGATE_PROXY_TRUSTED_PROXIES", "10.0.0.0/8, 192.0.2.1")],
    )
    .unwrap();
    assert_eq!((set.proxy_protocol, set.protection.memory_watermark), (ProxyProtocol::On, Some(104_857_600)));
}

#[test]
fn bad_protection_is_named() {
    for (field, file) in [
        ("trusted_proxies", "[proxy]\ntrusted_proxies = 'balancer'"),
        ("proxy_protocol", "[proxy]\nproxy_protocol = 'on'"),
        ("protection.memory_watermark", "[proxy.protection]\nmemory_watermark = '90%'"),
        ("protection.memory_watermark", "[proxy.protection]\nmemory_watermark = '1000'"),
        ("protection.signature_nonces", "[proxy.protection]\nsignature_nonces = 1"),
        ("protection.requests_per_second_per_address", "[proxy.protection]\nrequests_per_second_per_address = 100001"),
    ] {
        let error = load(file, &[TOKEN]).unwrap_err();
        assert!(error.starts_with(field), "{error}");
    }
}
