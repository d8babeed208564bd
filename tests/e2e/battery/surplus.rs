//! Bytes behind an answer (U2): they are nobody's, and above all not the next caller's.

use super::{asked, raw};
use crate::support::within;

const FORGED: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged";

/// A method, what answers it, and the body that the caller gets.
const ANSWERS: &[(&str, &str, &str)] = &[
    ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "{}"),
    ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ""),
    ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", "{}"),
    ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Test-A: 1\r\n\r\n", ""),
    ("GET", "HTTP/1.1 204 No Content\r\n\r\n", ""),
    ("GET", "HTTP/1.1 204 No Content\r\nContent-Length: 6\r\n\r\n", ""),
    ("GET", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", ""),
    ("GET", "HTTP/1.1 304 Not Modified\r\n\r\n", ""),
    ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 6\r\n\r\n", ""),
    ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n", ""),
    ("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", ""),
    ("HEAD", "HTTP/1.1 404 Not Found\r\n\r\n", ""),
];

/// What follows: a whole answer, a beginning of one, a body that should not be, and single bytes.
const SURPLUS: &[&str] = &[FORGED, "HTTP/1.1 200", "forged", "6\r\nforged\r\n0\r\n\r\n", "\r\n", "\0", " "];

#[tokio::test]
async fn bytes_in_the_same_packet_as_an_answer_end_its_connection() {
    let (mut upstream, proxy) = raw().await;
    for (method, answer, body) in ANSWERS {
        for surplus in SURPLUS {
            let context = format!("{method} {answer:?} and {surplus:?}");
            let mut client = proxy.client().await;
            let mut request = asked(&mut client, &mut upstream, method).await;
            let before = request.connection;
            request.write(format!("{answer}{surplus}")).await;
            assert_eq!(client.answer_to(&format!("{method} ")).await.text(), *body, "{context}");
            request.left().await;
            is_served_anew(&mut client, &mut upstream, before, &context).await;
        }
    }
}

#[tokio::test]
async fn bytes_on_a_connection_that_rests_end_it() {
    let (mut upstream, proxy) = raw().await;
    for (method, answer, body) in ANSWERS {
        for surplus in SURPLUS {
            let context = format!("{method} {answer:?} and later {surplus:?}");
            let mut client = proxy.client().await;
            let mut request = asked(&mut client, &mut upstream, method).await;
            let before = request.connection;
            request.write(answer).await;
            assert_eq!(client.answer_to(&format!("{method} ")).await.text(), *body, "{context}");
            request.write(surplus).await;
            // Held open: silence is what makes it fit for use, not that it is open.
            let left = tokio::spawn(request.left());
            is_served_anew(&mut client, &mut upstream, before, &context).await;
            within("the proxy to leave", left).await.unwrap();
        }
    }
}

/// The next request goes over another connection, and gets its own answer.
async fn is_served_anew(
    client: &mut crate::support::Client,
    upstream: &mut crate::support::RawUpstream,
    before: usize,
    context: &str,
) {
    let request = asked(client, upstream, "GET").await;
    assert!(request.connection > before, "the connection was used again: {context}");
    request.ok("its own").await;
    assert_eq!(client.answer().await.text(), "its own", "{context}");
}
