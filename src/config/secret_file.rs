//! Files that hold one credential each.

use std::{
    fmt,
    fs::OpenOptions,
    io::Read as _,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;
use secrecy::zeroize::Zeroizing;

use crate::config::problem::Fault;

/// A secret in a file that others can read. An engine may mount it so, and for them there may be nobody else; so it
/// is told, and not refused.
#[derive(Clone, Debug)]
pub struct Exposed {
    /// The variable or key that names the file.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// Its permission bits.
    pub mode: u32,
}

impl fmt::Display for Exposed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, path, mode } = self;
        let path = path.display();
        write!(
            f,
            "{name}: others can read the secret in {path} (its mode is {mode:03o}); run: chmod 600 {path}"
        )
    }
}

/// The text in a file, without the newline that editors and `echo` leave at its end, and the file's permission bits.
///
/// Only regular files, and no long ones: a device may have no end, and a pipe no beginning.
pub(super) fn read(path: &Path) -> Result<(Zeroizing<String>, u32), Fault> {
    let unreadable = |error| Fault::Unreadable { path: path.to_owned(), error };
    // Opening must not wait for the other end of a pipe.
    let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(Fault::NotAFile { path: path.to_owned() });
    }
    // Room for all at once, so that no copy is left behind where it grew.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MOST_BYTES + 1));
    file.take(MOST_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > MOST_BYTES {
        return Err(Fault::TooLong { path: path.to_owned(), most: MOST_BYTES });
    }
    let text = str::from_utf8(&bytes).map_err(|_| Fault::NotText)?;
    Ok((Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()), metadata.mode() & 0o777))
}

/// The lines of a text, comments and empty ones left out, with commas between.
pub(super) fn entries(text: &str) -> Zeroizing<String> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(",").into()
}

/// Far longer than any credential, far shorter than anything that hurts.
const MOST_BYTES: usize = 64 * 1024;

/// The bits that let somebody else than the owner read.
pub(super) const READABLE_BY_OTHERS: u32 = 0o044;

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

    use super::*;

    #[test]
    fn what_has_no_end_or_no_beginning_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for odd in [Path::new("/dev/zero"), Path::new("/dev/null"), &pipe, dir.path()] {
            let fault = read(odd).unwrap_err();
            assert!(matches!(fault, Fault::NotAFile { .. }), "{}: {fault}", odd.display());
        }
    }

    #[test]
    fn a_file_has_its_limit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        fs::write(&path, "x".repeat(MOST_BYTES)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o440)).unwrap();
        let (text, mode) = read(&path).unwrap();
        assert_eq!((text.len(), mode), (MOST_BYTES, 0o440));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "x".repeat(MOST_BYTES + 1)).unwrap();
        let fault = read(&path).unwrap_err();
        assert!(fault.to_string().ends_with("is longer than 65536 bytes"), "{fault}");
    }
}
