//! Who is let in: every route, to look and to change, is held to the same rules.

use secrecy::ExposeSecret as _;

use super::*;
use crate::callers::{Keys, Minted, mint};

const LOOKS: [&str; 6] = ["/", "/livez", "/readyz", "/status", "/metrics", "/no-such-route"];
const ORDERS: [&str; 4] = ["/session/renew", "/session/acquire", "/session/pause", "/session/resume"];

/// `fields` are whole lines, `Host` among them.
fn request(line: &str, fields: &str) -> String {
    format!("{line} HTTP/1.1\r\nConnection: close\r\n{fields}\r\n")
}

/// The status, and the code of a problem.
fn verdict(answer: &str) -> (&str, String) {
    let code = answer.contains("application/problem+json").then(|| json(answer)["code"].to_string());
    (answer.split(' ').nth(1).unwrap(), code.unwrap_or_default().replace('"', ""))
}

fn with_key(minted: &Minted) -> String {
    format!("Host: localhost\r\nX-Proxy-Key: {}\r\n", minted.key.expose_secret())
}

#[tokio::test]
async fn no_route_answers_a_page_or_under_a_strange_name_and_no_order_is_given() {
    let mut running = running();
    let address = running.address;
    let looks = LOOKS.map(|path| format!("GET {path}"));
    let orders = ORDERS.iter().flat_map(|path| [format!("POST {path}"), format!("GET {path}")]);
    let preflights = ORDERS.map(|path| format!("OPTIONS {path}"));
    let lines: Vec<String> = looks.into_iter().chain(orders).chain(preflights).collect();
    let all = async {
        for line in &lines {
            for (fields, status, code) in [
                // DNS rebinding: kubernetes #8871, CVE-2025-66414.
                ("Host: evil.example\r\n", "421", "unknown-host"),
                ("Host: localhost.evil.example:9464\r\n", "421", "unknown-host"),
                ("Host: 127.0.0.1.nip.io\r\n", "421", "unknown-host"),
                ("Host: 0.0.0.0:9464\r\n", "421", "unknown-host"),
                ("Host: 10.1.2.3\r\n", "421", "unknown-host"),
                // RFC 9112 §3.2.
                ("Host: localhost\r\nHost: evil.example\r\n", "400", "bad-host"),
                ("Host: a@localhost\r\n", "400", "bad-host"),
                ("Host:\r\n", "400", "bad-host"),
                ("", "400", "bad-host"),
                // Fetch §3.1, Fetch Metadata §2.4.
                ("Host: localhost\r\nOrigin: https://evil.example\r\n", "403", "web-page"),
                ("Host: localhost\r\nOrigin: null\r\n", "403", "web-page"),
                ("Host: localhost\r\nOrigin: http://localhost:9464\r\n", "403", "web-page"),
                ("Host: localhost\r\nSec-Fetch-Site: cross-site\r\n", "403", "web-page"),
                ("Host: localhost\r\nSec-Fetch-Site: same-site\r\n", "403", "web-page"),
                ("Host: localhost\r\nAccess-Control-Request-Method: POST\r\n", "403", "web-page"),
            ] {
                let answer = running_answer(address, &request(line, fields)).await;
                assert_eq!(verdict(&answer), (status, code.to_owned()), "{line} {fields}");
                assert!(!answer.to_ascii_lowercase().contains("access-control-allow"), "{answer}");
                assert!(answer.contains("cache-control: no-store\r\n"), "{answer}");
            }
            // RFC 9112 §3.2.2: a target that overrides Host.
            let (method, path) = line.split_once(' ').unwrap();
            for (target, host) in [("evil.example", "localhost"), ("localhost", "evil.example")] {
                let line = format!("{method} http://{target}{path}");
                let answer = running_answer(address, &request(&line, &format!("Host: {host}\r\n"))).await;
                assert_eq!(verdict(&answer), ("400", "bad-host".to_owned()), "{line}");
            }
        }
    };
    tokio::select! {
        biased;
        order = running.orders.next() => panic!("{:?}", order.order),
        () = all => {}
    }
}

async fn running_answer(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_person_with_a_browser_and_a_scraper_are_let_in() {
    let running = running();
    let own = format!("Host: {}\r\n", running.address);
    for fields in [
        own.as_str(),
        "Host: localhost:1\r\nSec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\n",
        "Host: [::1]\r\nSec-Fetch-Site: same-origin\r\n",
        "Host: proxy.internal\r\n",
    ] {
        let answer = running.send(&request("GET /", fields)).await;
        assert_eq!(verdict(&answer).0, "200", "{fields}: {answer}");
    }
    let absolute = request("GET http://LOCALHOST/livez", "Host: localhost\r\n");
    assert_eq!(verdict(&running.send(&absolute).await).0, "200");
    // No browser leaves Host out.
    assert!(running.send("GET /livez HTTP/1.0\r\n\r\n").await.starts_with("HTTP/1.0 200 "));
}

#[tokio::test]
async fn with_keys_only_who_has_one_sees_or_changes_anything() {
    let (ops, stranger) = (mint("ops").unwrap(), mint("ops").unwrap());
    let keys: Keys = ops.entry.parse().unwrap();
    let mut running = running_with(Rules { keys, ..Rules::default() });
    let none = "Host: localhost\r\n".to_owned();
    for fields in [&none, &with_key(&stranger)] {
        let looks = ["/", "/status", "/metrics", "/no-such-route"].map(|path| format!("GET {path}"));
        for line in looks.into_iter().chain(ORDERS.map(|path| format!("POST {path}"))) {
            let answer = running.send(&request(&line, fields)).await;
            assert_eq!(verdict(&answer), ("401", "caller-key".to_owned()), "{line}");
            // RFC 9110 §15.5.2.
            assert!(answer.contains("www-authenticate: Bearer realm=\"tradovate-proxy\"\r\n"), "{answer}");
        }
        // A kubelet has no key: it learns the status and no reason.
        let live = running.send(&request("GET /livez", fields)).await;
        assert!(live.starts_with("HTTP/1.1 200 ") && live.ends_with("\r\n\r\nyes\n"), "{live}");
        let ready = running.send(&request("GET /readyz", fields)).await;
        assert!(ready.starts_with("HTTP/1.1 503 ") && !ready.contains("starting"), "{ready}");
        assert!(ready.contains("retry-after: "), "{ready}");
    }
    let bearer = with_key(&ops).replace("X-Proxy-Key: ", "Authorization: Bearer ");
    for fields in [with_key(&ops), bearer] {
        for path in ["/", "/status", "/metrics", "/livez"] {
            assert_eq!(verdict(&running.send(&request(&format!("GET {path}"), &fields)).await).0, "200");
        }
        assert!(running.send(&request("GET /readyz", &fields)).await.contains("not ready: starting"));
        let address = running.address;
        let order = async {
            let order = running.orders.next().await;
            order.answer(Ok(()));
        };
        let pause = request("POST /session/pause", &fields);
        let (answer, ()) = tokio::join!(running_answer(address, &pause), order);
        assert_eq!(verdict(&answer).0, "200", "{answer}");
    }
}
