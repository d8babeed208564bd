//! Whether a request may pass: one pure function, the same for the data path and for `explain`.

use crate::{
    guard::{
        body::{Flaw, Named},
        form::Form,
        kill::Cause,
        rules::{Mode, Rules},
        verdict::{Refusal, Rule, cut},
    },
    http1::Fields,
    tradovate::{Effect, Endpoint},
};

/// What the rules do not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Situation {
    /// `demo`, `live` or `sandbox`.
    pub environment: &'static str,
    /// Why the kill switch is on, if it is.
    pub killed: Option<Cause>,
}

/// A request, read whole, whose path has been judged.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// What its path stands for.
    pub endpoint: &'a Endpoint,
    /// Whether the proxy itself answers it, so that nothing could be sent.
    pub is_local: bool,
    /// Its method.
    pub method: &'a str,
    /// Its target in origin-form.
    pub target: &'a str,
    /// Its header.
    pub fields: Fields<'a>,
    /// Its body: the very bytes that are forwarded.
    pub body: &'a [u8],
}

/// What one rule finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It is not set, or has nothing to say of such a request.
    Idle,
    /// It lets the request pass.
    Passes,
    /// It does not.
    Refuses(Refusal),
}

/// What all rules together come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may be forwarded; what counts against `guards.orders-per-minute` must get a place there first.
    Forward,
    /// It may not.
    Refuse(Refusal),
}

/// Judges a request by every rule but `guards.orders-per-minute`, which is no function of the request.
pub fn judge(rules: &Rules, situation: &Situation, request: &Request<'_>) -> Verdict {
    examine(rules, situation, request, |_, _| {})
}

/// The same, showing what each rule finds, up to the one that refuses.
pub fn examine(
    rules: &Rules,
    situation: &Situation,
    request: &Request<'_>,
    mut show: impl FnMut(Rule, &Finding),
) -> Verdict {
    let mut decide = |rule, finding: Finding| {
        show(rule, &finding);
        match finding {
            Finding::Refuses(refusal) => Err(refusal),
            Finding::Idle | Finding::Passes => Ok(()),
        }
    };
    let findings = || {
        decide(Rule::ExpectEnv, expectation(situation, request))?;
        decide(Rule::Kill, kill(situation, request))?;
        decide(Rule::ReadOnly, mode(rules, Mode::ReadOnly, request))?;
        decide(Rule::CancelOnly, mode(rules, Mode::CancelOnly, request))?;
        let named = match order(rules, request) {
            Ok(named) => {
                decide(Rule::Body, if named.is_some() { Finding::Passes } else { Finding::Idle })?;
                named
            }
            Err(flaw) => return decide(Rule::Body, Finding::Refuses(flaw.into())),
        };
        decide(Rule::Accounts, accounts(rules, named.as_ref()))?;
        decide(Rule::Symbols, symbols(rules, named.as_ref()))?;
        decide(Rule::OrderTypes, order_types(rules, named.as_ref()))?;
        decide(Rule::MaxQuantity, quantities(rules, named.as_ref()))
    };
    let mut findings = findings;
    match findings() {
        Ok(()) => Verdict::Forward,
        Err(refusal) => Verdict::Refuse(refusal),
    }
}

impl Request<'_> {
    /// Whether it counts against `guards.orders-per-minute`.
    pub fn is_paced(&self) -> bool {
        !self.is_local && self.endpoint.effect == Effect::Order && !self.endpoint.relief
    }

    /// Whether brakes let it pass: it changes nothing, or takes risk away.
    fn is_harmless(&self) -> bool {
        self.is_local || passes_brakes(self.endpoint)
    }
}

/// Whether the kill switch lets it pass.
pub(super) fn passes_brakes(endpoint: &Endpoint) -> bool {
    endpoint.effect == Effect::Read || endpoint.relief
}

/// Every expectation must be met, however it is spelled (`X_Expect_Env`, `X-Expect-Environment`): one that is passed
/// over would be a guard that does not guard.
fn expectation(situation: &Situation, request: &Request<'_>) -> Finding {
    let mut finding = Finding::Idle;
    let served = situation.environment;
    for (_, expected) in request.fields.raw().filter(|(name, _)| is_expectation(name)) {
        // The sandbox is a double of demo: whoever means demo means no real money.
        let is_met = expected.eq_ignore_ascii_case(served.as_bytes())
            || served == SANDBOX && expected.eq_ignore_ascii_case(b"demo");
        if !is_met {
            let expected = cut(&String::from_utf8_lossy(expected));
            return Finding::Refuses(Refusal::ExpectEnv { expected, served });
        }
        finding = Finding::Passes;
    }
    finding
}

