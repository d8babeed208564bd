//! How files stand without reading them: a change is seen, and half a change is not taken for a whole one.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// How the files of a configuration stood at one moment. Equal looks: nobody touched any of them in between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look(BTreeMap<PathBuf, Print>);

impl Look {
    /// Looks at one more file. To be called before it is read, so that whatever is written meanwhile shows as a
    /// difference in the next look.
    pub(super) fn note(&mut self, path: &Path) {
        self.0.entry(path.to_owned()).or_insert_with(|| Print::of(path));
    }

    /// Looks at the same files again. Asks the disk.
    #[must_use]
    pub fn again(&self) -> Self {
        Self(self.0.keys().map(|path| (path.clone(), Print::of(path))).collect())
    }
}

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Print {
    /// Nothing there, or nothing that we may see.
    Gone,
    /// A pipe or the like, which has no state to compare, and may be there to be read once.
    Irregular,
    /// What the path leads to, symbolic links followed: Kubernetes and Docker replace a file by turning a link
    /// (`..data`) or by a rename, which both lead to another inode. A change of mode shows too, in the time of
    /// change, since it may be what a refused file was waiting for.
    File { device: u64, inode: u64, size: u64, modified: (i64, i64), changed: (i64, i64) },
}

impl Print {
    fn of(path: &Path) -> Self {
        match fs::metadata(path) {
            Err(_) => Self::Gone,
            Ok(file) if !file.is_file() => Self::Irregular,
            Ok(file) => Self::File {
                device: file.dev(),
                inode: file.ino(),
                size: file.size(),
                modified: (file.mtime(), file.mtime_nsec()),
                changed: (file.ctime(), file.ctime_nsec()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn look(path: &Path) -> Look {
        let mut look = Look::default();
        look.note(path);
        look
    }

    #[test]
    fn whatever_happens_to_a_file_shows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        let mut last = look(&path);
        let mut differs = |what: &str| {
            let now = last.again();
            assert_ne!(now, last, "{what}");
            assert_eq!(now.again(), now, "{what}");
            last = now;
        };
        fs::write(&path, "one").unwrap();
        differs("made");
        fs::write(&path, "longer").unwrap();
        differs("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        differs("closed to others");
        fs::write(dir.path().join("new"), "longer").unwrap();
        fs::rename(dir.path().join("new"), &path).unwrap();
        differs("replaced by a rename");
        fs::remove_file(&path).unwrap();
        differs("removed");
        fs::create_dir(&path).unwrap();
        differs("no file");
    }

    #[test]
    fn a_link_that_turns_shows_wherever_it_stands_in_the_path() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["first", "second"] {
            fs::create_dir(dir.path().join(name)).unwrap();
            fs::write(dir.path().join(name).join("password"), "same").unwrap();
        }
        // As the kubelet does it: the file is a link through a link that is turned.
        symlink("first", dir.path().join("..data")).unwrap();
        symlink("..data/password", dir.path().join("password")).unwrap();
        let before = look(&dir.path().join("password"));
        assert_eq!(before.again(), before);
        symlink("second", dir.path().join("..data_tmp")).unwrap();
        fs::rename(dir.path().join("..data_tmp"), dir.path().join("..data")).unwrap();
        assert_ne!(before.again(), before);
    }

    #[test]
    fn what_was_noted_first_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        let mut twice = look(&path);
        fs::write(&path, "one").unwrap();
        twice.note(&path);
        assert_ne!(twice.again(), twice);
    }
}
