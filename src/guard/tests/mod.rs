//! A table for each rule: what passes, what does not, and what looks like something that would.

mod orders;
mod property;
mod switch;

use super::*;
use crate::{http1::RequestHead, tradovate::Endpoints};

/// A request before guards.
pub(super) struct Asked {
    head: String,
    path: String,
    body: Vec<u8>,
}

impl Asked {
    /// A POST of JSON to this path below `/v1`.
    pub(super) fn post(path: &str, body: impl AsRef<[u8]>) -> Self {
        Self::of("POST", path, "Content-Type: application/json\r\n", body)
    }

    pub(super) fn of(method: &str, path: &str, fields: &str, body: impl AsRef<[u8]>) -> Self {
        let head = format!("{method} /v1{path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
        Self { head, path: path.to_owned(), body: body.as_ref().to_vec() }
    }

    /// Hands the request to `work`.
    pub(super) fn with<T>(&self, is_local: bool, work: impl FnOnce(&Request<'_>) -> T) -> T {
        let (endpoints, mut read) = (Endpoints::new(), RequestHead::default());
        let bytes = self.head.as_bytes();
        read.read(bytes).unwrap();
        work(&Request {
            endpoint: endpoints.find(self.path.split('?').next().unwrap()),
            is_local,
            method: read.method(bytes),
            target: read.target(bytes),
            fields: read.fields(bytes),
            body: &self.body,
        })
    }

    /// The rule that refuses it, on a demo account with no kill.
    pub(super) fn refused_by(&self, rules: &Rules) -> Option<Rule> {
        self.judged(rules, None).err().map(|refusal| refusal.rule())
    }

    pub(super) fn judged(&self, rules: &Rules, killed: Option<Cause>) -> Result<(), Refusal> {
        let situation = Situation { environment: "demo", killed };
        match self.with(false, |request| judge(rules, &situation, request)) {
            Verdict::Forward => Ok(()),
            Verdict::Refuse(refusal) => Err(refusal),
        }
    }
}

/// An order that names everything.
pub(super) const ORDER: &str = r#"{"accountSpec":"DEMO15460","accountId":6270,"action":"Buy","symbol":"ESZ6","orderQty":1,"orderType":"Limit","price":6740.0,"isAutomated":true}"#;

/// Rules that let [`ORDER`] pass, all of them set.
pub(super) fn all_set() -> Rules {
    Rules {
        accounts: Some(["DEMO15460", "6270"].map(|text| Account::parse(text).unwrap()).into()),
        symbols: Some(["ES*", "NQZ6"].map(|text| Symbol::parse(text).unwrap()).into()),
        order_types: Some(vec!["Limit", "Stop"]),
        max_quantity: 2.try_into().ok(),
        ..Rules::default()
    }
}

const ENDPOINTS: [&str; 12] = [
    "/account/list",
    "/order/dryrun",
    "/user/syncrequest",
    "/order/cancelorder",
    "/order/liquidateposition",
    "/order/liquidatepositions",
    "/order/placeorder",
    "/order/modifyorder",
    "/orderStrategy/interruptorderstrategy",
    "/accountRiskStatus/setadminautoliqaction",
    "/userAccountAutoLiq/update",
    "/no/such",
];

#[test]
fn the_modes_and_the_kill_switch_go_by_what_a_path_does() {
    let passing = |rules: &Rules, killed: Option<Cause>| {
        let passes = |path: &&str| Asked::post(path, ORDER).judged(rules, killed).is_ok();
        ENDPOINTS.iter().copied().filter(|path| passes(path)).collect::<Vec<_>>()
    };
    let (reads, relief) = (&ENDPOINTS[..3], &ENDPOINTS[..6]);
    let mode = |mode| Rules { mode, ..Rules::default() };
    assert_eq!(passing(&mode(Mode::All), None), ENDPOINTS);
    assert_eq!(passing(&mode(Mode::CancelOnly), None), relief);
    assert_eq!(passing(&mode(Mode::ReadOnly), None), reads);
    for cause in [Cause::Operator, Cause::Signal, Cause::EarlierRun, Cause::File, Cause::FileUnreadable] {
        assert_eq!(passing(&mode(Mode::All), Some(cause)), relief, "{cause}");
    }
    assert_eq!(passing(&mode(Mode::ReadOnly), Some(Cause::File)), reads);
    // Whatever the method.
    for method in ["GET", "PUT", "get", "OPTIONS"] {
        let order = Asked::of(method, "/ORDER/placeOrder", "", "");
        assert_eq!(order.refused_by(&mode(Mode::ReadOnly)), Some(Rule::ReadOnly), "{method}");
        assert_eq!(order.refused_by(&mode(Mode::CancelOnly)), Some(Rule::CancelOnly), "{method}");
    }
}

#[test]
fn what_the_proxy_answers_itself_is_held_to_its_environment_only() {
    let login = Asked::post("/auth/accesstokenrequest", "{}");
    let rules = Rules { mode: Mode::ReadOnly, ..all_set() };
    let situation = Situation { environment: "demo", killed: Some(Cause::Operator) };
    assert_eq!(login.with(true, |request| judge(&rules, &situation, request)), Verdict::Forward);
    let login = Asked::of("POST", "/auth/accesstokenrequest", "X-Expect-Env: live\r\n", "");
    let verdict = login.with(true, |request| judge(&rules, &situation, request));
    assert!(matches!(verdict, Verdict::Refuse(Refusal::ExpectEnv { .. })), "{verdict:?}");
}

#[test]
fn every_expectation_of_the_environment_must_be_met() {
    let judged = |environment, fields: &str| {
        let asked = Asked::of("GET", "/account/list", fields, "");
        let situation = Situation { environment, killed: None };
        asked.with(false, |request| judge(&Rules::default(), &situation, request)) == Verdict::Forward
    };
    for (environment, fields, passes) in [
        ("demo", "", true),
        ("demo", "X-Expect-Env: demo\r\n", true),
        ("demo", "x-expect-ENV:  Demo \r\n", true),
        ("live", "X-Expect-Env: live\r\n", true),
        ("sandbox", "X-Expect-Env: demo\r\n", true),
        ("sandbox", "X-Expect-Env: sandbox\r\n", true),
        ("sandbox", "X-Expect-Env: live\r\n", false),
        ("demo", "X-Expect-Env: live\r\n", false),
        ("live", "X-Expect-Env: demo\r\n", false),
        ("demo", "X-Expect-Env: sandbox\r\n", false),
        ("live", "X-Expect-Env:\r\n", false),
        ("live", "X-Expect-Env: live, demo\r\n", false),
        ("live", "X-Expect-Env: live\r\nX-Expect-Env: demo\r\n", false),
        ("live", "X-Expect-Env: liv\u{e9}\r\n", false),
        // A misspelt header must not be a guard that does not guard.
        ("live", "X_Expect_Env: demo\r\n", false),
        ("live", "X-Expect-Environment: demo\r\n", false),
    ] {
        assert_eq!(judged(environment, fields), passes, "{environment} {fields:?}");
    }
}

#[test]
fn a_refusal_names_its_rule_and_says_what_to_do() {
    let order = Asked::post("/order/placeorder", ORDER.replace("6270", "1"));
    let refusal = order.judged(&all_set(), None).unwrap_err();
    assert_eq!(refusal, Refusal::Account { named: "1".to_owned() });
    assert_eq!(refusal.to_string(), "the account \"1\" is not in guards.accounts");
    assert!(refusal.help().contains("accountId"));
    let mut seen = Vec::new();
    let situation = Situation { environment: "demo", killed: None };
    order.with(false, |request| {
        examine(&all_set(), &situation, request, |rule, found| seen.push((rule, found.clone())))
    });
    assert_eq!(seen.last(), Some(&(Rule::Accounts, Finding::Refuses(refusal))));
    assert!(seen.iter().take(4).all(|(_, found)| *found == Finding::Idle), "{seen:?}");
    let names: std::collections::BTreeSet<_> = Rule::ALL.map(Rule::name).into();
    assert_eq!(names.len(), Rule::ALL.len());
}