fn is_expectation(name: &[u8]) -> bool {
    let fold = |byte: &u8| if matches!(byte, b'_' | b'.') { b'-' } else { byte.to_ascii_lowercase() };
    name.len() >= EXPECT_ENV.len()
        && name.iter().map(fold).zip(EXPECT_ENV.bytes()).all(|(byte, known)| byte == known)
}

fn kill(situation: &Situation, request: &Request<'_>) -> Finding {
    match situation.killed {
        None => Finding::Idle,
        Some(_) if request.is_harmless() => Finding::Passes,
        Some(cause) => Finding::Refuses(Refusal::Killed(cause)),
    }
}

fn mode(rules: &Rules, mode: Mode, request: &Request<'_>) -> Finding {
    if rules.mode != mode {
        return Finding::Idle;
    }
    let is_read = request.is_local || request.endpoint.effect == Effect::Read;
    match mode {
        Mode::All => Finding::Idle,
        Mode::ReadOnly if is_read => Finding::Passes,
        Mode::ReadOnly => Finding::Refuses(Refusal::ReadOnly),
        Mode::CancelOnly if request.is_harmless() => Finding::Passes,
        Mode::CancelOnly => Finding::Refuses(Refusal::CancelOnly),
    }
}

/// What the order in it names, if a rule wants to know, and there is anything to know.
fn order(rules: &Rules, request: &Request<'_>) -> Result<Option<Named>, Flaw> {
    if request.is_local || !rules.read_orders() {
        return Ok(None);
    }
    match Form::of(request.endpoint) {
        Form::None | Form::ById => Ok(None),
        // A brake must not fail for what has nothing to do with it.
        Form::Liquidate if rules.accounts.is_none() => Ok(None),
        Form::Liquidate => {
            let rules = Rules { accounts: rules.accounts.clone(), ..Rules::default() };
            let named = Named::read(&rules, Form::Liquidate, request)?;
            let Named { account_specs, account_ids, .. } = named;
            Ok(Some(Named { account_specs, account_ids, ..Named::default() }))
        }
        Form::Unknown => Err(Flaw::Unknown),
        form @ (Form::Place | Form::PlaceOco | Form::PlaceOso | Form::Modify | Form::StartStrategy) => {
            Named::read(rules, form, request).map(Some)
        }
    }
}

fn accounts(rules: &Rules, named: Option<&Named>) -> Finding {
    let (Some(listed), Some(named)) = (&rules.accounts, named) else { return Finding::Idle };
    let unlisted_spec =
        named.account_specs.iter().find(|spec| !listed.iter().any(|account| account.is_called(spec)));
    let unlisted_id = named.account_ids.iter().find(|id| !listed.iter().any(|account| account.has_id(**id)));
    match (unlisted_spec, unlisted_id) {
        (Some(spec), _) => Finding::Refuses(Refusal::Account { named: cut(spec) }),
        (None, Some(id)) => Finding::Refuses(Refusal::Account { named: id.to_string() }),
        (None, None) => Finding::Passes,
    }
}

fn symbols(rules: &Rules, named: Option<&Named>) -> Finding {
    let (Some(listed), Some(named)) = (&rules.symbols, named) else { return Finding::Idle };
    match named.symbols.iter().find(|symbol| !listed.iter().any(|listed| listed.admits(symbol))) {
        Some(symbol) => Finding::Refuses(Refusal::Symbol { named: cut(symbol) }),
        None => Finding::Passes,
    }
}

fn order_types(rules: &Rules, named: Option<&Named>) -> Finding {
    let (Some(listed), Some(named)) = (&rules.order_types, named) else { return Finding::Idle };
    match named.order_types.iter().find(|kind| !listed.contains(&kind.as_str())) {
        Some(kind) => Finding::Refuses(Refusal::OrderType { named: cut(kind) }),
        None => Finding::Passes,
    }
}

fn quantities(rules: &Rules, named: Option<&Named>) -> Finding {
    let (Some(most), Some(named)) = (rules.max_quantity, named) else { return Finding::Idle };
    match named.quantities.iter().max() {
        Some(&asked) if asked > u64::from(most.get()) => {
            Finding::Refuses(Refusal::Quantity { asked, most: most.get() })
        }
        Some(_) | None => Finding::Passes,
    }
}

/// What a caller says of the environment it means. It does not go upstream (see [`crate::hygiene::names`]).
pub const EXPECT_ENV: &str = "x-expect-env";

/// The environment of the simulation.
const SANDBOX: &str = "sandbox";
