//! The two data sets of Tradovate.

use std::str::FromStr;

use crate::origin::Origin;

/// Paper or real money. The two hold separate accounts, orders and ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Environment {
    /// Simulated trading.
    #[default]
    Demo,
    /// Real money.
    Live,
}

impl Environment {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Demo, Self::Live];

    /// The name in settings, metrics and logs, and its key in `apiHosts`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Demo => "demo",
            Self::Live => "live",
        }
    }

    /// Where a session begins, before any answer has named a host.
    ///
    /// # Panics
    /// Never: both are constants, and a test parses them.
    pub fn bootstrap(self) -> Origin {
        let url = match self {
            Self::Demo => "https://demo.tradovateapi.com",
            Self::Live => "https://live.tradovateapi.com",
        };
        url.parse().expect("a constant that a test parses")
    }
}

impl FromStr for Environment {
    type Err = UnknownEnvironment;

    fn from_str(name: &str) -> Result<Self, UnknownEnvironment> {
        Self::ALL.into_iter().find(|environment| environment.name() == name).ok_or(UnknownEnvironment)
    }
}

/// Neither `demo` nor `live`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the environment is demo or live")]
pub struct UnknownEnvironment;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_bootstrap_origins_parse() {
        for environment in Environment::ALL {
            assert!(environment.bootstrap().is_tls());
            assert_eq!(environment.name().parse(), Ok(environment));
        }
        assert_eq!("Demo".parse::<Environment>(), Err(UnknownEnvironment));
    }
}
