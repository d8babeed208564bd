//! The file of a Unix socket, from its creation to its removal.
//!
//! Three steps leave no moment in which somebody else could connect: `bind` makes the file, with whatever mode the
//! process's mask leaves; then it gets its mode; and only then does the socket listen: until that a connection is
//! refused, whoever tries. No process-wide mask is touched, which other threads would feel.
//!
//! What is there already is removed only if it is a socket and nobody answers: what a crash leaves. That two proxies
//! find the same remains in the same moment is kept apart by the lock on their state directory, which comes first.

use std::{
    fs,
    io::{self, ErrorKind},
    os::unix::{
        fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
        net::UnixListener,
    },
    path::{Path, PathBuf},
};

use socket2::{Domain, SockAddr, Socket, Type};

use crate::downstream::{Openness, listeners::BACKLOG};

/// A socket's file, ours. Removed when dropped, unless another one has taken its place.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Device and inode. While the socket is open they cannot be another file's.
    id: (u64, u64),
}

impl SocketFile {
    /// Listens at `path`, which is made, open for whom `openness` says.
    ///
    /// # Errors
    /// With [`ErrorKind::AddrInUse`] if somebody answers there, with [`ErrorKind::AlreadyExists`] if there is something
    /// that is no socket, and with what the system says.
    pub(super) fn bind(path: &Path, openness: Openness) -> io::Result<(UnixListener, Self)> {
        make_way(path)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&SockAddr::unix(path)?)?;
        let file = Self { path: path.to_owned(), id: id(&fs::symlink_metadata(path)?) };
        fs::set_permissions(path, fs::Permissions::from_mode(openness.mode()))?;
        socket.set_nonblocking(true)?;
        socket.listen(BACKLOG.cast_signed())?;
        Ok((socket.into(), file))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours = fs::symlink_metadata(&self.path).is_ok_and(|found| id(&found) == self.id);
        if is_ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "the socket's file could not be removed; the next start does that");
        }
    }
}

/// Removes a socket that nobody listens on any more.
fn make_way(path: &Path) -> io::Result<()> {
    // A symbolic link is not followed: what it leads to is not ours to remove.
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.file_type().is_socket() {
        let what = "there is something there that is no socket; it is left alone";
        return Err(io::Error::new(ErrorKind::AlreadyExists, what));
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // It must not wait for a listener whose queue is full; that one is alive.
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(error),
        Ok(()) | Err(_) => {
            Err(io::Error::new(ErrorKind::AddrInUse, "a running program listens there already"))
        }
    }
}

fn id(file: &fs::Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

#[cfg(test)]
mod tests {
    use std::os::unix::{
        fs::symlink,
        net::{UnixDatagram, UnixStream},
    };

    use super::*;

    fn bind(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
        SocketFile::bind(path, Openness::Owner)
    }

    #[test]
    fn it_has_its_mode_and_goes_with_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        for (openness, mode) in
            [(Openness::Owner, 0o600), (Openness::Group, 0o660), (Openness::Everyone, 0o666)]
        {
            let path = dir.path().join("proxy.sock");
            let bound = SocketFile::bind(&path, openness).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, mode);
            UnixStream::connect(&path).unwrap();
            drop(bound);
            assert!(!path.exists());
        }
    }

    #[test]
    fn nobody_gets_in_before_the_mode_is_there() {
        let path = tempfile::tempdir().unwrap().keep().join("proxy.sock");
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        socket.bind(&SockAddr::unix(&path).unwrap()).unwrap();
        // The premise of the order of steps: a socket that is bound and does not listen refuses everybody.
        assert_eq!(UnixStream::connect(&path).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }

    #[test]
    fn what_a_crash_left_makes_way() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("proxy.sock");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "the standard library removes no file");
        let (_listener, _file) = bind(&path).unwrap();
        UnixStream::connect(&path).unwrap();
    }

    #[test]
    fn whoever_answers_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("proxy.sock");
        let other = UnixListener::bind(&path).unwrap();
        let error = bind(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse, "{error}");
        assert!(path.exists());
        drop(other);
        fs::remove_file(&path).unwrap();
        // Of another type, and alive too.
        let _other = UnixDatagram::bind(&path).unwrap();
        assert_eq!(bind(&path).unwrap_err().kind(), ErrorKind::AddrInUse);
        assert!(path.exists());
    }

    #[test]
    fn what_is_no_socket_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "precious").unwrap();
        let link = dir.path().join("link");
        let dead = dir.path().join("dead");
        drop(UnixListener::bind(&dead).unwrap());
        symlink(&dead, &link).unwrap();
        for there in [&path, &link, &dir.path().to_owned()] {
            let error = bind(there).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{}: {error}", there.display());
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        assert!(dead.exists() && link.is_symlink());
    }

    #[test]
    fn a_successors_file_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("proxy.sock");
        let (listener, file) = bind(&path).unwrap();
        // As an operator might, to start another one beside it.
        fs::remove_file(&path).unwrap();
        let _successor = bind(&path).unwrap();
        drop(file);
        drop(listener);
        UnixStream::connect(&path).unwrap();
    }
}
