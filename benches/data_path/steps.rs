//! The pure steps of one exchange, in their order.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use tradovate_proxy::{
    bearer::Bearer,
    http1::{BodyDecoder, Framing, HeadScanner, RequestHead, ResponseHead, Scanned},
    hygiene::Received,
    origin::Origin,
    proxy::{Api, route::Route},
    tradovate::Endpoints,
};

/// Measures them all.
pub(crate) fn bench(criterion: &mut Criterion) {
    let session = Session {
        endpoints: Endpoints::new(),
        bearer: Bearer::new(&"x".repeat(TOKEN_BYTES).into()).expect("the token is b64token"),
        origin: "https://demo.tradovateapi.com".parse().expect("the origin is https"),
    };
    request(criterion, "request/curl-get", LIST, "", &session);
    request(criterion, "request/python-post", PLACE_ORDER, ORDER, &session);
    response(criterion);
    chunks(criterion);
}

/// What does not change from request to request.
struct Session {
    endpoints: Endpoints,
    bearer: Bearer,
    origin: Origin,
}

fn request(criterion: &mut Criterion, name: &str, head: &'static str, body: &'static str, session: &Session) {
    let (bytes, body) = (head.as_bytes(), body.as_bytes());
    let Session { endpoints, bearer, origin } = session;
    let mut read = RequestHead::default();
    let mut wire = Vec::new();
    let mut group = criterion.benchmark_group(name);

    group.bench_function("scan", |bencher| {
        bencher.iter(|| HeadScanner::default().scan(black_box(bytes)));
    });
    group.bench_function("read", |bencher| {
        bencher.iter(|| read.read(black_box(bytes)).expect("the head is well formed"));
    });
    group.bench_function("route", |bencher| {
        bencher.iter(|| {
            let route = Route::of(black_box(&read), bytes, Api::Tradovate, endpoints, &[])
                .expect("the route is open");
            route.endpoint.index
        });
    });
    group.bench_function("scrub-authorize-encode", |bencher| {
        let target = read.target(bytes);
        bencher.iter(|| {
            let received = Received::new(black_box(&read), bytes, target, body);
            let authorized = received.scrub().authorize(bearer, origin);
            let [head, _] = authorized.encode(&mut wire).parts();
            black_box(head).len()
        });
    });
    group.bench_function("whole", |bencher| {
        bencher.iter(|| {
            let scanned = HeadScanner::default().scan(black_box(bytes));
            assert_eq!(scanned, Scanned::Complete(bytes.len()));
            read.read(bytes).expect("the head is well formed");
            let route = Route::of(&read, bytes, Api::Tradovate, endpoints, &[]).expect("the route is open");
            let received = Received::new(&read, bytes, route.target, body);
            let authorized = received.scrub().authorize(bearer, origin);
            let [head, _] = authorized.encode(&mut wire).parts();
            black_box(head).len()
        });
    });
    group.finish();
}

fn response(criterion: &mut Criterion) {
    let bytes = ANSWER.as_bytes();
    let mut read = ResponseHead::default();
    let mut group = criterion.benchmark_group("response");
    group.bench_function("scan", |bencher| {
        bencher.iter(|| HeadScanner::default().scan(black_box(bytes)));
    });
    group.bench_function("read", |bencher| {
        bencher.iter(|| read.read(black_box(bytes), false).expect("the head is well formed"));
    });
    group.finish();
}

/// A small answer in one chunk, as an API server sends it, and a long one.
fn chunks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("chunked");
    for (name, chunk, count) in [("600 B", 600, 1), ("256 KiB", 8 * 1024, 32)] {
        let wire = chunked(chunk, count);
        group.throughput(Throughput::Bytes((chunk * count) as u64));
        group.bench_function(name, |bencher| bencher.iter(|| decode(black_box(&wire))));
    }
    group.finish();
}

fn chunked(chunk: usize, count: usize) -> Vec<u8> {
    let one = format!("{chunk:x}\r\n{}\r\n", "x".repeat(chunk));
    let mut wire = one.repeat(count);
    wire.push_str("0\r\n\r\n");
    wire.into_bytes()
}

/// Takes the framing off; the content is where it was, so that nothing is copied. Returns its length.
fn decode(wire: &[u8]) -> usize {
    let mut decoder = BodyDecoder::new(Framing::Chunked);
    let (mut at, mut content) = (0, 0);
    while !decoder.is_done() {
        let step = decoder.step(&wire[at..]).expect("the framing is sound");
        at += step.skip + step.take;
        content += step.take;
    }
    content
}

/// As `curl` sends it.
const LIST: &str = "GET /v1/account/list HTTP/1.1\r\n\
    Host: 127.0.0.1:8080\r\n\
    User-Agent: curl/8.14.1\r\n\
    Accept: */*\r\n\r\n";

/// As Python's `requests` sends it.
const PLACE_ORDER: &str = "POST /v1/order/placeorder HTTP/1.1\r\n\
    Host: 127.0.0.1:8080\r\n\
    User-Agent: python-requests/2.32.3\r\n\
    Accept-Encoding: gzip, deflate\r\n\
    Accept: */*\r\n\
    Connection: keep-alive\r\n\
    Content-Length: 180\r\n\
    Content-Type: application/json\r\n\r\n";

const ORDER: &str = concat!(
    r#"{"accountSpec": "DEMO15460", "accountId": 6270, "action": "Buy", "symbol": "ESZ6", "#,
    r#""orderQty": 1, "orderType": "Limit", "price": 6740.25, "timeInForce": "Day", "isAutomated": true}"#,
);

/// As a broker behind a load balancer answers.
const ANSWER: &str = "HTTP/1.1 200 OK\r\n\
    Date: Mon, 05 Jan 2026 14:30:00 GMT\r\n\
    Content-Type: application/json; charset=utf-8\r\n\
    Content-Length: 512\r\n\
    Connection: keep-alive\r\n\
    Access-Control-Allow-Origin: *\r\n\
    Cache-Control: no-store\r\n\
    Strict-Transport-Security: max-age=31536000\r\n\
    X-Content-Type-Options: nosniff\r\n\r\n";

/// Tradovate's recent tokens have some hundred characters.
const TOKEN_BYTES: usize = 512;
