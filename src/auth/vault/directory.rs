//! The state directory: ours alone.

use std::{
    fs::{DirBuilder, Metadata, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::Path,
};

use crate::auth::vault::{
    error::VaultError,
    lock::{LOCK, Lock},
};

/// Creates `directory` if need be, makes it ours alone, and locks it for as long as the result lives.
pub(super) fn occupy(directory: &Path) -> Result<Lock, VaultError> {
    let io = |action, source| VaultError::Io { action, path: directory.to_owned(), source };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|error| io("create the state directory", error))?;
    let metadata = directory.metadata().map_err(|error| io("look at the state directory", error))?;
    check_owner(directory, &metadata)?;
    let mode = metadata.mode() & 0o7777;
    if mode & STICKY != 0 {
        return Err(VaultError::Shared { path: directory.to_owned() });
    }
    if mode & 0o077 != 0 {
        // A directory that serves others (a home, `/var/lib`) must not be closed to them by a slip in a setting.
        if !is_for_us_alone(directory).map_err(|error| io("look into the state directory", error))? {
            return Err(VaultError::Lax { path: directory.to_owned() });
        }
        tracing::warn!(directory = %directory.display(), mode = format!("{mode:o}"), "others could read the state directory; now they cannot");
        std::fs::set_permissions(directory, Permissions::from_mode(0o700))
            .map_err(|error| io("restrict the state directory", error))?;
    }
    Lock::take(directory)
}

/// Whether a directory holds nothing yet, or has been a state directory before.
fn is_for_us_alone(directory: &Path) -> io::Result<bool> {
    Ok(directory.join(LOCK).try_exists()? || directory.read_dir()?.next().is_none())
}

/// Refuses what belongs to another user.
pub(super) fn check_owner(path: &Path, metadata: &Metadata) -> Result<(), VaultError> {
    let (owner, us) = (metadata.uid(), rustix::process::geteuid().as_raw());
    if owner == us { Ok(()) } else { Err(VaultError::Foreign { path: path.to_owned(), owner, us }) }
}

/// Refuses what is no file of our own: whoever put it there may mean harm. `None` where there is nothing.
pub(super) fn look_at(path: &Path) -> Result<Option<Metadata>, VaultError> {
    let metadata = match path.symlink_metadata() {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(VaultError::Io { action: "look at", path: path.to_owned(), source }),
    };
    if !metadata.is_file() {
        return Err(VaultError::NotAFile { path: path.to_owned() });
    }
    check_owner(path, &metadata)?;
    Ok(Some(metadata))
}

/// Set on directories such as `/tmp` that many users write to: narrowing one would break the machine.
const STICKY: u32 = 0o1000;
