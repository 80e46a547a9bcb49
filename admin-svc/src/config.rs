//! What an operator sets, read once: flags > environment > file > defaults, then checked field by field.
//!
//! Everything that can be wrong without touching a socket or the database is found here, before anything is bound,
//! and named by its field. What only some commands need (the join token) is asked for by those.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use tollgate_shared::{
    address::AddressPolicy,
    configuration::{self, ConfigurationError, Layers},
    money::{Currency, InvalidCurrency},
    secret::Secret,
    telemetry::LogFormat,
};

use crate::{crypto::envelope::MasterKey, domain::key_probe::ProbePace};

mod probes;
#[cfg(test)]
mod tests;

/// Variables that both services read, and the field that each sets.
const COMMON_VARIABLES: [(&str, &str); 5] = [
    ("TOLLGATE_JOIN_TOKEN", "join_token"),
    ("TOLLGATE_JOIN_TOKEN_FILE", "join_token_file"),
    ("TOLLGATE_UPSTREAM_ALLOW_CIDRS", "upstream_allow_cidrs"),
    ("TOLLGATE_LOG", "log"),
    ("TOLLGATE_LOG_FORMAT", "log_format"),
];

/// What the layers say, unchecked.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    listen: String,
    grpc_listen: String,
    ops_listen: String,
    data_dir: PathBuf,
    database_url: Option<String>,
    redis_url: Option<String>,
    master_key: Option<String>,
    master_key_file: Option<PathBuf>,
    setup_token: Option<String>,
    registration_open: bool,
    secure_cookies: bool,
    currency: String,
    grpc_tls_certificate_file: Option<PathBuf>,
    grpc_tls_key_file: Option<PathBuf>,
    grpc_tls_client_ca_file: Option<PathBuf>,
    join_token: Option<String>,
    join_token_file: Option<PathBuf>,
    upstream_allow_cidrs: String,
    probes: probes::Fields,
    log: String,
    log_format: Option<String>,
}

impl Default for Fields {
    fn default() -> Self {
        Self {
            listen: "0.0.0.0:9090".to_owned(),
            grpc_listen: "127.0.0.1:9091".to_owned(),
            ops_listen: "127.0.0.1:9092".to_owned(),
            data_dir: PathBuf::from("./data/admin"),
            database_url: None,
            redis_url: None,
            master_key: None,
            master_key_file: None,
            setup_token: None,
            registration_open: false,
            secure_cookies: false,
            currency: Currency::USD.to_string(),
            grpc_tls_certificate_file: None,
            grpc_tls_key_file: None,
            grpc_tls_client_ca_file: None,
            join_token: None,
            join_token_file: None,
            upstream_allow_cidrs: String::new(),
            probes: probes::Fields::default(),
            log: "info".to_owned(),
            log_format: None,
        }
    }
}

/// What the command line says: the file, and the fields that have a flag.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    pub file: Option<PathBuf>,
    pub flags: Vec<(&'static str, String)>,
}

/// Configuration that was checked.
#[derive(Clone, Debug)]
pub struct Configuration {
    pub listeners: Listeners,
    /// Where the generated master key and the default database live.
    pub data_dir: PathBuf,
    /// `sqlite://…` or `postgres://…`; may hold a password.
    pub database_url: Secret,
    /// Shares limits between proxies; without it they are shared by leases alone.
    pub redis_url: Option<Secret>,
    pub master_key: MasterKeySource,
    /// Proves to `POST /api/v1/setup` that the caller can read this process's configuration or log.
    pub setup_token: Option<Secret>,
    /// Whether anyone may register as a member.
    pub registration_open: bool,
    /// Whether cookies are marked `Secure`: people reach the console over TLS.
    pub secure_cookies: bool,
    /// What all prices, costs and budgets are in.
    pub currency: Currency,
    join_token: Option<Secret>,
    /// Which upstream and webhook addresses are allowed.
    pub upstream_addresses: AddressPolicy,
    /// How often upstream keys are probed; absent = never.
    pub probes: Option<ProbePace>,
    /// Filter of log lines, e.g. `info` or `info,admin_svc=debug`.
    pub log: String,
    pub log_format: Option<LogFormat>,
}

