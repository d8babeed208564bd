//! What a fault makes of an answer.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, Version, header};

use crate::sandbox::{
    api::reply::{Content, Reply},
    control::{
        Control,
        faults::{Action, Taken},
    },
    server::{
        body::{AnswerBody, Length},
        exchange::{Connection, Severed},
        response::{BYTES, interim, json, made_up, plain, with_trailers},
        tap::Break,
    },
    sessions::later,
};

impl Connection {
    /// Answers as the fault wants it. `reply` is the broker's own answer, if it did its work.
    pub(super) async fn spoil(
        &self,
        Taken { fault, clearings }: &Taken,
        reply: &Reply,
        version: Version,
    ) -> Result<Response<AnswerBody>, Severed> {
        if fault.delay_ms > 0 {
            let control = Control::new(Arc::clone(&self.shared));
            let delay = Duration::from_millis(fault.delay_ms);
            // Whichever comes first, the request goes on.
            let _ = tokio::time::timeout(delay, control.faults_cleared(*clearings)).await;
        }
        if version <= Version::HTTP_11 && !fault.informational.is_empty() {
            self.wire.put_before(Bytes::from(interim(&fault.informational)));
        }
        let length = reply.bytes().len();
        Ok(match &fault.action {
            Action::Pass => plain(reply),
            Action::TruncatedJson => plain(&Reply {
                status: reply.status,
                content: Content::Json(reply.bytes().slice(..length / 2)),
            }),
            Action::CutBody { after_bytes } => {
                let mut response = plain(reply).map(|body| body.cut(*after_bytes));
                response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
                response
            }
            Action::Drip { bytes, pause_ms } => {
                plain(reply).map(|body| body.dripping(*bytes, Duration::from_millis(*pause_ms)))
            }
            Action::Trailers { fields } => with_trailers(reply, fields.iter()),
            Action::Respond { status, headers, body } => made_up(*status, headers, body),
            Action::Redirect { location } => {
                let location = [("location".to_owned(), location.clone())];
                made_up(StatusCode::TEMPORARY_REDIRECT.as_u16(), &location, "")
            }
            Action::Penalty { seconds, captcha } => plain(&self.penalty(*seconds, *captcha)),
            Action::Empty => plain(&Reply::empty(StatusCode::OK)),
            Action::EmptyJson => plain(&json("{}")),
            Action::GarbageJson => plain(&json("{\"accessToken\": \"SIM-")),
            Action::Html => {
                let kind = [("content-type".to_owned(), "text/html; charset=utf-8".to_owned())];
                made_up(200, &kind, "<!doctype html><title>Service</title><p>Please try again later.")
            }
            Action::Huge { .. } if reply.status != StatusCode::OK => plain(reply),
            Action::Huge { bytes, chunked } => {
                let length = if *chunked { Length::Chunked } else { Length::Declared };
                let mut response = plain(&json("")).map(|_| AnswerBody::huge(*bytes, length));
                response.headers_mut().insert(header::CONTENT_TYPE, BYTES);
                response
            }
            Action::Raw { text } => {
                self.wire.put_instead(Bytes::from(text.clone()));
                // Never written: it only makes the HTTP stack end the connection.
                made_up(200, &[("connection".to_owned(), "close".to_owned())], "")
            }
            Action::Hang => {
                self.stop.cancelled().await;
                return Err(self.sever(Break::Close));
            }
            Action::Close => return Err(self.sever(Break::Close)),
            Action::Reset | Action::ResetUnread => return Err(self.sever(Break::Reset)),
        })
    }

    fn sever(&self, how: Break) -> Severed {
        self.wire.sever(how);
        Severed
    }

    fn penalty(&self, seconds: u64, captcha: bool) -> Reply {
        let now = self.shared.clock.now();
        let until = later(now, Duration::from_secs(seconds));
        Reply::penalty(&self.shared.lock().sessions.limits.penalty(until, now, captcha))
    }
}
