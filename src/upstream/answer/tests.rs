//! What an answer is found to say by its head and its length alone.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::LocalSet,
};

use super::*;
use crate::{
    bearer::Bearer,
    http1::RequestHead,
    hygiene::Received,
    upstream::{Choice, Connector, Metrics, Timeouts, tls},
};

/// Whether an answer, whole and in these bytes, is found wordless, and where it leads.
async fn judge(method: &str, answer: &'static str) -> (bool, Option<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin: Arc<Origin> = Arc::new(format!("http://{}", listener.local_addr().unwrap()).parse().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
        stream.write_all(answer.as_bytes()).await.unwrap();
    });
    let connector =
        Connector::new(Arc::new(tls::client_config(&[], tls::Alpn::Http1).unwrap()), Timeouts::default());
    let upstream =
        Upstream::new(connector, 1024, 0, Metrics::register(&prometheus::Registry::new()).unwrap());
    let bytes = format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut head = RequestHead::default();
    head.read(bytes.as_bytes()).unwrap();
    let bearer = Bearer::new(&"token".into()).unwrap();
    let request = Received::new(&head, bytes.as_bytes(), "/", b"").scrub();
    let lease = upstream.lease(&origin, Choice::Any).await.unwrap();
    let mut wire = Vec::new();
    let prepared = lease.prepare(&request.authorize(&bearer, &origin), &mut wire).unwrap();
    let mut answer = prepared.send().await.unwrap();
    assert_eq!(answer.head().await.unwrap(), Head::Final);
    (answer.is_wordless(), answer.location().map(str::to_owned))
}

#[tokio::test]
async fn an_answer_is_wordless_when_it_is_known_to_have_no_body() {
    let judged = LocalSet::new();
    let judged = judged.run_until(async {
        for (method, answer, expected) in [
            ("GET", "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", true),
            ("GET", "HTTP/1.1 204 No\r\n\r\n", true),
            ("GET", "HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", true),
            ("HEAD", "HTTP/1.1 401 No\r\n\r\n", true),
            ("HEAD", "HTTP/1.1 401 No\r\nContent-Length: 16\r\n\r\n", false),
            ("GET", "HTTP/1.1 401 No\r\nContent-Length: 1\r\n\r\n", false),
            ("GET", "HTTP/1.1 401 No\r\nContent-Length: 1\r\n\r\nx", false),
            ("GET", "HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", false),
            ("GET", "HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\n", false),
            ("GET", "HTTP/1.1 401 No\r\nConnection: close\r\n\r\nx", false),
        ] {
            assert_eq!(judge(method, answer).await.0, expected, "{method} {answer:?}");
        }
    });
    judged.await;
}

#[tokio::test]
async fn a_location_counts_where_it_stands_once_and_is_text() {
    let judged = LocalSet::new();
    let judged = judged.run_until(async {
        for (fields, expected) in [
            ("HTTP/1.1 307 A\r\nLocation: https://b.example/v1/x\r\n\r\n", Some("https://b.example/v1/x")),
            ("HTTP/1.1 307 A\r\nlocation: /v1/x\r\n\r\n", Some("/v1/x")),
            ("HTTP/1.1 307 A\r\n\r\n", None),
            ("HTTP/1.1 307 A\r\nLocation: a\r\nLocation: b\r\n\r\n", None),
        ] {
            assert_eq!(judge("GET", fields).await.1.as_deref(), expected, "{fields:?}");
        }
    });
    judged.await;
}
