//! How a request can be too slow.

use std::{fmt, time::Duration};

/// Which bound it did not keep, and what that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slow {
    /// Setting `timeouts.request-head`.
    Head(Duration),
    /// Setting `timeouts.downstream-idle`.
    Pause(Duration),
    /// Setting `timeouts.request-body`.
    Body(Duration),
}

impl Slow {
    /// The setting to raise.
    pub fn setting(self) -> &'static str {
        match self {
            Self::Head(_) => "timeouts.request-head",
            Self::Pause(_) => "timeouts.downstream-idle",
            Self::Body(_) => "timeouts.request-body",
        }
    }
}

impl fmt::Display for Slow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head(bound) => write!(f, "its head took longer than {} s", bound.as_secs_f32()),
            Self::Pause(bound) => write!(f, "no byte of its body came for {} s", bound.as_secs_f32()),
            Self::Body(bound) => write!(f, "its body took longer than {} s", bound.as_secs_f32()),
        }
    }
}
