//! What callers send.

use std::{iter, sync::LazyLock};

use http::{
    HeaderValue,
    uri::{Authority, PathAndQuery},
};

use crate::{
    bearer::Bearer,
    fuzzing::{CANARY, Lengths, naive},
    http1::{BodyDecoder, Framing, HeadScanner, MAX_FIELDS, RequestHead, Scanned, Version},
    hygiene::Received,
    origin::Origin,
    proxy::{
        Api,
        route::{Answerer, Route, SessionCall},
    },
    tradovate::{Effect, Endpoints},
};

/// A request as a connection delivers it: a head, its body, and whatever comes behind. One that is accepted has one
/// reading, and what is sent for it has the same, with our credential and no other.
///
/// # Panics
/// When something does not hold. So do the others.
pub fn request_head(input: &[u8]) {
    let scanned = HeadScanner::default().scan(input);
    assert_eq!(scanned, scan_byte_by_byte(input), "a head ends elsewhere when it trickles in");
    let Scanned::Complete(length) = scanned else { return };
    let (bytes, rest) = input.split_at(length);
    let mut head = RequestHead::default();
    if head.read(bytes).is_err() {
        return;
    }

    let plain = naive::Head::of_request(bytes).expect("what is accepted has one reading");
    assert_eq!([head.method(bytes).as_bytes(), head.target(bytes).as_bytes()], plain.first[..2]);
    assert_eq!(head.version() == Version::Http11, plain.first[2] == b"HTTP/1.1");
    let fields = head.fields(bytes);
    assert!(fields.iter().map(|(name, value)| (name.as_bytes(), value)).eq(plain.fields.iter().copied()));
    assert_eq!(plain.body().expect("its body has one end"), other_words_for(head.framing()));
    assert!(plain.all("host").len() <= 1, "a request for two hosts");

    let body = decode(head.framing(), rest, [rest.len()]);
    let Ok(route) = Route::of(&head, bytes, Api::Other, &ENDPOINTS, &[]) else { return };
    assert!(head.target(bytes).ends_with(route.target) && route.target.starts_with('/'));
    if body.end == End::Proper {
        forwarded(&head, bytes, route.target, &body.content, &plain);
    }
}

/// What is sent for a request that was accepted.
fn forwarded(head: &RequestHead, bytes: &[u8], target: &str, body: &[u8], plain: &naive::Head<'_>) {
    let authorized = Received::new(head, bytes, target, body).scrub();
    let authorized = authorized.authorize(&BEARER, &ORIGIN);
    let mut wire = Vec::new();
    let encoded = authorized.encode(&mut wire);
    let sent = encoded.parts().concat();

    let Scanned::Complete(length) = HeadScanner::default().scan(&sent) else { panic!("no head was sent") };
    let (again, sent_body) = sent.split_at(length);
    assert_eq!(sent_body, body);
    let read = naive::Head::of_request(again).expect("what is sent has one reading");
    assert_eq!(read.first, [head.method(bytes).as_bytes(), target.as_bytes(), b"HTTP/1.1"]);
    let framing = if body.is_empty() { naive::Body::Nothing } else { naive::Body::Bytes(body.len() as u64) };
    assert_eq!(read.body(), Some(framing));
    assert_eq!(read.all("host"), [ORIGIN.authority().as_bytes()]);
    let options = plain.connection_options();
    let mut authorizations = 0;
    for (spelled, value) in &read.fields {
        let name = plain_name(spelled);
        match name.as_str() {
            "authorization" => {
                assert_eq!(*value, BEARER.as_bytes());
                authorizations += 1;
            }
            "host" | "content-length" => {}
            _ => {
                assert!(!LEFT_BEHIND.contains(&name.as_str()), "{name} crossed");
                assert!(
                    !options.contains(&spelled.to_ascii_lowercase()),
                    "{name} is the connection's own, and crossed"
                );
                assert!(
                    plain.fields.iter().any(|(other, _)| plain_name(other) == name),
                    "{name} was made up"
                );
            }
        }
    }
    assert_eq!(authorizations, 1);

    // Ours as well, which has a limit of its own that three fields more may pass.
    let mut ours = RequestHead::default();
    if read.fields.len() <= MAX_FIELDS {
        ours.read(again).expect("what is sent would be accepted");
        assert_eq!((ours.method(again), ours.target(again)), (head.method(bytes), target));
        assert!(ours.keep_alive() && !ours.expects_continue() && !ours.wants_upgrade());
    }

    if let Some(request) = authorized.to_http2() {
        assert_eq!(request.method().as_str(), head.method(bytes));
        assert_eq!(request.uri().path_and_query().map(PathAndQuery::as_str), Some(target));
        assert_eq!(request.uri().authority().map(Authority::as_str), Some(ORIGIN.authority()));
        let mut authorizations = request.headers().get_all("authorization").iter();
        assert_eq!(authorizations.next().map(HeaderValue::as_bytes), Some(BEARER.as_bytes()));
        assert!(authorizations.next().is_none());
        // RFC 9113 §8.2.2.
        for name in ["host", "connection", "transfer-encoding", "upgrade", "keep-alive", "te"] {
            assert!(!request.headers().contains_key(name), "{name} in HTTP/2");
        }
    }
}

