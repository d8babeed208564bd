//! The device id, for users who set none.
//!
//! Tradovate: it must be stable and unique per machine, and on `live` a new one has to be approved by e-mail
//! before orders pass. So one is made once and kept.

use std::{
    fs::{self, DirBuilder, File},
    io,
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
};

use rustix::fs::{FlockOperation, flock};
use uuid::Uuid;

/// The id kept in `directory`, made on first use.
///
/// It is kept even where the session is not (`session.store = memory`): one that changed with each start would have to
/// be approved each time. So the directory may not be there yet, and may be another process's too.
pub(super) fn device_id(directory: &Path) -> io::Result<String> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let one_at_a_time = File::open(directory)?;
    flock(&one_at_a_time, FlockOperation::LockExclusive)?;
    let path = directory.join("device-id");
    match fs::read_to_string(&path) {
        Ok(id) if Uuid::try_parse(id.trim()).is_ok() => return Ok(id.trim().to_owned()),
        Ok(_) => {
            let path = path.display();
            tracing::warn!(%path, "no device id in it: making a new one, which Tradovate may ask to approve");
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let id = Uuid::new_v4().to_string();
    let beside = path.with_extension("new");
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    writeln!(file, "{id}")?;
    file.sync_all()?;
    fs::rename(&beside, &path)?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_once_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        let id = device_id(directory.path()).unwrap();
        assert_eq!(device_id(directory.path()).unwrap(), id);
        fs::write(directory.path().join("device-id"), "garbage").unwrap();
        assert_ne!(device_id(directory.path()).unwrap(), id);
    }

    #[test]
    fn processes_that_start_together_agree_on_it() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("deeper/state");
        let ids = std::thread::scope(|scope| {
            let starts = [(); 8].map(|()| scope.spawn(|| device_id(&directory).unwrap()));
            starts.map(|start| start.join().unwrap())
        });
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    }
}
