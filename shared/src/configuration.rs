//! Layered configuration: flags > environment > file > defaults, the same way in both services.
//!
//! Both services read the same file, each its own table of it (`[proxy]`, `[admin]`). Nothing else in the process
//! reads the environment.

use std::{collections::BTreeMap, path::Path};

use config::{Config, ConfigError, Environment, File, FileFormat, Map, Source, Value};
use serde::{Serialize, de::DeserializeOwned};

/// The tables that a file may have: a misspelt one must not pass as somebody else's.
const TABLES: [&str; 2] = ["admin", "proxy"];

/// Bad configuration; the text names the field.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    #[error("{0}")]
    Load(#[from] ConfigError),
    #[error("{field}: {message}")]
    Field { field: &'static str, message: String },
}

impl ConfigurationError {
    pub fn field(field: &'static str, message: impl Into<String>) -> Self {
        Self::Field { field, message: message.into() }
    }
}

/// Where the layers come from.
#[derive(Debug)]
pub struct Layers<'a> {
    /// The service's table in the file.
    pub table: &'static str,
    /// Environment variables `PREFIX_FIELD` and `PREFIX_SECTION__FIELD`, e.g. `TOLLGATE_PROXY`.
    pub environment_prefix: &'static str,
    /// Variables that both services read: their name, and the field that they set.
    pub common_variables: &'a [(&'static str, &'static str)],
    /// A TOML file; it must exist when it is named.
    pub file: Option<&'a Path>,
    /// What the command line says: field (`section.field`) and value.
    pub flags: &'a [(&'static str, String)],
}

/// Puts the layers together over `defaults`. Unknown fields are errors where `T` denies them.
pub fn load<T: Serialize + DeserializeOwned>(defaults: &T, layers: &Layers<'_>) -> Result<T, ConfigurationError> {
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    load_with(defaults, layers, &environment)
}

/// [`load`] with the given environment in the place of the process's own. An empty variable counts as absent.
pub fn load_with<T: Serialize + DeserializeOwned>(
    defaults: &T,
    layers: &Layers<'_>,
    environment: &BTreeMap<String, String>,
) -> Result<T, ConfigurationError> {
    let mut builder = Config::builder().add_source(Config::try_from(defaults)?);
    if let Some(path) = layers.file {
        builder = builder.add_source(read_table(path, layers.table)?);
    }
    builder = builder.add_source(
        Environment::with_prefix(layers.environment_prefix)
            .prefix_separator("_")
            .separator("__")
            .try_parsing(false)
            .ignore_empty(true)
            .source(Some(own_variables(layers.environment_prefix, environment))),
    );
    for (variable, field) in layers.common_variables {
        if let Some(value) = environment.get(*variable).filter(|value| !value.is_empty()) {
            builder = builder.set_override(field, value.as_str())?;
        }
    }
    for (field, value) in layers.flags {
        builder = builder.set_override(field, value.as_str())?;
    }
    Ok(builder.build()?.try_deserialize()?)
}

/// Without what Kubernetes and Docker put into a container for a service of the same name: were `tollgate-proxy` such
/// a service, its `TOLLGATE_PROXY_PORT` would be taken for an unknown field.
fn own_variables(prefix: &str, environment: &BTreeMap<String, String>) -> Map<String, String> {
    let is_link = |name: &str| {
        name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_')).is_some_and(|rest| {
            matches!(rest, "SERVICE_HOST" | "SERVICE_PORT" | "PORT")
                || rest.starts_with("SERVICE_PORT_")
                || (rest.starts_with("PORT_") && (rest.contains("_TCP") || rest.contains("_UDP")))
        })
    };
    environment.iter().filter(|(name, _)| !is_link(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// One table of the file, as a layer.
#[derive(Clone, Debug)]
struct Table(Map<String, Value>);

impl Source for Table {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.clone())
    }
}