/// A request target. Accepted, it is what is sent, and no server can take it for another endpoint than the one that
/// it was judged by.
///
/// # Panics
/// When one could.
pub fn request_path(input: &[u8]) {
    let mut bytes = b"POST ".to_vec();
    bytes.extend_from_slice(input);
    bytes.extend_from_slice(b" HTTP/1.1\r\nHost: localhost:8080\r\n\r\n");
    let mut head = RequestHead::default();
    if head.read(&bytes).is_err() || HeadScanner::default().scan(&bytes) != Scanned::Complete(bytes.len()) {
        return;
    }
    let asked = head.target(&bytes);
    for api in [Api::Tradovate, Api::Other] {
        let Ok(route) = Route::of(&head, &bytes, api, &ENDPOINTS, &[]) else { continue };
        let (before, sent) = asked.split_at(asked.len() - route.target.len());
        assert_eq!(sent, route.target, "what was judged is not what was asked for");
        assert!(before.is_empty() || before.eq_ignore_ascii_case("http://localhost:8080"), "{before}");
        let path = sent.split('?').next().unwrap_or_default();
        assert!(path.starts_with('/') && !path.contains("//") && !path.contains(['\\', ';', '#']), "{path}");
        let lenient = naive::most_lenient_path(path);
        match api {
            Api::Tradovate => judged_alike(&route, path, &lenient),
            // Nothing is known of its paths, so all there is to hold is their shape.
            Api::Other => {
                assert_eq!((route.endpoint.effect, route.by), (Effect::Order, Answerer::Upstream));
                let decoded = naive::decoded(path);
                assert!(
                    !decoded.split('/').any(|segment| matches!(segment, "." | "..")),
                    "{path} is {decoded}"
                );
            }
        }
    }
}

/// That a path of Tradovate's was judged as the endpoint that any server could take it for.
fn judged_alike(route: &Route<'_>, path: &str, lenient: &str) {
    let below = lenient.strip_prefix("/v1").unwrap_or(lenient);
    let meant =
        ENDPOINTS.iter().find(|endpoint| endpoint.path.eq_ignore_ascii_case(below) && !below.is_empty());
    match route.by {
        Answerer::Upstream => {
            assert!(format!("{lenient}/").starts_with("/v1/"), "{path} leaves the API");
            let (operation, effect) =
                meant.map_or(("other", Effect::Order), |meant| (meant.operation, meant.effect));
            assert_eq!(route.endpoint.operation, operation, "{path} could be taken for {lenient}");
            assert_eq!(route.endpoint.effect, effect);
            assert_ne!(effect, Effect::Auth, "{path} opens or ends a session");
        }
        Answerer::Proxy(call) => {
            let expected = match call {
                SessionCall::AccessToken => "/auth/accesstokenrequest",
                SessionCall::Renew => "/auth/renewaccesstoken",
                SessionCall::OAuth => "/auth/oauthtoken",
            };
            assert_eq!(below, expected);
        }
    }
}

