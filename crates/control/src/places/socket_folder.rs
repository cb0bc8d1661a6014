//! The folder of the control socket of a daemon that has no `state_dir`: private, and found by its configuration.

use std::fs::DirBuilder;
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Where it is for a daemon with this configuration: in `$XDG_RUNTIME_DIR`, else in the folder for temporary files.
#[must_use]
pub fn path(config: &Path) -> PathBuf {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    path_in(runtime, &std::env::temp_dir(), rustix::process::geteuid().as_raw(), config)
}

fn path_in(runtime: Option<PathBuf>, temporary: &Path, user: u32, config: &Path) -> PathBuf {
    let config = config.canonicalize().or_else(|_| std::path::absolute(config));
    let config = config.unwrap_or_default();
    let name = fnv1a(config.as_os_str().as_encoded_bytes());
    match runtime {
        Some(runtime) => runtime.join(format!("heraldd-{name:016x}")),
        // All users share it.
        None => temporary.join(format!("heraldd-{user}-{name:016x}")),
    }
}

/// The same in every version, unlike the hash of the standard library; a path of a socket must be short.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// That it is a folder of this user alone: where all users may make one, another user could listen in it.
///
/// # Errors
/// When it is not, or is not there.
pub fn check(path: &Path) -> Result<()> {
    let found = path.symlink_metadata()?;
    let is_own = found.uid() == rustix::process::geteuid().as_raw();
    if !found.is_dir() || !is_own || found.mode() & 0o077 != 0 {
        return Err(Error::other("it is not a folder of this user alone"));
    }
    Ok(())
}

/// A folder that only this user can use; removed when it is dropped, if it is empty then.
#[derive(Debug)]
pub struct PrivateFolder(PathBuf);

impl PrivateFolder {
    /// Makes it, or takes the one that an earlier daemon left.
    ///
    /// # Errors
    /// When it cannot be made, or somebody else made it or could use it.
    pub fn create(path: PathBuf) -> Result<Self> {
        match DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        check(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        // Another daemon may use it already.
        let _ = std::fs::remove_dir(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn each_configuration_has_its_own() {
        let place = |runtime: Option<&str>, config: &str| {
            path_in(runtime.map(PathBuf::from), Path::new("/tmp"), 1000, Path::new(config))
        };
        let one = place(Some("/run/user/1000"), "/nowhere/a.yml");
        assert!(one.to_str().unwrap().starts_with("/run/user/1000/heraldd-"), "{one:?}");
        assert_ne!(one, place(Some("/run/user/1000"), "/nowhere/b.yml"));
        let shared = place(None, "/nowhere/a.yml");
        assert!(shared.to_str().unwrap().starts_with("/tmp/heraldd-1000-"), "{shared:?}");
        // As published: another version finds the same one.
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn only_a_private_folder_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let made = PrivateFolder::create(path.clone()).unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o700);
        // What a daemon that was killed left.
        let again = PrivateFolder::create(path.clone()).unwrap();
        drop(made);
        assert!(!path.exists());
        drop(again);

        assert_eq!(check(&path).unwrap_err().kind(), ErrorKind::NotFound);
        std::fs::create_dir(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(PrivateFolder::create(path.clone()).is_err() && check(&path).is_err());
        std::fs::remove_dir(&path).unwrap();
        symlink(folder.path(), &path).unwrap();
        assert!(PrivateFolder::create(path.clone()).is_err() && check(&path).is_err());
    }
}
