//! Who may call: `Host`, what a browser adds, and keys.

use std::{net::IpAddr, sync::LazyLock};

use prometheus::Registry;

use crate::{
    callers::{Callers, Listener, Metrics, Rules, Signs, Stranger},
    fuzzing::naive::{self, host::Host},
};

/// A byte for the listener and what is known of the connection, and the fields of a head, a line each: exactly those are
/// let in, and as those callers, as an independent reading of the same rules says.
///
/// # Panics
/// When it is anybody else.
pub fn callers(input: &[u8]) {
    let (&on, lines) = input.split_first().unwrap_or((&0, b""));
    let fields: Vec<_> = lines.split(|&byte| byte == b'\n').filter_map(naive::field).collect();
    let asked = Asked {
        is_http10: on & 1 != 0,
        arrived: [None, Some("10.1.2.3"), Some("::ffff:10.1.2.3"), Some("::")][usize::from(on >> 1) % 4],
        certified: (on & 8 != 0).then_some("desk.example"),
        is_admin: on & 16 != 0,
        has_keys: on & 32 != 0,
        fields: &fields,
    };
    let callers = &LISTENERS[usize::from(asked.is_admin)][usize::from(asked.has_keys)];
    let signs = Signs::read(asked.is_http10, fields.iter().copied());
    let arrived_at = || asked.arrived.and_then(|address| address.parse::<IpAddr>().ok());
    let admitted = callers.admit(&signs, asked.certified, arrived_at);
    let admitted = admitted.map(|caller| caller.name().to_owned()).map_err(Stranger::code);
    assert_eq!(admitted, asked.admitted());
}

/// A request, as far as it says whose it is.
struct Asked<'a> {
    is_http10: bool,
    arrived: Option<&'a str>,
    certified: Option<&'a str>,
    is_admin: bool,
    has_keys: bool,
    fields: &'a [(&'a [u8], &'a [u8])],
}

impl<'a> Asked<'a> {
    /// Whose it is; or what is wrong with it.
    fn admitted(&self) -> Result<String, &'static str> {
        match self.all("host")[..] {
            [] if self.is_http10 => {}
            [host] => match Host::read(host) {
                Some(host) if self.is_ours(&host) => {}
                Some(_) => return Err("unknown-host"),
                None => return Err("bad-host"),
            },
            _ => return Err("bad-host"),
        }
        if self.is_sent_for_a_page() {
            return Err("web-page");
        }
        match self.certified {
            Some(name) if !self.is_admin || !self.has_keys => return Ok(format!("cert:{name}")),
            _ if !self.has_keys => return Ok("local".to_owned()),
            _ => {}
        }
        let known = KEYS.iter().find(|(key, _, _)| Some(key.as_bytes()) == self.key());
        known.map(|(_, name, _)| (*name).to_owned()).ok_or("caller-key")
    }

    fn is_ours(&self, host: &Host) -> bool {
        let is = |known: &str| Host::read(known.as_bytes()).as_ref() == Some(host);
        let arrived = self.arrived.is_some_and(|address| {
            let address = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
            is(&address)
        });
        let is_nobody = is("0.0.0.0") || is("[::]");
        host.is_loopback() || is("localhost") || HOSTS.iter().any(|known| is(known)) || arrived && !is_nobody
    }

    fn is_sent_for_a_page(&self) -> bool {
        // Fetch §3.2.2: what is asked for stands behind it.
        let is_preflight = |name: &[u8]| {
            let name = String::from_utf8_lossy(name).to_ascii_lowercase();
            name.strip_prefix("access-control-request-").is_some_and(|what| !what.is_empty())
        };
        if self.fields.iter().any(|(name, _)| is_preflight(name)) {
            return true;
        }
        match self.all("origin")[..] {
            [] => {
                self.all("sec-fetch-site").iter().any(|site| ![&b"none"[..], b"same-origin"].contains(site))
            }
            [origin] => self.is_admin || origin != ORIGIN.as_bytes(),
            _ => true,
        }
    }

    /// `X-Proxy-Key`, or else `Authorization: Bearer`; of either, one.
    fn key(&self) -> Option<&'a [u8]> {
        match (&self.all("x-proxy-key")[..], &self.all("authorization")[..]) {
            (&[key], _) => Some(key),
            ([], &[credentials]) => {
                let space = credentials.iter().position(|&byte| byte == b' ')?;
                let (scheme, key) = credentials.split_at(space);
                scheme.eq_ignore_ascii_case(b"bearer").then(|| naive::trimmed(key))
            }
            _ => None,
        }
    }

    fn all(&self, name: &str) -> Vec<&'a [u8]> {
        let named = self.fields.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name.as_bytes()));
        named.map(|(_, value)| *value).collect()
    }
}

const HOSTS: [&str; 3] = ["proxy.internal", "192.168.1.5", "[fd00::5]"];
const ORIGIN: &str = "chrome-extension://abc";

/// Keys, whose they are, and their SHA-256 (FIPS 180-4 has the first).
const KEYS: [(&str, &str, &str); 2] = [
    ("abc", "desk", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ("hello", "night", "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"),
];

/// The proxy's and the admin one, each without keys and with them.
static LISTENERS: LazyLock<[[Callers; 2]; 2]> = LazyLock::new(|| {
    let metrics = Metrics::register(&Registry::new()).expect("the registry is empty");
    let keys = KEYS.map(|(_, name, digest)| format!("{name}=sha256:{digest}")).join(",");
    [Listener::Proxy, Listener::Admin].map(|listener| {
        let hosts = HOSTS.map(|host| host.parse().expect("it is a host")).into();
        let origins = if listener == Listener::Proxy { vec![ORIGIN.to_owned()] } else { Vec::new() };
        let open = Rules { hosts, origins, ..Rules::default() };
        let keyed = Rules { keys: keys.parse().expect("they are keys"), ..open.clone() };
        [open, keyed].map(|rules| Callers::new(listener, rules, &metrics))
    })
});
