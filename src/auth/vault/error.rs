//! Why the state directory, or what lies in it, cannot be used.

use std::{io, path::PathBuf};

/// Why the state directory, or what lies in it, cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// Another process holds the lock.
    #[error(
        "the state directory {} is in use by process {pid}: stop that one, or give each its own directory",
        directory.display()
    )]
    InUse {
        /// The directory.
        directory: PathBuf,
        /// What the holder wrote into the lock: its process id, or `unknown`.
        pid: String,
    },
    /// Owned by another user.
    #[error(
        "{0} belongs to user {owner}, not to us: run chown -R {us} {0}, or name another state directory",
        path.display()
    )]
    Foreign {
        /// What.
        path: PathBuf,
        /// Its owner's id.
        owner: u32,
        /// Ours.
        us: u32,
    },
    /// A link, or something odder, where one of our files should be.
    #[error(
        "{0} is not a regular file: run mv {0} {0}.away, or name another state directory",
        path.display()
    )]
    NotAFile {
        /// What.
        path: PathBuf,
    },
    /// A directory that others use too, such as `/tmp`.
    #[error(
        "the state directory {} is shared with other users: name one of our own below it",
        path.display()
    )]
    Shared {
        /// The directory.
        path: PathBuf,
    },
    /// A directory that others may read, with things in it that are not the proxy's.
    #[error(
        "the state directory {0} can be read by others and holds other things: name one of its own, or run \
         chmod 700 {0}",
        path.display()
    )]
    Lax {
        /// The directory.
        path: PathBuf,
    },
    /// An encrypted record, and no key.
    #[error(
        "{0} is encrypted, and session.store-key (TRADOVATE_PROXY_SESSION_STORE_KEY) is not set: set it; if the key \
         is lost, run rm {0}, which costs a login and forgets which were tried",
        path.display()
    )]
    Sealed {
        /// The file.
        path: PathBuf,
    },
    /// An encrypted record, and the key of another.
    #[error(
        "{0} is encrypted with the key {theirs}, and session.store-key (TRADOVATE_PROXY_SESSION_STORE_KEY) is the \
         key {ours}: set the right one; if that is lost, run rm {0}, which costs a login and forgets which were tried",
        path.display()
    )]
    OtherKey {
        /// The file.
        path: PathBuf,
        /// The id of the key that sealed it.
        theirs: String,
        /// The id of the key that was set.
        ours: String,
    },
    /// The system said no.
    #[error("cannot {action} {}: {source}; name another state directory if it cannot be mended", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}
