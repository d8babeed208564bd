//! The device id, for users who set none.
//!
//! Tradovate: it must be stable and unique per machine, and on `live` a new one has to be approved by e-mail
//! before orders pass. So one is made once and kept.

use std::{fs, io, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};

use uuid::Uuid;

/// The id kept in `directory`, made on first use.
pub(super) fn device_id(directory: &Path) -> io::Result<String> {
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
}