fn read_table(path: &Path, table: &str) -> Result<Table, ConfigError> {
    let file = File::from(path).format(FileFormat::Toml).required(true);
    let mut tables = file.collect()?;
    if let Some(unknown) = tables.keys().find(|name| !TABLES.contains(&name.as_str())) {
        let message = format!("unknown field `{unknown}` in {}, expected a table of {TABLES:?}", path.display());
        return Err(ConfigError::Message(message));
    }
    tables.remove(table).map_or_else(|| Ok(Table(Map::new())), |value| value.into_table().map(Table))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Example {
        listen: String,
        limits: Section,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Section {
        max_body_bytes: u64,
        token: Option<String>,
    }

    fn example(file: &str, environment: &[(&str, &str)], flags: &[(&'static str, String)]) -> Result<Example, String> {
        let directory = std::env::temp_dir().join(format!("tollgate-configuration-{}", uuid::Uuid::now_v7()));
        std::fs::write(&directory, file).unwrap();
        let defaults = Example { listen: "default".into(), limits: Section { max_body_bytes: 1, token: None } };
        let layers = Layers {
            table: "proxy",
            environment_prefix: "TOLLGATE_PROXY",
            common_variables: &[("TOLLGATE_TOKEN", "limits.token")],
            file: Some(&directory),
            flags,
        };
        let environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let loaded = load_with(&defaults, &layers, &environment).map_err(|error| error.to_string());
        std::fs::remove_file(directory).unwrap();
        loaded
    }

    #[test]
    fn flags_win_over_environment_over_file_over_defaults() {
        let file = "[proxy]\nlisten = 'file'\n[proxy.limits]\nmax_body_bytes = 2\n[admin]\nother = 1";
        assert_eq!(example("", &[], &[]).unwrap().listen, "default");
        let from_file = example(file, &[], &[]).unwrap();
        assert_eq!((from_file.listen.as_str(), from_file.limits.max_body_bytes), ("file", 2));
        let environment = [("TOLLGATE_PROXY_LISTEN", "env"), ("TOLLGATE_PROXY_LIMITS__MAX_BODY_BYTES", "3")];
        let from_environment = example(file, &environment, &[]).unwrap();
        assert_eq!((from_environment.listen.as_str(), from_environment.limits.max_body_bytes), ("env", 3));
        assert_eq!(example(file, &environment, &[("listen", "flag".into())]).unwrap().listen, "flag");
    }

    #[test]
    fn common_variables_are_read_and_empty_ones_are_absent() {
        let token = |value| example("", &[("TOLLGATE_TOKEN", value)], &[]).unwrap().limits.token;
        assert_eq!(token("t").as_deref(), Some("t"));
        assert_eq!(token(""), None);
        assert_eq!(example("", &[("TOLLGATE_PROXY_LISTEN", "")], &[]).unwrap().listen, "default");
    }

    #[test]
    fn errors_name_the_field() {
        for (file, field) in [
            ("[proxy]\nlisen = 'x'", "lisen"),
            ("[proxy.limits]\nmax_body = 1", "max_body"),
            ("[proxy.limits]\nmax_body_bytes = 'many'", "limits.max_body_bytes"),
            ("[proxi]\nlisten = 'x'", "proxi"),
            ("listen = 'x'", "listen"),
        ] {
            let error = example(file, &[], &[]).unwrap_err();
            assert!(error.contains(field), "{file}: {error}");
        }
        let error = example("", &[("TOLLGATE_PROXY_LIMITS__MAX_BODY_BYTES", "1.5x")], &[]).unwrap_err();
        assert!(error.contains("limits.max_body_bytes"), "{error}");
        let error = example("", &[("TOLLGATE_PROXY_LISTN", "x")], &[]).unwrap_err();
        assert!(error.contains("listn"), "{error}");
    }

    #[test]
    fn container_links_are_not_taken_for_fields() {
        let links = [
            ("TOLLGATE_PROXY_SERVICE_HOST", "10.0.0.1"),
            ("TOLLGATE_PROXY_SERVICE_PORT_HTTP", "8080"),
            ("TOLLGATE_PROXY_PORT", "tcp://10.0.0.1:8080"),
            ("TOLLGATE_PROXY_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ];
        assert_eq!(example("", &links, &[]).unwrap().listen, "default");
    }
}
