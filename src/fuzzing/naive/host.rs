//! What `Host` says (RFC 9110 §7.2, RFC 3986 §3.2), addresses taken apart by hand.

use super::number;

/// Whom it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::fuzzing) enum Host {
    /// In lower case.
    Name(String),
    /// In 16-bit groups; of IPv4, as IPv6 has it (RFC 4291 §2.5.5.2).
    Address([u16; 8]),
}

impl Host {
    /// `host` or `host:port`; `None` where it is neither.
    pub(in crate::fuzzing) fn read(value: &[u8]) -> Option<Self> {
        if let Some(rest) = value.strip_prefix(b"[") {
            let end = rest.iter().position(|&byte| byte == b']')?;
            is_port(&rest[end + 1..]).then_some(())?;
            return six(&rest[..end]).map(Self::Address);
        }
        let end = value.iter().position(|&byte| byte == b':').unwrap_or(value.len());
        let (host, port) = value.split_at(end);
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(byte);
        (is_port(port) && !host.is_empty() && host.iter().all(is_plain)).then_some(())?;
        let name = || Self::Name(String::from_utf8_lossy(host).to_ascii_lowercase());
        Some(four(host).map_or_else(name, |[high, low]| Self::Address([0, 0, 0, 0, 0, 0xffff, high, low])))
    }

    /// Whether a packet to it never leaves the machine (RFC 1122 §3.2.1.3, RFC 4291 §2.5.3).
    pub(in crate::fuzzing) fn is_loopback(&self) -> bool {
        match self {
            Self::Name(_) => false,
            Self::Address([0, 0, 0, 0, 0, 0xffff, high, _]) => high >> 8 == 127,
            Self::Address(groups) => *groups == [0, 0, 0, 0, 0, 0, 0, 1],
        }
    }
}

/// Nothing, or a colon and a number that fits.
fn is_port(text: &[u8]) -> bool {
    text.is_empty()
        || text.strip_prefix(b":").and_then(|port| number(port, 10)).is_some_and(|port| port < 0x1_0000)
}

/// Four decimals, no zero in front.
fn four(text: &[u8]) -> Option<[u16; 2]> {
    let mut bytes = Vec::new();
    for part in text.split(|&byte| byte == b'.') {
        (part.len() <= 3 && (part.len() == 1 || !part.starts_with(b"0"))).then_some(())?;
        bytes.push(u8::try_from(number(part, 10)?).ok()?);
    }
    let [a, b, c, d] = bytes[..] else { return None };
    Some([u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])])
}

/// RFC 4291 §2.2: eight groups; `::` once, for at least one of zeros; four decimals for the last two.
fn six(text: &[u8]) -> Option<[u16; 8]> {
    let Some(gap) = text.windows(2).position(|pair| pair == b"::") else {
        return groups(text, true)?.try_into().ok();
    };
    let (front, back) = (groups(&text[..gap], false)?, groups(&text[gap + 2..], true)?);
    let zeros = 8_usize.checked_sub(front.len() + back.len()).filter(|zeros| *zeros > 0)?;
    [front, vec![0; zeros], back].concat().try_into().ok()
}

fn groups(text: &[u8], is_at_end: bool) -> Option<Vec<u16>> {
    let mut groups = Vec::new();
    if text.is_empty() {
        return Some(groups);
    }
    let mut parts = text.split(|&byte| byte == b':').peekable();
    while let Some(part) = parts.next() {
        if part.contains(&b'.') {
            (is_at_end && parts.peek().is_none()).then_some(())?;
            groups.extend(four(part)?);
        } else {
            (part.len() <= 4).then_some(())?;
            groups.push(u16::try_from(number(part, 16)?).ok()?);
        }
    }
    Some(groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_told_apart() {
        let address = |groups| Some(Host::Address(groups));
        for (text, host) in [
            ("LocalHost:80", Some(Host::Name("localhost".to_owned()))),
            ("127.0.0.01", Some(Host::Name("127.0.0.01".to_owned()))),
            ("127.0.0.1:00080", address([0, 0, 0, 0, 0, 0xffff, 0x7f00, 1])),
            ("[::ffff:127.0.0.1]", address([0, 0, 0, 0, 0, 0xffff, 0x7f00, 1])),
            ("[::1]:65535", address([0, 0, 0, 0, 0, 0, 0, 1])),
            ("[1:2:3:4:5:6:7:8]", address([1, 2, 3, 4, 5, 6, 7, 8])),
            ("[fd00::]", address([0xfd00, 0, 0, 0, 0, 0, 0, 0])),
            ("", None),
            (":80", None),
            ("a:", None),
            ("a:65536", None),
            ("a@b", None),
            ("[::1", None),
            ("[1:2:3:4:5:6:7::8]", None),
            ("[::1::]", None),
            ("[1.2.3.4::]", None),
            ("[:1:2:3:4:5:6:7]", None),
            ("[fe80::1%25eth0]", None),
            ("[127.0.0.1]", None),
        ] {
            assert_eq!(Host::read(text.as_bytes()), host, "{text}");
        }
        let loopback = |text: &str| Host::read(text.as_bytes()).unwrap().is_loopback();
        assert!(loopback("127.9.9.9") && loopback("[::1]") && loopback("[::ffff:127.0.0.1]"));
        assert!(
            !loopback("localhost")
                && !loopback("128.0.0.1")
                && !loopback("[::2]")
                && !loopback("[::127.0.0.1]")
        );
    }
}