/// What is listened on; port 0 takes a free one.
#[derive(Clone, Debug)]
pub struct Listeners {
    /// Console and REST.
    pub http: SocketAddr,
    /// Proxies.
    pub grpc: SocketAddr,
    pub grpc_tls: Option<GrpcTls>,
    /// `/livez`, `/readyz`, `/metrics`.
    pub ops: SocketAddr,
}

/// TLS of the proxies' listener, PEM.
#[derive(Clone, Debug)]
pub struct GrpcTls {
    pub certificate: Vec<u8>,
    pub key: Secret,
    /// When given, a proxy must present a certificate of this authority, as well as the join token.
    pub client_ca: Option<Vec<u8>>,
}

/// Where the key that seals the database's secrets comes from.
#[derive(Clone, Debug)]
pub enum MasterKeySource {
    /// From the configuration or a file that it names.
    Given(MasterKey),
    /// A file in the data directory, made at the first start.
    DataDir,
}

impl Configuration {
    /// Puts the layers together and checks every field.
    pub fn load(sources: &Sources) -> Result<Self, ConfigurationError> {
        let layers = Layers {
            table: "admin",
            environment_prefix: "TOLLGATE_ADMIN",
            common_variables: &COMMON_VARIABLES,
            file: sources.file.as_deref(),
            flags: &sources.flags,
        };
        configuration::load(&Fields::default(), &layers)?.check()
    }

    /// What proxies prove themselves with. There is no default: a generated one would reach no proxy.
    pub fn join_token(&self) -> Result<&Secret, ConfigurationError> {
        self.join_token.as_ref().ok_or_else(|| {
            ConfigurationError::field(
                "join_token",
                "is missing: set TOLLGATE_JOIN_TOKEN or TOLLGATE_JOIN_TOKEN_FILE, the same for both services",
            )
        })
    }
}

impl Fields {
    fn check(self) -> Result<Configuration, ConfigurationError> {
        let grpc_tls = self.grpc_tls()?;
        let grpc = address("grpc_listen", &self.grpc_listen)?;
        if grpc_tls.is_none() && !grpc.ip().is_loopback() {
            return Err(ConfigurationError::field(
                "grpc_listen",
                "upstream keys pass here: an address other than loopback needs grpc_tls_certificate_file and \
                 grpc_tls_key_file",
            ));
        }
        self.log_filter()?;
        Ok(Configuration {
            listeners: Listeners {
                http: address("listen", &self.listen)?,
                grpc,
                grpc_tls,
                ops: address("ops_listen", &self.ops_listen)?,
            },
            database_url: self.database_url()?,
            redis_url: self.redis_url()?,
            master_key: self.master_key()?,
            setup_token: filled("setup_token", self.setup_token.as_deref())?,
            registration_open: self.registration_open,
            secure_cookies: self.secure_cookies,
            currency: (self.currency.parse())
                .map_err(|error: InvalidCurrency| ConfigurationError::field("currency", error.to_string()))?,
            join_token: one_of(
                "join_token",
                self.join_token.as_deref(),
                "join_token_file",
                self.join_token_file.as_deref(),
            )?,
            upstream_addresses: AddressPolicy::parse(&self.upstream_allow_cidrs)
                .map_err(|error| ConfigurationError::field("upstream_allow_cidrs", error.to_string()))?,
            probes: self.probes.check()?,
            log_format: log_format(self.log_format.as_deref())?,
            log: self.log,
            data_dir: self.data_dir,
        })
    }

    fn database_url(&self) -> Result<Secret, ConfigurationError> {
        let Some(url) = &self.database_url else {
            return Ok(Secret::new(format!("sqlite://{}", self.data_dir.join("tollgate.db").display())));
        };
        let scheme = url.split_once(':').map(|(scheme, _)| scheme);
        match scheme {
            Some("sqlite" | "postgres" | "postgresql") => Ok(Secret::new(url.clone())),
            _ => Err(ConfigurationError::field("database_url", "must start with sqlite:// or postgres://")),
        }
    }

