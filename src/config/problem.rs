//! What can be wrong with a configuration, and what to do about it.

use std::{fmt, io, path::PathBuf};

use crate::{
    config::value::Invalid,
    downstream::{Address, Unusable},
};

/// Everything that is wrong, so that one start shows all of it. Prints as a list.
#[derive(Debug, thiserror::Error)]
pub struct ConfigErrors(pub Vec<Problem>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("1 problem with the configuration:")?,
            number => write!(f, "{number} problems with the configuration:")?,
        }
        for problem in &self.0 {
            write!(f, "\n  - {problem}")?;
        }
        Ok(())
    }
}

/// One thing that is wrong: where, what, and what to do.
#[derive(Debug)]
pub struct Problem {
    /// The variable, flag or key that it is about.
    pub name: String,
    /// Where that was found.
    pub source: Source,
    /// What is wrong with it.
    pub fault: Fault,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, source, fault } = self;
        f.write_str(name)?;
        match source {
            Source::Default => {}
            Source::Environment | Source::SecretFile(_) | Source::File { .. } | Source::Flag => {
                write!(f, " ({source})")?;
            }
        }
        write!(f, ": {fault}")?;
        match fault.remedy() {
            Some(remedy) => write!(f, "\n    {remedy}"),
            None => Ok(()),
        }
    }
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nobody set it.
    Default,
    /// The environment.
    Environment,
    /// A file that the environment or the configuration file names.
    SecretFile(PathBuf),
    /// The configuration file.
    File {
        /// Its path.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// The command line.
    Flag,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Environment => f.write_str("environment"),
            Self::SecretFile(path) => write!(f, "file {}", path.display()),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Flag => f.write_str("command line"),
        }
    }
}

/// What is wrong. Holds values of settings that are not credentials, and no others.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The value does not have the form it must have.
    #[error("{}{why}", quoted(.value.as_deref()))]
    Invalid {
        /// The value, unless it belongs to a credential.
        value: Option<String>,
        /// What is wrong with it.
        why: Invalid,
    },
    /// No setting of this name.
    #[error("unknown{}", suggestion(.meant.as_deref()))]
    Unknown {
        /// A name much like it.
        meant: Option<String>,
    },
    /// Set to nothing.
    #[error("set, but empty")]
    Empty,
    /// Bytes that are no text.
    #[error("not valid UTF-8")]
    NotText,
    /// More than a line, or control characters.
    #[error("more than one line, or characters that cannot be part of it")]
    NotALine,
    /// The value and a file with the value.
    #[error("set together with {other}, and only one of them can be meant")]
    Both {
        /// The other name.
        other: String,
    },
    /// A file that cannot be read.
    #[error("the file {} cannot be read: {error}", .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A device, a pipe or a directory where a file should be: reading it might never end.
    #[error("{} is not a regular file", .path.display())]
    NotAFile {
        /// Which.
        path: PathBuf,
    },
    /// A file that is longer than any credential.
    #[error("the file {} is longer than {most} bytes", .path.display())]
    TooLong {
        /// Which.
        path: PathBuf,
        /// The limit.
        most: usize,
    },
    /// The configuration file is not TOML. The parser's words, never its excerpt, which may hold a secret.
    #[error("not valid TOML: {message}")]
    Syntax {
        /// What the parser says.
        message: String,
    },
    /// A TOML value of a type that no setting has.
    #[error("{found} cannot be the value of a setting: write text, a number, true, false or a list of texts")]
    Type {
        /// The type.
        found: &'static str,
    },
    /// A secret in a file that others may read.
    #[error("a secret in a file that others may read (its mode is {mode:03o})")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A credential that the source of tokens cannot do without.
    #[error("missing, and needed {to}")]
    Missing {
        /// What for.
        to: &'static str,
        /// The TOML key that would do as well.
        key: &'static str,
        /// Where a user gets the value.
        whence: &'static str,
    },
    /// `live`, without its confirmation.
    #[error("live means real money, and that was not confirmed")]
    Unconfirmed,
    /// A live host, without `live`.
    #[error("{host} means real money, and env does not say live")]
    LiveInDisguise {
        /// The host.
        host: String,
    },
    /// Another API, without its address.
    #[error("another API has no address of its own here")]
    Nowhere,
    /// Another API, with tokens that only Tradovate's own calls get or extend.
    #[error("another API does not know the calls by which Tradovate opens and extends a session")]
    ForeignLogin,
    /// Tradovate's own host, as another API.
    #[error("{host} is Tradovate's, and as another API it would show callers the token")]
    TradovateAsOther {
        /// The host.
        host: String,
    },
    /// An address beyond loopback, with nothing that keeps others out.
    #[error("{address} can be reached from outside, and whoever reaches it can act in your account")]
    Open {
        /// The address.
        address: Address,
        /// The setting that would guard it.
        keys: &'static str,
    },
    /// Commands cannot ask where only TLS is spoken.
    #[error("the admin listener speaks only TLS, and the commands of this program do not")]
    NoSocket,
    /// A setting that means nothing by itself.
    #[error("set without {needs}, and it means nothing without that")]
    Without {
        /// The key of the other setting.
        needs: &'static str,
    },
    /// Certificate, key and client authority that do not go together.
    #[error(transparent)]
    Identity(Unusable),
    /// Two listeners at one address.
    #[error("{other} listens on {address} too")]
    SameAddress {
        /// The other setting.
        other: &'static str,
        /// Where.
        address: Address,
    },
}

