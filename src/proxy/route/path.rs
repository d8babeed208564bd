//! Whether a path has exactly one reading, whoever reads it.

/// Whether `path` is written in nothing but what Tradovate's own paths are made of: letters, digits, `-`, `_`, `~`, a dot
/// inside, in segments that are not empty. Anything else could only be another spelling of one of them: policy looks
/// a path up as it stands, and a server behind may decode `%C5%BF` to a letter that Java compares as equal to `s`, or
/// fold a full-width slash (`%EF%BC%8F`) to a plain one.
pub(super) fn is_plain(path: &str) -> bool {
    let [b'/', rest @ ..] = path.as_bytes() else { return false };
    let mut before = b'/';
    for &byte in rest {
        // No segment is empty, and none ends with a dot, so that none is `.` or `..`.
        let is_plain = if byte == b'/' { !matches!(before, b'/' | b'.') } else { is_unreserved(byte) };
        if !is_plain {
            return false;
        }
        before = byte;
    }
    before != b'.'
}

/// Whether no server could take `path` for another one, when nothing is known of the paths there are: as RFC 3986 §3.3
/// has them, with no empty, `.` or `..` segment, no path parameter, and nothing
/// percent-encoded that has a plain form, ends a segment, or is no UTF-8 (an overlong `%C0%AF` is a slash to a careless
/// decoder: RFC 3629 §10).
pub(super) fn has_one_reading(path: &str) -> bool {
    has_plain_segments(path) && has_needed_bytes_only(path)
}

fn has_plain_segments(path: &str) -> bool {
    let Some(inner) = path.strip_prefix('/') else { return false };
    if inner.is_empty() {
        return true;
    }
    inner.strip_suffix('/').unwrap_or(inner).split('/').all(|segment| !matches!(segment, "" | "." | ".."))
}

fn has_needed_bytes_only(path: &str) -> bool {
    let mut rest = path.bytes();
    let mut encoded = Vec::new();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
                let (Some(high), Some(low)) = (digit(rest.next()), digit(rest.next())) else { return false };
                let decoded = u8::try_from(high * 16 + low).unwrap_or_default();
                if is_unreserved(decoded) || decoded.is_ascii_control() || b"/\\%;?#".contains(&decoded) {
                    return false;
                }
                encoded.push(decoded);
            }
            _ if is_pchar(byte) || byte == b'/' => encoded.push(b'/'),
            _ => return false,
        }
    }
    str::from_utf8(&encoded).is_ok()
}

/// RFC 3986 §2.3.
const fn is_unreserved(byte: u8) -> bool {
    UNRESERVED[byte as usize]
}

const UNRESERVED: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        let is_sign = matches!(byte, b'-' | b'.' | b'_' | b'~');
        table[byte as usize] = byte.is_ascii_alphanumeric() || is_sign;
        byte += 1;
    }
    table
};

/// RFC 3986 §3.3, less `;`, which begins a parameter for some servers, and so what they leave out.
fn is_pchar(byte: u8) -> bool {
    is_unreserved(byte) || b"!$&'()*+,=:@".contains(&byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_of_tradovates_is_written_plainly() {
        for path in
            ["/", "/v1/account/list", "/v1/a/", "/V1/.well-known/openid-configuration", "/v1/a.b-c_d~e"]
        {
            assert!(is_plain(path), "{path}");
            assert!(has_one_reading(path), "{path}");
        }
        for path in [
            "/v1/u%C5%BFer/modifypassword",
            "/v1/to%E2%84%AAen",
            "/v1/auth%EF%BC%8Fme",
            "/v1/a%20b",
            "/v1/a@b",
            "/v1/a:80",
            "/v1/a,b",
            "/v1/a=b",
            "/v1/a&b",
            "/v1/a+b",
            "/v1/a.",
            "/v1/a./b",
            "/v1/...",
            "/v1/a%20",
        ] {
            assert!(!is_plain(path), "{path}");
            assert!(has_one_reading(path), "to another API this is a path: {path}");
        }
    }

    #[test]
    fn what_some_server_reads_otherwise_has_no_one_reading() {
        for path in [
            "",
            "a",
            "*",
            "//",
            "///",
            "/a//",
            "//a",
            "/a//b",
            "/.",
            "/..",
            "/./a",
            "/a/..",
            "/a;b",
            "/;",
            "/a\\b",
            "/\\a",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a%u0041",
            "/%2",
            "/a%2fb",
            "/a%5Cb",
            "/a%5cb",
            "/a%3Bb",
            "/a%3fb",
            "/a%23b",
            "/a%25b",
            "/a%252fb",
            "/%2e",
            "/%2E%2e/a",
            "/%61",
            "/%7E",
            "/a%00",
            "/a%0a",
            "/a%0D",
            "/a%09",
            "/a%7f",
            "/a%c0%af",
            "/a%c0%ae",
            "/a%e0%80%af",
            "/a%f0%80%80%af",
            "/a%ed%a0%80",
            "/a%ff",
            "/a%80",
            "/a%C3",
            "/a%C3b",
            "/a%C3/%A4",
            "/a\"b",
            "/a<b",
            "/a>b",
            "/a^b",
            "/a`b",
            "/a{b}",
            "/a|b",
            "/a[b]",
        ] {
            assert!(!has_one_reading(path), "{path}");
            assert!(!is_plain(path), "{path}");
        }
    }

    proptest! {
        #[test]
        fn what_is_plain_has_one_reading_and_decodes_to_itself(path in "/[a-cA%2.fe/;@_~-]{0,12}") {
            if is_plain(&path) {
                prop_assert!(has_one_reading(&path));
                prop_assert!(!path.contains('%'));
            }
            if has_one_reading(&path) {
                for other in ["//", "/./", "/../", ";", "%2f", "%2e"] {
                    prop_assert!(!path.contains(other), "{}", path);
                }
            }
        }
    }
}
