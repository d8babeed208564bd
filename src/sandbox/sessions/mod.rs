//! Who is logged in at the simulated broker, and what each token is worth.
//!
//! A login opens a session; the user may have two, and a third closes the oldest ([`Sessions::open`]). A
//! renewal adds a token to a session without opening one ([`Sessions::renew`]). A token is good while its
//! session is open and its own expiry lies ahead ([`Sessions::judge`]); whether a renewal ends the token before
//! it is one of the [`Rules`], since the real broker states it nowhere.
//!
//! The invariant: a session, once closed, is never open again, and no token outlives it.

mod limits;
mod token;
mod verdict;
mod window;

use std::collections::HashMap;

use http::HeaderValue;
use jiff::Timestamp;
use serde::Serialize;

pub(crate) use limits::{Limits, Penalty};
pub(crate) use token::{Kept, digest, mint, scrub};
use token::{Refresh, Token};
pub use verdict::Refusal;
pub(crate) use verdict::Verdict;
pub(crate) use window::later;

use crate::sandbox::rules::{OldToken, RenewalToken, Rules};

/// Sessions, tokens, and the limits on getting them.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    opened: Vec<Session>,
    tokens: HashMap<Kept, Token>,
    refresh: HashMap<Kept, Refresh>,
    pub(crate) limits: Limits,
    next_serial: u64,
}

impl Sessions {
    /// Opens a session and closes the oldest ones above the limit.
    pub(crate) fn open(&mut self, by: OpenedBy, now: Timestamp, rules: &Rules) -> Grant {
        let room = rules.max_sessions.saturating_sub(1);
        let mut open = self.opened.iter().filter(|session| session.is_open_at(now)).count();
        for session in &mut self.opened {
            if open <= room {
                break;
            }
            if session.is_open_at(now) {
                session.closed = Some(now);
                open -= 1;
            }
        }
        let id = self.opened.len() as u64 + 1;
        self.opened.push(Session {
            id,
            opened: now,
            opened_by: by,
            expires_at: now,
            closed: None,
            tokens: 0,
        });
        self.grant(id, now, rules)
    }

    /// Extends a session, with another token or the same by rule.
    pub(crate) fn renew(&mut self, session: u64, token: &str, now: Timestamp, rules: &Rules) -> Grant {
        match rules.renewal_token {
            RenewalToken::Same => {
                let expires_at = later(now, rules.token_life);
                if let Some(known) = self.tokens.get_mut(&Kept::of(token)) {
                    known.expires_at = expires_at;
                }
                self.extend(session, expires_at);
                let md = mint("md", self.next_serial);
                Grant { session, access: token.to_owned(), md, expires_at }
            }
            RenewalToken::New => {
                self.supersede(session, rules);
                self.grant(session, now, rules)
            }
        }
    }