    fn redis_url(&self) -> Result<Option<Secret>, ConfigurationError> {
        match &self.redis_url {
            None => Ok(None),
            Some(url) if url.starts_with("redis://") || url.starts_with("rediss://") => {
                Ok(Some(Secret::new(url.clone())))
            }
            Some(_) => Err(ConfigurationError::field("redis_url", "must start with redis:// or rediss://")),
        }
    }

    fn master_key(&self) -> Result<MasterKeySource, ConfigurationError> {
        let given =
            one_of("master_key", self.master_key.as_deref(), "master_key_file", self.master_key_file.as_deref())?;
        let Some(key) = given else { return Ok(MasterKeySource::DataDir) };
        let field = if self.master_key.is_some() { "master_key" } else { "master_key_file" };
        let key =
            MasterKey::from_text(key.expose()).map_err(|error| ConfigurationError::field(field, error.to_string()))?;
        Ok(MasterKeySource::Given(key))
    }

    fn grpc_tls(&self) -> Result<Option<GrpcTls>, ConfigurationError> {
        let read = |field, path: &Path| {
            std::fs::read(path)
                .map_err(|error| ConfigurationError::field(field, format!("cannot read {}: {error}", path.display())))
        };
        let (certificate, key) = match (&self.grpc_tls_certificate_file, &self.grpc_tls_key_file) {
            (None, None) if self.grpc_tls_client_ca_file.is_none() => return Ok(None),
            (Some(certificate), Some(key)) => (certificate, key),
            (None, _) => return Err(ConfigurationError::field("grpc_tls_certificate_file", "is missing")),
            (_, None) => return Err(ConfigurationError::field("grpc_tls_key_file", "is missing")),
        };
        let key = String::from_utf8(read("grpc_tls_key_file", key)?)
            .map_err(|_| ConfigurationError::field("grpc_tls_key_file", "is not PEM"))?;
        let client_ca = match &self.grpc_tls_client_ca_file {
            Some(path) => Some(read("grpc_tls_client_ca_file", path)?),
            None => None,
        };
        let certificate = read("grpc_tls_certificate_file", certificate)?;
        Ok(Some(GrpcTls { certificate, key: Secret::new(key), client_ca }))
    }

    fn log_filter(&self) -> Result<(), ConfigurationError> {
        tollgate_shared::telemetry::check_filter(&self.log)
            .map_err(|error| ConfigurationError::field("log", error.to_string()))
    }
}

fn address(field: &'static str, text: &str) -> Result<SocketAddr, ConfigurationError> {
    text.parse()
        .map_err(|_| ConfigurationError::field(field, format!("`{text}` is not an address such as 127.0.0.1:9090")))
}

fn log_format(text: Option<&str>) -> Result<Option<LogFormat>, ConfigurationError> {
    match text {
        None => Ok(None),
        Some("text") => Ok(Some(LogFormat::Text)),
        Some("json") => Ok(Some(LogFormat::Json)),
        Some(other) => Err(ConfigurationError::field("log_format", format!("`{other}` is neither `text` nor `json`"))),
    }
}

fn filled(field: &'static str, text: Option<&str>) -> Result<Option<Secret>, ConfigurationError> {
    match text.map(str::trim) {
        None => Ok(None),
        Some("") => Err(ConfigurationError::field(field, "is empty")),
        Some(text) => Ok(Some(Secret::new(text.to_owned()))),
    }
}

/// A secret that stands in the configuration or in a file that it names, not in both.
fn one_of(
    field: &'static str,
    text: Option<&str>,
    file_field: &'static str,
    file: Option<&Path>,
) -> Result<Option<Secret>, ConfigurationError> {
    match (text, file) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(ConfigurationError::field(field, format!("is given twice, also by {file_field}"))),
        (Some(text), None) => filled(field, Some(text)),
        (None, Some(path)) => {
            let text = std::fs::read_to_string(path).map_err(|error| {
                ConfigurationError::field(file_field, format!("cannot read {}: {error}", path.display()))
            })?;
            filled(file_field, Some(&text))
        }
    }
}
