//! The head of a request, as it was sent.

use http::{HeaderMap, HeaderName, HeaderValue, Request, Version};

/// Target and header fields, for the journal.
pub(super) struct Head {
    pub(super) target: String,
    pub(super) fields: Vec<(String, String)>,
}

impl Head {
    /// The target byte for byte and the fields in the order and case in which they were sent where the bytes are
    /// at hand, which is HTTP/1 without pipelining; otherwise as the HTTP stack understood them.
    pub(super) fn of<B>(request: &Request<B>, read: &[u8]) -> Self {
        as_sent(request, read).unwrap_or_else(|| {
            let target = request.uri().path_and_query();
            let target = target.map_or_else(|| request.uri().to_string(), ToString::to_string);
            Self { target, fields: grouped(request.headers()) }
        })
    }
}

/// Fields grouped by name.
pub(super) fn grouped(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value): (&HeaderName, &HeaderValue)| text(name.as_str(), value.as_bytes()))
        .collect()
}

fn as_sent<B>(request: &Request<B>, read: &[u8]) -> Option<Head> {
    if request.version() > Version::HTTP_11 {
        return None;
    }
    let mut fields = [httparse::EMPTY_HEADER; MOST];
    let mut head = httparse::Request::new(&mut fields);
    let complete = head.parse(read).ok()?.is_complete();
    // What was kept may begin in the middle of an earlier, pipelined request: then it is another head.
    let same =
        head.method == Some(request.method().as_str()) && head.headers.len() == request.headers().len();
    (complete && same).then(|| Head {
        target: head.path.unwrap_or_default().to_owned(),
        fields: head.headers.iter().map(|field| text(field.name, field.value)).collect(),
    })
}

fn text(name: &str, value: &[u8]) -> (String, String) {
    (name.to_owned(), String::from_utf8_lossy(value).into_owned())
}

/// More fields than hyper takes.
const MOST: usize = 128;
