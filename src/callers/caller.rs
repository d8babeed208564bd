//! Whose a request is.

use std::{fmt, str::FromStr, sync::Arc};

/// Who sent a request, as far as is known. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Caller {
    /// Somebody who reached the listener, where that is all that is asked.
    #[default]
    Local,
    /// Somebody whom the configuration names.
    Named(Arc<str>),
    /// The proxy itself, which cancels working orders when it is killed and told to.
    KillSwitch,
}

impl Caller {
    /// The holder of a certificate in which this name stands: called so that no key's name is the same.
    pub(super) fn certified(name: &str) -> Self {
        Self::Named(format!("{CERTIFIED}{name}").into())
    }

    /// The name for logs, metrics and the audit. There are as many as the configuration has, one for
    /// each certificate that its authority has signed, and one.
    pub fn name(&self) -> &str {
        match self {
            Self::Local => LOCAL,
            Self::Named(name) => name,
            Self::KillSwitch => KILL_SWITCH,
        }
    }

    /// Whether it has shown who it is.
    pub fn is_named(&self) -> bool {
        matches!(self, Self::Named(_))
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that a user chose.
impl FromStr for Caller {
    type Err = InvalidName;

    fn from_str(name: &str) -> Result<Self, InvalidName> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        // What stands for nobody, or for the proxy, in logs and metrics must be nobody's name.
        let is_free = ![LOCAL, NOBODY, KILL_SWITCH].iter().any(|taken| name.eq_ignore_ascii_case(taken));
        if (1..=LONGEST).contains(&name.len()) && name.bytes().all(is_plain) && is_free {
            Ok(Self::Named(name.into()))
        } else {
            Err(InvalidName)
        }
    }
}

/// No name for a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a caller's name is 1 to {LONGEST} letters, digits, `-`, `_` and `.`, and none of `local`, `none` and `kill-switch`"
)]
pub struct InvalidName;

const LOCAL: &str = "local";
const KILL_SWITCH: &str = "kill-switch";
const CERTIFIED: &str = "cert:";
/// What logs and metrics say of a request that is nobody's.
pub const NOBODY: &str = "none";
const LONGEST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_plain_and_free() {
        for name in ["desk-bot", "a", "A.b_9", &"x".repeat(LONGEST)] {
            assert_eq!(name.parse::<Caller>().unwrap().name(), name);
        }
        for name in [
            "",
            "local",
            "Local",
            "none",
            "Kill-Switch",
            "a b",
            "a\"b",
            "a,b",
            "a=b",
            "ä",
            &"x".repeat(LONGEST + 1),
        ] {
            assert_eq!(name.parse::<Caller>(), Err(InvalidName), "{name:?}");
        }
        assert!(!Caller::Local.is_named());
        assert_eq!(Caller::certified("desk.example").name(), "cert:desk.example");
        assert!("cert:desk.example".parse::<Caller>().is_err(), "no key has such a name");
    }
}
