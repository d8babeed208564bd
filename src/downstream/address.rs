//! Where to listen: addresses and ports, and paths of Unix sockets.

use std::{
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
};

/// One place to listen at. Written `127.0.0.1:8080`, or `unix:` and a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An address and a port; no name: what `localhost` means is up to a file, and may be two addresses.
    Tcp(SocketAddr),
    /// The path of a Unix socket, absolute: whoever connects has another working directory.
    Unix(PathBuf),
}

impl Address {
    /// Whether only this machine, or this network namespace, can reach it.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }

    /// Whether both cannot be listened on together. Port 0 is a free one each.
    fn collides(&self, other: &Self) -> bool {
        self == other && !matches!(self, Self::Tcp(address) if address.port() == 0)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let Some(path) = text.strip_prefix(UNIX) else {
            return text.parse().map(Self::Tcp).map_err(|_| AddressError::Form);
        };
        if !Path::new(path).is_absolute() || path.ends_with('/') {
            return Err(AddressError::Path);
        }
        if path.len() > LONGEST_PATH {
            return Err(AddressError::PathTooLong { bytes: path.len() });
        }
        Ok(Self::Unix(path.into()))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

/// Places to listen at, at least one, and each once. Written with commas between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses(Vec<Address>);

impl Addresses {
    /// Those of listeners that are bound, and so are not none.
    pub(super) fn of(addresses: Vec<Address>) -> Self {
        Self(addresses)
    }

    /// Each, in the order in which they were written.
    pub fn iter(&self) -> impl Iterator<Item = &Address> {
        self.0.iter()
    }

    /// The first that is not a Unix socket.
    pub fn tcp(&self) -> Option<SocketAddr> {
        self.iter().find_map(|address| match address {
            Address::Tcp(address) => Some(*address),
            Address::Unix(_) => None,
        })
    }

    /// The first Unix socket.
    pub fn unix(&self) -> Option<&Path> {
        self.iter().find_map(|address| match address {
            Address::Tcp(_) => None,
            Address::Unix(path) => Some(path.as_path()),
        })
    }

    /// One that is in `other` too, so that both cannot be listened on.
    pub fn shared_with(&self, other: &Self) -> Option<&Address> {
        self.iter().find(|address| other.iter().any(|other| address.collides(other)))
    }
}

impl FromStr for Addresses {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let mut addresses: Vec<Address> = Vec::new();
        for entry in text.split(',') {
            let address: Address = entry.trim().parse()?;
            if addresses.iter().any(|other| other.collides(&address)) {
                return Err(AddressError::Twice);
            }
            addresses.push(address);
        }
        Ok(Self(addresses))
    }
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, address) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(",")?;
            }
            address.fmt(f)?;
        }
        Ok(())
    }
}

/// Why a text names no place to listen at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Neither an address nor a socket.
    #[error(
        "not an address and a port, such as 127.0.0.1:8080 or [::1]:8080, nor unix: and a path, such as \
         unix:/run/tradovate-proxy/proxy.sock"
    )]
    Form,
    /// A path that means something else in every directory, or is a directory.
    #[error("after unix: there must be an absolute path of a file, such as /run/tradovate-proxy/proxy.sock")]
    Path,
    /// More than the operating system takes.
    #[error(
        "the path of a Unix socket can have {LONGEST_PATH} bytes, and this one has {bytes}: choose a shorter one"
    )]
    PathTooLong {
        /// How long it is.
        bytes: usize,
    },
    /// One address twice.
    #[error("the same address twice")]
    Twice,
}

const UNIX: &str = "unix:";
/// unix(7): `sun_path` is 108 bytes on Linux and 104 on the BSDs, a zero at the end.
const LONGEST_PATH: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        for text in ["127.0.0.1:8080", "[::1]:1", "unix:/run/p.sock", "127.0.0.1:0,unix:/a b/c,127.0.0.1:0"] {
            assert_eq!(text.parse::<Addresses>().unwrap().to_string(), text);
        }
        let spaced: Addresses = "127.0.0.1:1, unix:/x".parse().unwrap();
        assert_eq!(spaced.tcp(), Some("127.0.0.1:1".parse().unwrap()));
        assert_eq!(spaced.unix(), Some(Path::new("/x")));
    }

    #[test]
    fn what_names_no_place_says_why() {
        let long = format!("unix:/{}", "x".repeat(LONGEST_PATH));
        for (text, expected) in [
            ("", AddressError::Form),
            ("localhost:8080", AddressError::Form),
            ("127.0.0.1", AddressError::Form),
            ("127.0.0.1:1,", AddressError::Form),
            ("/run/p.sock", AddressError::Form),
            ("unix:", AddressError::Path),
            ("unix:p.sock", AddressError::Path),
            ("unix:@abstract", AddressError::Path),
            ("unix:/run/", AddressError::Path),
            (&long, AddressError::PathTooLong { bytes: LONGEST_PATH + 1 }),
            ("127.0.0.1:1,127.0.0.1:1", AddressError::Twice),
            ("unix:/x,unix:/x", AddressError::Twice),
        ] {
            assert_eq!(text.parse::<Addresses>(), Err(expected), "{text:?}");
        }
        assert!(format!("unix:/{}", "x".repeat(LONGEST_PATH - 1)).parse::<Addresses>().is_ok());
    }

    #[test]
    fn what_only_this_machine_can_reach() {
        for (text, local) in [
            ("127.9.9.9:1", true),
            ("[::1]:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("unix:/x", true),
            ("0.0.0.0:1", false),
            ("[::]:1", false),
            ("10.0.0.1:1", false),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().is_local(), local, "{text}");
        }
    }

    #[test]
    fn a_free_port_collides_with_nothing() {
        let addresses = |text: &str| text.parse::<Addresses>().unwrap();
        assert_eq!(addresses("127.0.0.1:0").shared_with(&addresses("127.0.0.1:0")), None);
        let shared = addresses("127.0.0.1:1,unix:/x");
        assert_eq!(shared.shared_with(&addresses("unix:/x")), Some(&Address::Unix("/x".into())));
        assert_eq!(shared.shared_with(&addresses("unix:/y,127.0.0.1:2")), None);
    }
}
