//! What is asked, and the right answer to it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One of the requests. All are reads to the proxy, so that none can be an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Asked {
    /// `GET`, answered with 512 bytes.
    Small,
    /// `GET`, answered with 16 KiB.
    Large,
    /// `POST` of 300 bytes, answered with 512; the call is the one that tries an order out and places none.
    Post,
}

impl Asked {
    pub(crate) const ALL: [Self; 3] = [Self::Small, Self::Large, Self::Post];

    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Small => "/v1/account/list",
            Self::Large => "/v1/fill/list",
            Self::Post => "/v1/order/dryrun",
        }
    }

    pub(crate) fn method(self) -> &'static str {
        match self {
            Self::Small | Self::Large => "GET",
            Self::Post => "POST",
        }
    }

    /// A request with the fields that an HTTP library sends; with a token only on the way without a proxy.
    pub(crate) fn request(self, method: &str, token: Option<&str>) -> Vec<u8> {
        let authorization =
            token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
        let rest = match self {
            Self::Small | Self::Large => "\r\n".to_owned(),
            Self::Post => {
                let fields = format!("Content-Type: application/json\r\nContent-Length: {POSTED}\r\n");
                format!("{fields}\r\n{ORDER:<POSTED$}")
            }
        };
        let line = format!("{method} {} HTTP/1.1\r\nHost: localhost\r\n", self.path());
        [&*line, FIELDS, &authorization, &rest].concat().into_bytes()
    }

    /// The body of the answer: JSON of a fixed length.
    pub(crate) fn body(self) -> Vec<u8> {
        let length = match self {
            Self::Small | Self::Post => 512,
            Self::Large => 16 * 1024,
        };
        let entry = br#"{"id":6270,"name":"DEMO15460","active":true,"balance":50000.25},"#;
        let mut body = vec![b'['];
        while body.len() + entry.len() < length {
            body.extend_from_slice(entry);
        }
        body.pop();
        body.resize(length - 1, b' ');
        body.push(b']');
        body
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Small => "GET 512 B",
            Self::Large => "GET 16 KiB",
            Self::Post => "POST 300 B",
        })
    }
}

const FIELDS: &str =
    "User-Agent: sidebyside\r\nAccept: application/json\r\nAccept-Encoding: gzip, deflate\r\n";

/// White space makes up the rest of its length. Its quantity is below what the guards allow.
const ORDER: &str = concat!(
    r#"{"accountSpec": "DEMO15460", "accountId": 6270, "action": "Buy", "symbol": "ESZ6", "#,
    r#""orderQty": 1, "orderType": "Limit", "price": 6740.25, "timeInForce": "Day", "isAutomated": true}"#,
);

const POSTED: usize = 300;
