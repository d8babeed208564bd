//! The environment as a value, so that only one place reads the real one and tests bring their own.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fmt,
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
};

use secrecy::zeroize::Zeroizing;

/// Environment variables. Kept for as long as the process runs, since the configuration may be read again; so values
/// are wiped when they are dropped. `Debug` prints names only.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<OsString, Zeroizing<Vec<u8>>>);

impl Environment {
    /// What this process was started with. For [`receive`](crate::config::handover::receive) alone: everyone
    /// else is given the result.
    pub(super) fn of_process() -> Self {
        std::env::vars_os().collect()
    }

    /// The value of `name`, if it is set.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(|value| OsStr::from_bytes(value))
    }

    pub(super) fn insert(&mut self, name: impl Into<OsString>, value: impl Into<OsString>) {
        self.0.insert(name.into(), Zeroizing::new(value.into().into_vec()));
    }

    /// Whether it was there.
    pub(super) fn remove(&mut self, name: &str) -> bool {
        self.0.remove(OsStr::new(name)).is_some()
    }

    /// The names that could be meant for us, sorted.
    pub(super) fn ours(&self) -> impl Iterator<Item = &str> {
        self.0.keys().filter_map(|name| name.to_str()).filter(|name| name.starts_with(PREFIX))
    }
}

impl<N: Into<OsString>, V: Into<OsString>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        let mut environment = Self::default();
        for (name, value) in variables {
            environment.insert(name, value);
        }
        environment
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// What the names of all our variables begin with.
pub(super) const PREFIX: &str = "TRADOVATE_";
