//! Penalties in answers to ordinary calls.
//!
//! Tradovate: a limit on one endpoint is answered with 200 and `p-ticket`, `p-time` (seconds) and perhaps `p-captcha`,
//! and the request has not been handled. A client that takes 200 for success takes it for data.

use serde::{Deserialize, de::IgnoredAny};

/// That a request was not handled, and must wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Penalty {
    /// Seconds, where it says so.
    pub wait: Option<u32>,
    /// Whether somebody has to solve a captcha first: waiting, an hour as they say, is all that a program can do.
    pub captcha: bool,
}

/// No penalty is longer.
pub const LONGEST: usize = 1024;

impl Penalty {
    /// What `body`, all of the answer's or as much as is at hand, says.
    pub fn find(body: &[u8]) -> Option<Self> {
        // Nearly every answer ends here, at the price of a glance.
        if body.first() != Some(&b'{') || memchr::memmem::find(body, b"\"p-").is_none() {
            return None;
        }
        let answer: Answer = serde_json::from_slice(body).ok()?;
        (answer.ticket.is_some() || answer.captcha == Some(true)).then(|| Self {
            // A number as large as that is nobody's waiting time.
            wait: answer.time.and_then(|time| u32::try_from(time.as_u64()?).ok()),
            captcha: answer.captcha.unwrap_or(false),
        })
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "p-ticket")]
    ticket: Option<IgnoredAny>,
    #[serde(rename = "p-time")]
    time: Option<serde_json::Number>,
    #[serde(rename = "p-captcha")]
    captcha: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_penalty_is_known_by_its_fields_and_nothing_else_is_one() {
        for (body, expected) in [
            (r#"{"p-ticket":"abc","p-time":15}"#, Some((Some(15), false))),
            (r#"{"p-ticket":"abc","p-time":15,"p-captcha":true}"#, Some((Some(15), true))),
            (r#"{"p-captcha":true}"#, Some((None, true))),
            (r#"{"p-ticket":"abc","p-time":-1}"#, Some((None, false))),
            (r#"{"p-time":15}"#, None),
            (r#"{"p-captcha":false}"#, None),
            (r#"{"orderId":7}"#, None),
            (r#"{"text":"\"p-ticket\""}"#, None),
            (r#"[{"p-ticket":"abc"}]"#, None),
            (r#"{"p-ticket":"abc","p-ti"#, None),
            ("", None),
        ] {
            let found = Penalty::find(body.as_bytes()).map(|penalty| (penalty.wait, penalty.captcha));
            assert_eq!(found, expected, "{body}");
        }
    }
}
