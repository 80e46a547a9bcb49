//! Layered configuration: flags > environment > file > defaults, the same way in both services.
//!
//! One file may serve both: what both read stands at its top, what one reads in a table with that service's name.

use std::path::Path;

use config::{Config, ConfigError, Environment, File, FileFormat};
use serde::{Serialize, de::DeserializeOwned};

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

/// The tables of a file that belong to one service: each reads its own and leaves the other's alone.
const SERVICES: [&str; 2] = ["admin", "proxy"];

/// Where the layers come from.
#[derive(Debug)]
pub struct Layers<'a> {
    /// Environment variables `PREFIX_FIELD` and `PREFIX_SECTION__FIELD`, e.g. `TOLLGATE_PROXY`.
    pub environment_prefix: &'static str,
    /// Variables that both services read: their name, and the field that they set.
    pub common_variables: &'a [(&'static str, &'static str)],
    /// A TOML file; it must exist when it is named. Its table `[admin]` or `[proxy]`, whichever the prefix ends with,
    /// goes over what stands outside of tables.
    pub file: Option<&'a Path>,
    /// What the command line says: field (`section.field`) and value.
    pub flags: &'a [(&'static str, String)],
}

/// Puts the layers together over `defaults`. Unknown fields are errors where `T` denies them.
pub fn load<T: Serialize + DeserializeOwned>(defaults: &T, layers: &Layers<'_>) -> Result<T, ConfigurationError> {
    let mut builder = Config::builder().add_source(Config::try_from(defaults)?);
    if let Some(path) = layers.file {
        let file = Config::builder().add_source(File::from(path).format(FileFormat::Toml).required(true)).build()?;
        builder = builder.add_source(own_part(file, layers.environment_prefix)?);
    }
    builder = builder.add_source(
        Environment::with_prefix(layers.environment_prefix).prefix_separator("_").separator("__").try_parsing(false),
    );
    for (variable, field) in layers.common_variables {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
        if let Ok(value) = std::env::var(variable) {
            builder = builder.set_override(field, value)?;
        }
    }
    for (field, value) in layers.flags {
        builder = builder.set_override(field, value.as_str())?;
    }
    Ok(builder.build()?.try_deserialize()?)
}

/// The part of a file that one service reads.
fn own_part(mut file: Config, environment_prefix: &str) -> Result<Config, ConfigError> {
    let service = environment_prefix.rsplit('_').next().unwrap_or_default().to_lowercase();
    let mut fields = std::mem::take(&mut file.cache).into_table()?;
    for name in SERVICES {
        let Some(section) = fields.remove(name) else { continue };
        if name == service {
            fields.extend(section.into_table()?);
        }
    }
    file.cache = fields.into();
    Config::builder().add_source(file).build()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Fields {
        listen: String,
        log: String,
    }

    fn load_file(text: &str, flags: &[(&'static str, String)]) -> Result<Fields, ConfigurationError> {
        let defaults = Fields { listen: "default".into(), log: "default".into() };
        let directory = std::env::temp_dir().join(format!("tollgate-configuration-{}", uuid::Uuid::now_v7()));
        std::fs::write(&directory, text).unwrap();
        let layers = Layers {
            environment_prefix: "TOLLGATE_CONFIGURATION_TEST_PROXY",
            common_variables: &[],
            file: Some(&directory),
            flags,
        };
        let loaded = load(&defaults, &layers);
        std::fs::remove_file(&directory).unwrap();
        loaded
    }

    #[test]
    fn a_service_reads_its_own_table_over_the_common_fields() {
        let text = "log = 'common'\nlisten = 'common'\n[proxy]\nlisten = 'proxy'\n[admin]\nunknown_here = 1\n";
        assert_eq!(load_file(text, &[]).unwrap(), Fields { listen: "proxy".into(), log: "common".into() });
    }

    #[test]
    fn a_flag_goes_over_the_file_and_the_file_over_the_default() {
        let fields = load_file("listen = 'file'", &[("log", "flag".to_owned())]).unwrap();
        assert_eq!(fields, Fields { listen: "file".into(), log: "flag".into() });
    }

    #[test]
    fn an_unknown_field_is_named() {
        let error = load_file("[proxy]\nlissten = 'x'", &[]).unwrap_err();
        assert!(error.to_string().contains("lissten"), "{error}");
    }
}
