//! Layered configuration: flags > environment > file > defaults, the same way in both services.

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

/// Where the layers come from.
#[derive(Debug)]
pub struct Layers<'a> {
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
    let mut builder = Config::builder().add_source(Config::try_from(defaults)?);
    if let Some(path) = layers.file {
        builder = builder.add_source(File::from(path).format(FileFormat::Toml).required(true));
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