/// A body: a byte for its framing, two that say where it is cut, and the bytes on the wire. Where it is cut changes
/// nothing, and no more is taken than there is.
///
/// # Panics
/// When it does.
pub fn request_body(input: &[u8]) {
    let [kind, seed @ .., length] = input.first_chunk::<4>().copied().unwrap_or_default();
    let wire = input.get(4..).unwrap_or_default();
    let framing = match kind % 4 {
        0 => Framing::Empty,
        1 => Framing::Length(u64::from(length) + 1),
        2 => Framing::UntilClose,
        _ => Framing::Chunked,
    };
    let whole = decode(framing, wire, [wire.len()]);
    assert_eq!(whole, decode(framing, wire, 1..=wire.len()), "byte by byte it is another body");
    let mut lengths = Lengths::from(seed);
    let cuts = iter::repeat_with(|| lengths.next()).scan(0, |at, step| {
        *at += step;
        Some(*at)
    });
    assert_eq!(whole, decode(framing, wire, cuts), "cut in pieces it is another body");

    match framing {
        Framing::Empty => assert_eq!((whole.length, whole.end), (0, End::Proper)),
        Framing::Length(length) => {
            let length = wire.len().min(usize::try_from(length).unwrap_or(usize::MAX));
            assert_eq!((&whole.content[..], whole.length), (&wire[..length], length));
        }
        Framing::UntilClose => assert_eq!((&whole.content[..], whole.end), (wire, End::Open)),
        Framing::Chunked => match naive::chunked(wire) {
            Some(naive::Chunked { content, trailers, length }) if whole.end == End::Proper => {
                assert_eq!(whole, Decoded { content, trailers, length, end: End::Proper });
            }
            // The product is stricter with the names of trailers (RFC 9110 §5.1), and may be.
            Some(_) => {}
            None => assert_ne!(whole.end, End::Proper, "a broken body was taken for a whole one"),
        },
    }
}

/// What a decoder made of its input.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decoded {
    pub(super) content: Vec<u8>,
    pub(super) trailers: Vec<u8>,
    /// Bytes taken; where the framing is broken that depends on the pieces, and zero stands here.
    pub(super) length: usize,
    pub(super) end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Where the framing says.
    Proper,
    /// Not yet.
    Open,
    Broken,
}

/// Feeds `wire` as it would arrive, each of `cuts` saying how much of it is there by then; in the end all of it is.
pub(super) fn decode(framing: Framing, wire: &[u8], cuts: impl IntoIterator<Item = usize>) -> Decoded {
    let mut decoder = BodyDecoder::new(framing);
    let (mut content, mut length) = (Vec::new(), 0);
    let mut cuts = cuts.into_iter();
    let mut there = 0;
    loop {
        let Ok(step) = decoder.step(&wire[length..there]) else {
            return Decoded { content, trailers: Vec::new(), length: 0, end: End::Broken };
        };
        let (from, to) = (length + step.skip, length + step.skip + step.take);
        assert!(to <= there, "more was taken than is there");
        content.extend_from_slice(&wire[from..to]);
        let stuck = to == length;
        length = to;
        if decoder.is_done() || (stuck && there == wire.len()) {
            let end = if decoder.is_done() { End::Proper } else { End::Open };
            assert_eq!(
                decoder.may_end_with_connection(),
                end == End::Proper || framing == Framing::UntilClose
            );
            return Decoded { content, trailers: decoder.trailers().to_vec(), length, end };
        }
        if stuck {
            there = cuts.next().unwrap_or(wire.len()).clamp(there, wire.len());
        }
    }
}

fn scan_byte_by_byte(input: &[u8]) -> Scanned {
    let mut scanner = HeadScanner::default();
    let mut found = (1..=input.len()).map(|end| scanner.scan(&input[..end]));
    found.find(|scanned| *scanned != Scanned::Partial).unwrap_or(Scanned::Partial)
}

fn other_words_for(framing: Framing) -> naive::Body {
    match framing {
        Framing::Empty => naive::Body::Nothing,
        Framing::Length(length) => naive::Body::Bytes(length),
        Framing::Chunked => naive::Body::Chunks,
        Framing::UntilClose => panic!("a request that ends with its connection"),
    }
}

/// As a server sees it that takes `_` and `.` for `-` (CGI does, and what descends from it).
fn plain_name(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name).to_ascii_lowercase().replace(['_', '.'], "-");
    name.trim_end_matches('-').to_owned()
}

/// What never crosses, among much else.
const LEFT_BEHIND: &[&str] = &[
    "connection",
    "cookie",
    "expect",
    "keep-alive",
    "origin",
    "proxy-authorization",
    "proxy-connection",
    "referer",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-forwarded-for",
    "x-http-method-override",
    "x-original-url",
];

static BEARER: LazyLock<Bearer> = LazyLock::new(|| Bearer::new(&CANARY.into()).expect("it is a token"));
static ORIGIN: LazyLock<Origin> =
    LazyLock::new(|| "https://demo.tradovateapi.com".parse().expect("it is an origin"));
static ENDPOINTS: LazyLock<Endpoints> = LazyLock::new(Endpoints::new);
