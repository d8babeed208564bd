//! That the switch was ordered on, over a restart: a file whose presence is all that counts, so that no half of one
//! can be misread.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use crate::guard::kill::Cause;

/// Where the switch is remembered.
#[derive(Clone, Debug)]
pub enum Marker {
    /// In the file `killed` of this directory.
    In(PathBuf),
    /// Nowhere: the simulation forgets.
    Nowhere,
}

impl Marker {
    /// Why the switch is on at a start, if it is. Asks the disk.
    pub(in crate::guard) fn read(&self) -> Option<Cause> {
        let path = self.path()?;
        match fs::symlink_metadata(&path) {
            Ok(_) => Some(Cause::EarlierRun),
            // Before the first start there is no state directory either.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(_) => Some(Cause::MarkerUnreadable),
        }
    }

    /// Makes it, and returns once that would survive the plug being pulled. `why` is for a person who finds it.
    pub(in crate::guard) fn set(&self, why: &str) -> io::Result<()> {
        let Some(path) = self.path() else { return Ok(()) };
        let directory = directory_of(&path);
        // With `session.store = memory` nobody has made it yet.
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        // Not through a link: it would leave nothing here. One that is there is the marker.
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        match made {
            Ok(mut file) => {
                writeln!(file, "{why}")?;
                file.sync_all()?;
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        sync(directory)
    }

    /// Removes it, and returns once that would survive the plug being pulled.
    pub(in crate::guard) fn clear(&self) -> io::Result<()> {
        let Some(path) = self.path() else { return Ok(()) };
        match fs::remove_file(&path) {
            Ok(()) => sync(directory_of(&path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The file, for people.
    pub fn path(&self) -> Option<PathBuf> {
        match self {
            Self::In(directory) => Some(directory.join(NAME)),
            Self::Nowhere => None,
        }
    }
}

fn directory_of(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

/// That a name is there, or is gone, is written in its directory.
fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

const NAME: &str = "killed";

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn it_is_there_until_it_is_cleared() {
        let dir = tempfile::tempdir().unwrap();
        let marker = Marker::In(dir.path().join("state"));
        assert_eq!(marker.read(), None, "before the first start");
        for _ in 0..2 {
            marker.set("by a test").unwrap();
            assert_eq!(marker.read(), Some(Cause::EarlierRun));
        }
        for _ in 0..2 {
            marker.clear().unwrap();
            assert_eq!(marker.read(), None);
        }
    }

    #[test]
    fn whatever_is_there_counts_and_what_cannot_be_read_too() {
        let dir = tempfile::tempdir().unwrap();
        let marker = Marker::In(dir.path().to_owned());
        // As a crash in the middle leaves it.
        fs::write(dir.path().join(NAME), "").unwrap();
        assert_eq!(marker.read(), Some(Cause::EarlierRun));
        marker.clear().unwrap();
        symlink("nowhere", dir.path().join(NAME)).unwrap();
        assert_eq!(marker.read(), Some(Cause::EarlierRun));
        marker.set("again").unwrap();
        marker.clear().unwrap();
        assert_eq!(marker.read(), None);

        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let nonsense = Marker::In(file);
        assert_eq!(nonsense.read(), Some(Cause::MarkerUnreadable));
        assert!(nonsense.set("x").is_err() && nonsense.clear().is_err());
    }
}
