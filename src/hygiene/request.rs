//! From what a caller sent to what upstream gets.

use std::fmt;

use bytes::Bytes;
use http::{Method, Request, Uri, header};

use crate::{
    bearer::Bearer,
    http1::{Field, Fields, RequestHead},
    hygiene::names::crosses_upstream,
    origin::Origin,
};

/// A request as it came, read whole.
#[derive(Clone, Copy)]
pub struct Received<'a> {
    method: &'a str,
    target: &'a str,
    fields: Fields<'a>,
    body: &'a [u8],
}

impl<'a> Received<'a> {
    /// `head` was read from `bytes`; `target` is its target in origin-form, as it was judged; `body` is whole.
    pub fn new(head: &'a RequestHead, bytes: &'a [u8], target: &'a str, body: &'a [u8]) -> Self {
        Self { method: head.method(bytes), target, fields: head.fields(bytes), body }
    }

    /// Leaves behind every field that must not cross.
    pub fn scrub(self) -> Scrubbed<'a> {
        Scrubbed(self)
    }
}

/// Neither target nor body: a query or an order is nobody's business.
impl fmt::Debug for Received<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("method", &self.method)
            .field("fields", &self.fields)
            .finish_non_exhaustive()
    }
}

/// A request of which only the fields that may cross are seen.
#[derive(Clone, Copy, Debug)]
pub struct Scrubbed<'a>(Received<'a>);

impl<'a> Scrubbed<'a> {
    /// Gives it our credential, and the authority it goes to.
    pub fn authorize<'s>(&self, bearer: &'s Bearer, origin: &'s Origin) -> Authorized<'a, 's> {
        Authorized { request: *self, bearer, origin }
    }

    /// The method it will be sent with.
    pub fn method(&self) -> &'a str {
        self.0.method
    }

    /// The fields that may cross, in the order they came.
    pub fn fields(&self) -> impl Iterator<Item = Field<'a>> + use<'a> {
        let fields = self.0.fields;
        fields.lines().filter(move |field| crosses_upstream(field.name, &fields))
    }

    /// RFC 9110 §8.6: a length is said where there is a body, or where the method makes one expected.
    fn says_length(&self) -> bool {
        !self.0.body.is_empty() || !matches!(self.0.method, "GET" | "HEAD" | "DELETE" | "OPTIONS")
    }
}

/// A request that carries exactly one `Authorization`: ours. The only kind that can be sent.
#[derive(Clone, Copy, Debug)]
pub struct Authorized<'a, 's> {
    request: Scrubbed<'a>,
    bearer: &'s Bearer,
    origin: &'s Origin,
}

impl<'a> Authorized<'a, '_> {
    /// The credential it carries, which must not come back.
    pub fn bearer(&self) -> &Bearer {
        self.bearer
    }

    /// Writes it for HTTP/1.1 into `buffer`, which is cleared first. A small body goes into the same buffer, so
    /// that head and body leave in one segment.
    pub fn encode<'b>(&self, buffer: &'b mut Vec<u8>) -> Encoded<'b>
    where
        'a: 'b,
    {
        let Received { method, target, body, .. } = self.request.0;
        buffer.clear();
        buffer.extend_from_slice(method.as_bytes());
        buffer.push(b' ');
        buffer.extend_from_slice(target.as_bytes());
        buffer.extend_from_slice(b" HTTP/1.1\r\nHost: ");
        buffer.extend_from_slice(self.origin.authority().as_bytes());
        buffer.extend_from_slice(b"\r\n");
        for field in self.request.fields() {
            field.write(buffer);
        }
        buffer.extend_from_slice(b"Authorization: ");
        buffer.extend_from_slice(self.bearer.as_bytes());
        if self.request.says_length() {
            buffer.extend_from_slice(b"\r\nContent-Length: ");
            buffer.extend_from_slice(itoa::Buffer::new().format(body.len()).as_bytes());
        }
        buffer.extend_from_slice(b"\r\n\r\n");
        let body = if body.len() <= SMALL_BODY {
            buffer.extend_from_slice(body);
            &[]
        } else {
            body
        };
        Encoded { method, head: buffer, body }
    }

    /// The same for HTTP/2; `None` if a part has no form there (a method or target that HTTP/1.1 allows and the
    /// types of an HTTP library do not).
    #[inline(never)] // what most upstreams never speak would lie amid what every request runs through
    pub fn to_http2(&self) -> Option<Request<Bytes>> {
        let Received { method, target, body, .. } = self.request.0;
        let uri = Uri::builder()
            .scheme(if self.origin.is_tls() { "https" } else { "http" })
            .authority(self.origin.authority())
            .path_and_query(target)
            .build()
            .ok()?;
        let mut request = Request::builder().method(Method::from_bytes(method.as_bytes()).ok()?).uri(uri);
        for field in self.request.fields() {
            request = request.header(field.name, field.value);
        }
        request = request.header(header::AUTHORIZATION, self.bearer.value());
        if self.request.says_length() {
            request = request.header(header::CONTENT_LENGTH, body.len());
        }
        request.body(Bytes::copy_from_slice(body)).ok()
    }
}