    /// What a request's `Authorization` fields are worth.
    pub(crate) fn judge<'a>(&self, fields: impl Iterator<Item = &'a HeaderValue>, now: Timestamp) -> Verdict {
        verdict::judge(fields, |bearer| {
            let token = self.tokens.get(&Kept::of(bearer))?;
            let session = self.opened.iter().find(|session| session.id == token.session)?;
            Some(verdict::of(token, session.closed.is_some(), now))
        })
    }

    /// Closes a session, or the oldest open one. Returns which, if there was one.
    pub(crate) fn close(&mut self, id: Option<u64>, now: Timestamp) -> Option<u64> {
        let session = self
            .opened
            .iter_mut()
            .find(|session| session.closed.is_none() && id.is_none_or(|id| session.id == id))?;
        session.closed = Some(now);
        Some(session.id)
    }

    /// Makes a refresh token for a session, or for one that its first use will open.
    pub(crate) fn mint_refresh(&mut self, session: Option<u64>, now: Timestamp, rules: &Rules) -> String {
        self.next_serial += 1;
        let refresh = mint("refresh", self.next_serial);
        let expires_at = later(now, rules.refresh_token_life);
        self.refresh.insert(Kept::of(&refresh), Refresh { session, expires_at });
        refresh
    }

    /// Takes a refresh token in, if it is good: it is used up, and stands for a grant and its successor. Tradovate: it
    /// is the user's that rotates, so every other one dies with it, and of two programs with one each the second is
    /// refused.
    pub(crate) fn redeem(&mut self, refresh: &str, now: Timestamp, rules: &Rules) -> Option<(Grant, String)> {
        let known = *self.refresh.get(&Kept::of(refresh)).filter(|known| now < known.expires_at)?;
        self.refresh.clear();
        let alive = known.session.filter(|&id| self.opened.iter().any(|s| s.id == id && s.closed.is_none()));
        let grant = match alive {
            Some(session) => {
                self.supersede(session, rules);
                self.grant(session, now, rules)
            }
            None => self.open(OpenedBy::OAuth, now, rules),
        };
        let next = self.mint_refresh(Some(grant.session), now, rules);
        Some((grant, next))
    }

    /// Every session, oldest first.
    pub(crate) fn list(&self, now: Timestamp) -> Vec<SessionView> {
        self.opened.iter().map(|session| session.view(now)).collect()
    }

    /// Ends the tokens that a session has, if the rules have it so.
    fn supersede(&mut self, session: u64, rules: &Rules) {
        if rules.old_token == OldToken::Dies {
            for known in self.tokens.values_mut().filter(|known| known.session == session) {
                known.superseded = true;
            }
        }
    }

    fn grant(&mut self, session: u64, now: Timestamp, rules: &Rules) -> Grant {
        self.next_serial += 1;
        let (serial, expires_at) = (self.next_serial, later(now, rules.token_life));
        let (access, md) = (mint("access", serial), mint("md", serial));
        self.tokens.insert(Kept::of(&access), Token { session, serial, expires_at, superseded: false });
        self.extend(session, expires_at);
        Grant { session, access, md, expires_at }
    }

    fn extend(&mut self, id: u64, expires_at: Timestamp) {
        if let Some(session) = self.opened.iter_mut().find(|session| session.id == id) {
            session.expires_at = expires_at;
            session.tokens += 1;
        }
    }
}

/// What a login or renewal hands out. Not `Debug`: it holds the token.
pub(crate) struct Grant {
    pub(crate) session: u64,
    pub(crate) access: String,
    pub(crate) md: String,
    pub(crate) expires_at: Timestamp,
}

/// How a session came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OpenedBy {
    /// `auth/accesstokenrequest`.
    Login,
    /// `auth/oauthtoken`.
    OAuth,
    /// The control API, standing for the user's browser or another program.
    Elsewhere,
}

/// What can be told of a session. Holds no token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SessionView {
    /// Its number, from 1 in the order of opening.
    pub id: u64,
    /// How it came to be.
    pub opened_by: OpenedBy,
    /// When it was opened.
    pub opened: Timestamp,
    /// When its newest token expires.
    pub expires_at: Timestamp,
    /// When it was closed by force, if it was.
    pub closed: Option<Timestamp>,
    /// Neither closed nor expired.
    pub is_open: bool,
    /// Grants so far: the login and its renewals.
    pub grants: u64,
}

#[derive(Debug)]
struct Session {
    id: u64,
    opened: Timestamp,
    opened_by: OpenedBy,
    expires_at: Timestamp,
    closed: Option<Timestamp>,
    tokens: u64,
}

impl Session {
    fn is_open_at(&self, now: Timestamp) -> bool {
        self.closed.is_none() && now < self.expires_at
    }

    fn view(&self, now: Timestamp) -> SessionView {
        SessionView {
            id: self.id,
            opened_by: self.opened_by,
            opened: self.opened,
            expires_at: self.expires_at,
            closed: self.closed,
            is_open: self.is_open_at(now),
            grants: self.tokens,
        }
    }
}

#[cfg(test)]
mod tests;
