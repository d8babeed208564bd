//! A report in words: a label and a text for each thing worth a line, the same on the page and in a terminal.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};

use crate::{
    admin::status::{Report, SessionReport},
    budget::WindowReport,
    guard,
};

/// A label, and what there is to say.
pub type Row = (&'static str, String);

impl Report {
    /// The whole report. What could forge a line of a terminal is taken out.
    pub fn rows(&self) -> Vec<Row> {
        let serving = match (self.draining, self.ready) {
            (true, _) => "no: the process was told to stop, and finishes what is in flight",
            (false, true) => "yes",
            (false, false) => "no: every request is answered 503",
        };
        let mut rows = vec![("serving", serving.to_owned())];
        if self.guards.kill.engaged {
            rows.push(("kill switch", self.guards.kill.line()));
        }
        rows.extend(self.session.rows());
        rows.push(("guards", self.guards_row()));
        rows.push(("environment", format!("{} at {}", self.environment, self.origin)));
        rows.push((
            "callers",
            format!("{}, {}", urls(self.tls, &self.listen), protection(&self.access.proxy, &self.listen)),
        ));
        rows.push((
            "operators",
            format!(
                "{}, {}",
                urls(self.admin_tls, &self.admin_listen),
                protection(&self.access.admin, &self.admin_listen)
            ),
        ));
        rows.extend(self.budget_rows());
        let uptime = span(SignedDuration::from_secs(i64::try_from(self.uptime_seconds).unwrap_or(i64::MAX)));
        rows.push(("process", format!("version {}, up {uptime}", self.version)));
        if let Some(skew) = self.clock_skew_seconds.filter(|skew| *skew != 0) {
            rows.push(("clock", format!("Tradovate's is {skew} s ahead of ours")));
        }
        if let Some(trouble) = &self.store_trouble {
            rows.push(("store", format!("the session would not survive a restart: {trouble}")));
        }
        if let Some(audit) = &self.audit {
            let line = || format!("line {} in {}, {}", audit.seq, audit.file, audit.head);
            rows.push(("audit log", audit.alarm().unwrap_or_else(line)));
        }
        printable(rows)
    }
}

impl Report {
    /// What is set besides the kill switch, which has a row of its own.
    fn guards_row(&self) -> String {
        let guard::Report { mode, accounts, symbols, order_types, max_quantity, orders_per_minute, kill } =
            &self.guards;
        let sets_none = mode == "all"
            && accounts.is_none()
            && symbols.is_none()
            && order_types.is_none()
            && max_quantity.is_none()
            && orders_per_minute.is_none();
        if kill.engaged && sets_none { "none besides the kill switch".to_owned() } else { self.guards.line() }
    }

    fn budget_rows(&self) -> Vec<Row> {
        let budget = &self.budget;
        let of = |window: WindowReport| match window.limit {
            Some(limit) => format!("{} of {limit}", window.spent),
            None => window.spent.to_string(),
        };
        let mut text =
            format!("{} in the last hour, {} in the last minute", of(budget.hour), of(budget.minute));
        if budget.callers.len() > 1 {
            let by = budget.callers.iter().map(|caller| format!("{} {}", caller.caller, caller.hour));
            let _ = write!(text, " ({})", by.collect::<Vec<_>>().join(", "));
        }
        let mut rows = vec![("requests", text)];
        if let Some((status, until)) = budget.held_after.zip(budget.held_until) {
            let until = self.session.instant(until);
            rows.push((
                "held",
                format!("Tradovate answered {status}: requests wait, until {until} at the latest"),
            ));
        }
        rows
    }
}

impl SessionReport {
    /// The session alone. What could forge a line of a terminal is taken out.
    pub fn rows(&self) -> Vec<Row> {
        let mut rows = vec![("session", format!("{} since {}", self.state, self.instant(self.since)))];
        if let Some(reason) = &self.reason {
            rows.push(("why", reason.clone()));
        }
        rows.push(("what to do", self.advice.clone()));
        let token = self.expires_at.zip(self.generation).map(|(expires_at, generation)| {
            let verb = if expires_at > self.as_of { "expires" } else { "expired" };
            format!("number {generation}, {verb} {}", self.instant(expires_at))
        });
        rows.push(("token", token.unwrap_or_else(|| "none".to_owned())));
        let next = self.next.as_ref().map(|next| format!("{} {}", next.call, self.instant(next.at)));
        rows.push(("next", next.unwrap_or_else(|| "nothing by itself".to_owned())));
        if let Some(last) = &self.last_attempt {
            rows.push(("last", format!("{} {}: {}", last.call, self.instant(last.at), last.result)));
        }
        rows.push(("when kicked", self.on_kick.clone()));
        printable(rows)
    }

    /// An instant as people want it: the time, and how far off that is.
    fn instant(&self, at: Timestamp) -> String {
        let away = at.duration_since(self.as_of);
        let far = if away.is_positive() {
            format!("in {}", span(away))
        } else {
            format!("{} ago", span(away.abs()))
        };
        format!("{} ({far})", Timestamp::from_second(at.as_second()).unwrap_or(at))
    }
}

/// What to connect to.
fn urls(tls: bool, addresses: &str) -> String {
    let scheme = if tls { "https" } else { "http" };
    let url = |address: &str| {
        if address.starts_with("unix:") { address.to_owned() } else { format!("{scheme}://{address}") }
    };
    addresses.split(',').map(url).collect::<Vec<_>>().join(" and ")
}

/// What keeps others out, in words. Keys are asked for everywhere; what else there is, is a port's.
fn protection(access: &str, addresses: &str) -> String {
    let of_ports = match access {
        "loopback" => "open to every program of this machine",
        "keys" => return "with a key only".to_owned(),
        "certificates" => "with a client certificate only",
        _ => "OPEN TO WHOEVER REACHES IT (unsafe-open)",
    };
    let sockets = addresses.split(',').filter(|address| address.starts_with("unix:")).count();
    if sockets == 0 {
        of_ports.to_owned()
    } else if sockets == addresses.split(',').count() {
        format!("open to {LET_IN}")
    } else {
        format!("the port {of_ports}, the socket to {LET_IN}")
    }
}

/// Who may use a Unix socket.
const LET_IN: &str = "the users whom socket-mode and socket-users let in";

/// `1h 4m 9s`; below a second nobody counts.
fn span(span: SignedDuration) -> String {
    format!("{:#}", SignedDuration::from_secs(span.as_secs()))
}

pub(super) fn printable(rows: Vec<Row>) -> Vec<Row> {
    rows.into_iter().map(|(label, text)| (label, text.replace(char::is_control, " "))).collect()
}