/// An authorised request in the bytes of HTTP/1.1. Its `Debug` prints no byte of it.
pub struct Encoded<'b> {
    method: &'b str,
    head: &'b [u8],
    body: &'b [u8],
}

impl<'b> Encoded<'b> {
    /// The method, which decides how the answer is framed.
    pub fn method(&self) -> &'b str {
        self.method
    }

    /// What to write, in this order; the second part may be empty.
    pub fn parts(&self) -> [&'b [u8]; 2] {
        [self.head, self.body]
    }
}

impl fmt::Debug for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoded").field("method", &self.method).finish_non_exhaustive()
    }
}

/// A body up to this many bytes is copied behind the head rather than written on its own.
const SMALL_BODY: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn forward(bytes: &str, body: &[u8]) -> String {
        let mut head = RequestHead::default();
        head.read(bytes.as_bytes()).unwrap();
        let target = head.target(bytes.as_bytes());
        let bearer = Bearer::new(&"token".into()).unwrap();
        let origin = "https://demo.tradovateapi.com".parse().unwrap();
        let scrubbed = Received::new(&head, bytes.as_bytes(), target, body).scrub();
        let authorized = scrubbed.authorize(&bearer, &origin);
        let http2 = authorized.to_http2().unwrap();
        assert_eq!(http2.headers().get_all("authorization").iter().count(), 1);
        assert!(!http2.headers().contains_key("host"));
        let mut wire = Vec::new();
        let encoded = authorized.encode(&mut wire);
        String::from_utf8(encoded.parts().concat()).unwrap()
    }

    #[test]
    fn a_request_goes_on_with_our_credential_and_authority() {
        let sent = forward(
            "POST /v1/order/placeorder?x=%20 HTTP/1.1\r\nHost: localhost:8080\r\nAuthorization: Bearer theirs\r\nX-A: 1\r\nContent-Length: 2\r\n\r\n",
            b"{}",
        );
        assert_eq!(
            sent,
            "POST /v1/order/placeorder?x=%20 HTTP/1.1\r\nHost: demo.tradovateapi.com\r\nX-A: 1\r\nAuthorization: Bearer token\r\nContent-Length: 2\r\n\r\n{}"
        );
    }

    #[test]
    fn a_get_without_body_says_no_length_and_an_empty_post_does() {
        assert!(!forward("GET /v1/a HTTP/1.1\r\nHost: a\r\n\r\n", b"").contains("Content-Length"));
        assert!(forward("POST /v1/a HTTP/1.1\r\nHost: a\r\n\r\n", b"").contains("Content-Length: 0\r\n"));
    }

    fn field_name() -> impl Strategy<Value = String> {
        prop_oneof![
            "[Aa]uthorization[-_.]{0,2}",
            "[Aa][Uu]thorization|[Cc]ookie|[Tt][Ee]|[Tt]railer|X[-_.]Forwarded[-_.]For|[Pp]roxy[-_.]Authorization",
            "[Cc]onnection",
            "[Hh]ost[_.-]|[Cc]ontent[_.][Ll]ength|[Tt]ransfer[_.][Ee]ncoding|Keep-Alive|[Uu]pgrade",
            "[A-Za-z0-9!#$%&'*+.^_`|~-]{1,20}",
        ]
    }

    proptest! {
        #[test]
        fn whatever_comes_in_exactly_one_authorization_goes_out_and_scrubbing_again_changes_nothing(
            fields in proptest::collection::vec((field_name(), "[!-~]{0,9}(, ?(authorization|Host|x-a))?"), 0..12),
        ) {
            use std::fmt::Write as _;
            let mut bytes = "GET /v1/a HTTP/1.1\r\nHost: a\r\n".to_owned();
            for (name, value) in &fields {
                let framing = ["host", "content-length", "transfer-encoding", "expect"];
                if !framing.iter().any(|framing| name.eq_ignore_ascii_case(framing)) {
                    write!(bytes, "{name}: {value}\r\n").unwrap();
                }
            }
            bytes.push_str("\r\n");
            let sent = forward(&bytes, b"");

            // What has been written is read as what was meant: the rest of the fields, ours, and no other.
            let mut head = RequestHead::default();
            prop_assert_eq!(head.read(sent.as_bytes()), Ok(()));
            prop_assert_eq!((head.method(sent.as_bytes()), head.target(sent.as_bytes())), ("GET", "/v1/a"));
            let fields = head.fields(sent.as_bytes());
            let token: &[u8] = b"Bearer token";
            prop_assert_eq!(fields.only("authorization"), Some(token));
            prop_assert_eq!(fields.only("host"), Some(&b"demo.tradovateapi.com"[..]));
            for (name, _) in fields.iter().filter(|(name, _)| !["Host", "Authorization"].contains(name)) {
                prop_assert!(crosses_upstream(name.as_bytes(), &fields), "{}", name);
            }
            prop_assert_eq!(forward(&sent, b""), sent);
        }
    }
}
