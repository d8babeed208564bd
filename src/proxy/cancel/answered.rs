//! What an answer to one of the kill switch's requests says: of the cancel, and of asking on.

use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;

use crate::{guard::Fate, tradovate::Penalty};

/// An answer, whole.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: StatusCode,
    /// Seconds.
    pub(super) retry_after: Option<u64>,
    pub(super) body: Vec<u8>,
}

impl Answered {
    /// What became of the cancel that it answers.
    pub(super) fn fate(&self) -> Fate {
        let status = self.status.as_u16();
        if let Some(penalty) = self.penalty() {
            return Fate::Refused(shown(penalty));
        }
        // Tradovate: to the token of a closed session the answer is 408, 429 or 5xx, and says nothing certain.
        if matches!(status, 408 | 429) || self.status.is_server_error() {
            return Fate::Unknown;
        }
        let answer: CommandAnswer = serde_json::from_slice(&self.body).unwrap_or_default();
        let CommandAnswer { command_id, failure_reason, failure_text, error_text } = answer;
        // Tradovate: one of the reasons for a failure is that there is none.
        let failure_reason = failure_reason.filter(|reason| reason != SUCCESS);
        match (command_id, &failure_reason, &error_text) {
            (Some(_), None, _) if self.status.is_success() => Fate::Cancelled,
            (_, None, None) if self.status.is_success() => Fate::Unknown,
            _ => {
                let words: Vec<_> =
                    [failure_reason, failure_text, error_text].into_iter().flatten().collect();
                Fate::Refused(format!("{status} {}", words.join(": ")).trim_end().to_owned())
            }
        }
    }

    /// Tradovate: after 423, or a captcha, no call at all for an hour, since each puts its end off; after 429 an hour
    /// too, unless it says otherwise; a penalty without a captcha says how long.
    pub(super) fn then(&self) -> Then {
        let wait = match (self.status.as_u16(), self.penalty()) {
            (423, _) | (_, Some(Penalty { captcha: true, .. })) => {
                return Then::Stop("Tradovate wants a captcha solved, and no call until then".to_owned());
            }
            (429, _) => self.retry_after,
            (_, Some(penalty)) => penalty.wait.map(u64::from),
            (_, None) => return Then::GoOn,
        };
        wait.map_or_else(
            || Then::Stop("Tradovate refuses requests for their number".to_owned()),
            |seconds| Then::Wait(Duration::from_secs(seconds)),
        )
    }

    /// What says that it was not handled.
    pub(super) fn penalty(&self) -> Option<Penalty> {
        Penalty::find(&self.body).filter(|_| self.status.is_success())
    }
}

pub(super) fn shown(penalty: Penalty) -> String {
    let wait = penalty.wait.map_or_else(|| "a while".to_owned(), |seconds| format!("{seconds} s"));
    let captcha = if penalty.captcha { ", and a captcha to solve" } else { "" };
    format!("a penalty, so it was not handled: {wait} to wait{captcha}")
}

/// What an answer means for the requests that would follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Then {
    GoOn,
    Wait(Duration),
    Stop(String),
}

/// Tradovate: a `commandId` means that it is taken, not that it is done.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct CommandAnswer {
    command_id: Option<i64>,
    failure_reason: Option<String>,
    failure_text: Option<String>,
    error_text: Option<String>,
}

/// Tradovate: a `failureReason`.
const SUCCESS: &str = "Success";

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, retry_after: Option<u64>, body: &str) -> Answered {
        Answered { status: StatusCode::from_u16(status).unwrap(), retry_after, body: body.into() }
    }

    #[test]
    fn a_cancel_became_what_its_answer_proves() {
        let refused = |why: &str| Fate::Refused(why.to_owned());
        for (status, body, expected) in [
            (200, r#"{"commandId":7}"#, Fate::Cancelled),
            (200, r#"{"commandId":7,"failureReason":"Success"}"#, Fate::Cancelled),
            (200, r#"{"failureReason":"TooLate","failureText":"filled"}"#, refused("200 TooLate: filled")),
            (200, r#"{"commandId":7,"failureReason":"TooLate"}"#, refused("200 TooLate")),
            (200, r#"{"errorText":"no"}"#, refused("200 no")),
            (
                200,
                r#"{"p-ticket":"a","p-time":15}"#,
                refused("a penalty, so it was not handled: 15 s to wait"),
            ),
            (200, "{}", Fate::Unknown),
            (200, "<html>", Fate::Unknown),
            (307, "", refused("307")),
            (400, r#"{"errorText":"no"}"#, refused("400 no")),
            (401, "Access is denied", refused("401")),
            (404, "", refused("404")),
            (423, "", refused("423")),
            (408, "", Fate::Unknown),
            (429, "", Fate::Unknown),
            (500, r#"{"errorText":"no"}"#, Fate::Unknown),
            (503, "", Fate::Unknown),
        ] {
            assert_eq!(answered(status, None, body).fate(), expected, "{status} {body}");
        }
    }

    #[test]
    fn once_tradovate_has_had_enough_it_is_waited_for_or_left_alone() {
        let wait = |seconds| Some(Duration::from_secs(seconds));
        for (status, retry_after, body, expected) in [
            (200, None, r#"{"commandId":7}"#, None),
            (500, Some(3), "", None),
            (401, None, "", None),
            (429, Some(3), "", Some(wait(3))),
            (429, None, "", Some(None)),
            (423, Some(3), "", Some(None)),
            (200, None, r#"{"p-ticket":"a","p-time":15}"#, Some(wait(15))),
            (200, None, r#"{"p-ticket":"a"}"#, Some(None)),
            (200, None, r#"{"p-ticket":"a","p-time":15,"p-captcha":true}"#, Some(None)),
        ] {
            let then = match answered(status, retry_after, body).then() {
                Then::GoOn => None,
                Then::Wait(wait) => Some(Some(wait)),
                Then::Stop(_) => Some(None),
            };
            assert_eq!(then, expected, "{status} {body}");
        }
    }
}