impl Fault {
    /// What to do, where the fault does not say it already.
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::Empty => Some("give it a value, or do not set it at all".to_owned()),
            Self::Both { .. } => Some("remove one of the two".to_owned()),
            Self::Unreadable { .. } => {
                Some("check the path, and that the user who runs the proxy may read it".to_owned())
            }
            Self::NotAFile { .. } | Self::TooLong { .. } => {
                Some("name a file that holds the value, and nothing else".to_owned())
            }
            Self::Exposed { path, .. } => Some(format!("run: chmod 600 {}", path.display())),
            Self::Missing { key, whence, .. } => Some(format!("{whence} (TOML key: {key})")),
            Self::Unconfirmed => {
                Some("set TRADOVATE_PROXY_LIVE=yes as well, or use TRADOVATE_PROXY_ENV=demo".to_owned())
            }
            Self::LiveInDisguise { .. } => Some(
                "set TRADOVATE_PROXY_ENV=live and TRADOVATE_PROXY_LIVE=yes (then this URL is not needed)"
                    .to_owned(),
            ),
            Self::Nowhere => Some("set TRADOVATE_PROXY_UPSTREAM_URL as well".to_owned()),
            Self::ForeignLogin => Some(
                "set TRADOVATE_PROXY_SOURCE=oauth2 with TRADOVATE_PROXY_OAUTH2_RENEWAL=refresh, or use \
                 TRADOVATE_PROXY_API=tradovate"
                    .to_owned(),
            ),
            Self::TradovateAsOther { .. } => Some("use TRADOVATE_PROXY_API=tradovate".to_owned()),
            Self::Open { address, keys } => Some(format!(
                "use {local}, and run the callers on the same machine or in the same network namespace (a sidecar); \
                 or give each a key (tradovate-proxy key NAME) and set {keys}; or demand certificates, with \
                 TRADOVATE_PROXY_TLS_CLIENT_CA (and TRADOVATE_PROXY_ADMIN_TLS=yes for the admin listener); or, if a \
                 firewall of yours keeps others out, set TRADOVATE_PROXY_UNSAFE_OPEN=yes",
                local = on_loopback(address)
            )),
            Self::NoSocket => {
                Some("add a Unix socket to it: …,unix:/run/tradovate-proxy/admin.sock".to_owned())
            }
            Self::Without { needs } => Some(format!("set {needs} as well, or remove this")),
            Self::Identity(Unusable::Certificate(_)) => {
                Some("name the key that the certificate was made with: both are replaced together".to_owned())
            }
            Self::Identity(_) => {
                Some("name a PEM file with the certificates of your client authority".to_owned())
            }
            Self::SameAddress { .. } => Some("give each its own".to_owned()),
            Self::Invalid { .. }
            | Self::Unknown { .. }
            | Self::NotText
            | Self::NotALine
            | Self::Syntax { .. }
            | Self::Type { .. } => None,
        }
    }
}

/// The name among `known` that someone who wrote `name` most likely meant.
pub(super) fn closest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .filter_map(|known| {
            let most = MOST_SLIPS.min(known.len() / 3);
            let distance = (least_slips(name, known) <= most).then(|| strsim::osa_distance(name, known))?;
            (distance <= most).then_some((distance, known))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// No fewer slips than this make one name of the other: one slip adds a letter, or takes one away, or both. Spares most
/// names the closer look, which takes time that grows with the square of their length.
fn least_slips(one: &str, other: &str) -> usize {
    let mut surplus = [0_i32; 32];
    one.chars().for_each(|c| surplus[c as usize % 32] += 1);
    other.chars().for_each(|c| surplus[c as usize % 32] -= 1);
    let apart: u32 = surplus.iter().map(|letters| letters.unsigned_abs()).sum();
    let longer = surplus.iter().sum::<i32>().unsigned_abs();
    // Of the letters apart, one slip puts one in the place of another, as long as there are both.
    apart.midpoint(longer) as usize
}

/// More differences than this make another name, not a slip.
const MOST_SLIPS: usize = 4;

/// The same on this machine alone.
fn on_loopback(address: &Address) -> String {
    match address {
        Address::Tcp(address) => format!("127.0.0.1:{}", address.port()),
        Address::Unix(_) => address.to_string(),
    }
}

fn quoted(value: Option<&str>) -> String {
    // `{:?}` so that control characters in the value stay where they are harmless.
    value.map(|value| format!("{value:?} is wrong: ")).unwrap_or_default()
}

fn suggestion(meant: Option<&str>) -> String {
    meant.map(|meant| format!("; did you mean {meant}?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_name_is_none() {
        let known = ["TRADOVATE_PROXY_LISTEN", "TRADOVATE_PROXY_LIVE", "TRADOVATE_NAME"];
        let meant = |name: &str| closest(name, known.into_iter());
        for (name, expected) in [
            ("TRADOVATE_PROXY_LISTNE", Some("TRADOVATE_PROXY_LISTEN")),
            ("TRADOVATE_PROXY_LISEN", Some("TRADOVATE_PROXY_LISTEN")),
            ("TRADOVATE_PROXY_LISTTEN", Some("TRADOVATE_PROXY_LISTEN")),
            ("TRADOVATE_PROXY_LI\u{15f}TEN", Some("TRADOVATE_PROXY_LISTEN")),
            ("TRADOVATE_PROXY_LIFE", Some("TRADOVATE_PROXY_LIVE")),
            ("TRADOVATE_NAMES", Some("TRADOVATE_NAME")),
            ("TRADOVATE_PROXY_UPSTREAM", None),
            ("", None),
        ] {
            assert_eq!(meant(name), expected, "{name}");
        }
    }
}
