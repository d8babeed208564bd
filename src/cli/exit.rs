//! What the process's exit status means, by sysexits(3) where that has a word for it.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It did what it was for; a drained proxy too.
    Success = 0,
    /// It did not: not ready, a request that would be refused, an order not carried out, or a part of the proxy ended before it was told to.
    Failure = 1,
    /// The command line cannot be understood (`EX_USAGE`).
    Usage = 64,
    /// An address cannot be listened on (`EX_UNAVAILABLE`).
    Unavailable = 69,
    /// The operating system refused something else (`EX_OSERR`).
    System = 71,
    /// The configuration is wrong; nothing was started (`EX_CONFIG`).
    Config = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The table for `--help`.
pub(super) const EXIT_CODES: &str = "Exit status:
   0  done, or drained after SIGTERM or SIGINT
   1  failed: not ready, refused, not all done, or a part of the proxy ended early
  64  the command line cannot be understood
  69  an address cannot be listened on
  71  the operating system refused something else
  78  the configuration is wrong; nothing was started";
