//! EDGE: a file, random numbers, the environment. The private key this car keeps from start to start, so that its fingerprint
//! stays: whoever has noted it down knows the car again. Made by the first start, readable by its owner alone. A key that
//! cannot be read or kept costs a line in the log, never a start.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use p256::SecretKey;
use p256::elliptic_curve::Generate as _;
use p256::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _};

/// In [`folder`].
const FILE: &str = "identity.pkcs8";

/// For its owner alone: who has the key can pass for the car.
const OWNER_ONLY: u32 = 0o600;

/// Where programs keep what they must remember: what systemd names for a service (systemd.exec(5), `StateDirectory=`), else the
/// user's own (XDG Base Directory Specification). `variable` reads the environment. None if there is no home either.
pub fn folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let path = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    // systemd separates several with colons; the first is ours.
    let service = variable("STATE_DIRECTORY").and_then(|all| std::env::split_paths(&all).next());
    service
        .filter(|path| path.is_absolute())
        .or_else(|| Some(path("XDG_STATE_HOME")?.join("windshield")))
        .or_else(|| Some(path("HOME")?.join(".local/state/windshield")))
}

/// A new key.
///
/// # Errors
/// A sentence; only if the system has no random numbers.
pub fn fresh() -> Result<SecretKey, String> {
    SecretKey::try_generate().map_err(|error| format!("the system has no random numbers: {error}"))
}

/// The key kept in `folder`, or a new one that is kept there if that is possible.
///
/// # Errors
/// As [`fresh`].
pub fn kept(folder: &Path) -> Result<SecretKey, String> {
    let path = folder.join(FILE);
    match read(&path) {
        Ok(Some(key)) => return Ok(key),
        Ok(None) => {}
        Err(error) => log::warn!("cannot read {}: {error}; this car gets a new fingerprint", path.display()),
    }
    let key = fresh()?;
    match write(folder, &path, &key) {
        Ok(()) => log::debug!("this car's key is in {}", path.display()),
        Err(error) => log::debug!("cannot keep a key in {}: {error}; the next start has a new one", path.display()),
    }
    Ok(key)
}

fn read(path: &Path) -> io::Result<Option<SecretKey>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & 0o077 != 0 {
        log::warn!("{} could be read by others than its owner; it no longer can", path.display());
        fs::set_permissions(path, Permissions::from_mode(OWNER_ONLY))?;
    }
    SecretKey::from_pkcs8_der(&bytes)
        .map(Some)
        .map_err(|error| io::Error::new(ErrorKind::InvalidData, error.to_string()))
}

/// By renaming, so that a car whose power is cut has the old file or the new one, whole.
fn write(folder: &Path, path: &Path, key: &SecretKey) -> io::Result<()> {
    let bytes = key.to_pkcs8_der().map_err(|error| io::Error::other(error.to_string()))?;
    fs::create_dir_all(folder)?;
    let new = path.with_extension(format!("new-{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(&new)?;
    let written = file.write_all(bytes.as_bytes()).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written?;
    // The rename itself lies in the folder.
    File::open(folder)?.sync_all()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("windshield-identity-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_key_stays_and_only_its_owner_can_read_it() {
        let folder = Folder::new("stays");
        let first = kept(&folder.0.join("deep")).unwrap();
        let path = folder.0.join("deep").join(FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, OWNER_ONLY);
        assert_eq!(fs::read_dir(folder.0.join("deep")).unwrap().count(), 1, "left something beside it");
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert_eq!(kept(&folder.0.join("deep")).unwrap(), first);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, OWNER_ONLY);
    }

    #[test]
    fn a_damaged_key_is_replaced_and_a_folder_that_cannot_be_had_is_no_failure() {
        let folder = Folder::new("damaged");
        kept(&folder.0).unwrap();
        fs::write(folder.0.join(FILE), b"half a k").unwrap();
        let new = kept(&folder.0).unwrap();
        assert_eq!(kept(&folder.0).unwrap(), new);

        let nowhere = folder.0.join(FILE).join("under a file");
        assert_ne!(kept(&nowhere).unwrap(), kept(&nowhere).unwrap());
    }

    #[test]
    fn a_service_keeps_it_where_systemd_says_and_others_at_home() {
        let with =
            |set: &[(&str, &str)]| folder(|name| set.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into()));
        let home = ("HOME", "/home/pi");
        assert_eq!(with(&[("STATE_DIRECTORY", "/var/lib/windshield:/x"), home]), Some("/var/lib/windshield".into()));
        assert_eq!(with(&[("XDG_STATE_HOME", "/state"), home]), Some("/state/windshield".into()));
        assert_eq!(with(&[("XDG_STATE_HOME", "relative"), home]), Some("/home/pi/.local/state/windshield".into()));
        assert_eq!(with(&[]), None);
    }
}
