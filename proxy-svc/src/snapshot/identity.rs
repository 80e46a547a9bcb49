//! Who this proxy is: the same across its restarts, and a new name for each start.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use tollgate_shared::ids::{BootId, ProxyId};

/// In the data directory.
const FILE: &str = "proxy-id";

/// A proxy's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    pub proxy_id: ProxyId,
    pub boot_id: BootId,
}

/// The identity could not be kept.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {cause}", path = path.display())]
pub struct IdentityError {
    path: PathBuf,
    #[source]
    cause: io::Error,
}

impl Identity {
    /// Reads the proxy's id from the data directory, or makes one there. A damaged one is replaced: the control
    /// plane then sees a new proxy, which does no harm.
    pub fn load_or_create(data_dir: &Path) -> Result<Self, IdentityError> {
        let path = data_dir.join(FILE);
        let proxy_id = read_or_create(data_dir, &path).map_err(|cause| IdentityError { path, cause })?;
        Ok(Self { proxy_id, boot_id: BootId::generate() })
    }
}

fn read_or_create(data_dir: &Path, path: &Path) -> io::Result<ProxyId> {
    match fs::read(path) {
        Ok(bytes) => {
            if let Some(id) = std::str::from_utf8(&bytes).ok().and_then(|text| text.trim().parse().ok()) {
                return Ok(id);
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir_all(data_dir)?,
        Err(error) => return Err(error),
    }
    let id = ProxyId::generate();
    super::store::write_whole(path, format!("{id}\n").as_bytes())?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxy_id_is_stable_and_boot_id_is_new() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("deep/data");
        let first = Identity::load_or_create(&data_dir).unwrap();
        let second = Identity::load_or_create(&data_dir).unwrap();
        assert_eq!(first.proxy_id, second.proxy_id);
        assert_ne!(first.boot_id, second.boot_id);
    }

    #[test]
    fn damaged_id_is_replaced_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        for damage in [&b""[..], b"not an id", b"\xff\xfe"] {
            fs::write(folder.path().join(FILE), damage).unwrap();
            let first = Identity::load_or_create(folder.path()).unwrap();
            assert_eq!(Identity::load_or_create(folder.path()).unwrap().proxy_id, first.proxy_id);
        }
    }

    #[test]
    fn unusable_folder_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let error = Identity::load_or_create(&folder.path().join("file")).unwrap_err();
        assert!(error.to_string().contains("proxy-id"), "{error}");
    }
}
