//! Whether there is something at a path.

use std::{fs, io, path::Path};

use crate::guard::kill::Cause;

/// What one look at `guards.kill-file` showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::guard) enum Sight {
    /// There is nothing, in a directory that is there.
    Nothing,
    /// There is something: what it is does not matter.
    Something,
    /// That cannot be told.
    Unclear,
}

impl Sight {
    /// What it is to the switch: whatever is not clearly absent, is there.
    pub(in crate::guard) fn cause(self) -> Option<Cause> {
        match self {
            Self::Nothing => None,
            Self::Something => Some(Cause::File),
            Self::Unclear => Some(Cause::FileUnreadable),
        }
    }
}

/// Looks at a path, following no link: one that leads nowhere is something too. Asks the disk.
pub(in crate::guard) fn look(path: &Path) -> Sight {
    match fs::symlink_metadata(path) {
        Ok(_) => Sight::Something,
        // A directory that is not there either (a volume that has gone, a slip in the path) tells nothing of the file.
        Err(error) if error.kind() == io::ErrorKind::NotFound && has_directory(path) => Sight::Nothing,
        Err(_) => Sight::Unclear,
    }
}

fn has_directory(path: &Path) -> bool {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) => Path::new("."),
        None => return false,
    };
    fs::metadata(parent).is_ok_and(|parent| parent.is_dir())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_what_is_clearly_absent_is_absent() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        assert_eq!(look(&path("kill")), Sight::Nothing);
        fs::write(path("kill"), "").unwrap();
        assert_eq!(look(&path("kill")), Sight::Something);
        fs::create_dir(path("directory")).unwrap();
        assert_eq!(look(&path("directory")), Sight::Something);
        symlink("nowhere", path("link")).unwrap();
        assert_eq!(look(&path("link")), Sight::Something);
        for unclear in ["gone/kill", "kill/below", &"x".repeat(300)] {
            assert_eq!(look(&path(unclear)), Sight::Unclear, "{unclear}");
        }
        symlink("loop", path("loop")).unwrap();
        assert_eq!(look(&path("loop/kill")), Sight::Unclear);
        assert_eq!(look(Path::new("/")), Sight::Something);
        assert_eq!(look(Path::new("no-such-file-in-the-working-directory")), Sight::Nothing);
    }
}
