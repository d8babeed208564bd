//! What is forwarded to, and where it is.

use crate::{
    config::{layers::Layers, problem::Fault, setting as s, value::Invalid},
    origin::Origin,
    proxy::Api,
    tradovate::{Environment, TrustedSuffixes},
};

/// The API, and the origin in the environment's place. `logs_in` says whether tokens come from Tradovate's login.
pub(super) fn read(
    layers: &mut Layers<'_>,
    environment: Environment,
    logs_in: bool,
) -> (Api, Option<Origin>) {
    let api = layers.value(&s::API, |text| match text {
        "tradovate" => Ok(Api::Tradovate),
        "other" => Ok(Api::Other),
        _ => Err(Invalid::Choice { of: "tradovate, other" }),
    });
    let problems = layers.problems.len();
    let origin = layers.optional(&s::UPSTREAM_URL, |text| {
        Ok(match api {
            Api::Tradovate => text.parse()?,
            Api::Other => Origin::bare(text)?,
        })
    });
    let is_wrong = layers.problems.len() > problems;
    let host = origin.as_ref().map(Origin::host).filter(|host| TrustedSuffixes::default().covers(host));
    match (api, &origin, host) {
        // Not a way around what `live` asks for.
        (Api::Tradovate, _, Some(host)) if host.starts_with("live") && environment != Environment::Live => {
            layers.refuse(&s::UPSTREAM_URL, Fault::LiveInDisguise { host: host.to_owned() });
        }
        // There, callers would reach the calls that answer with a token.
        (Api::Other, _, Some(host)) => {
            layers.refuse(&s::UPSTREAM_URL, Fault::TradovateAsOther { host: host.to_owned() });
        }
        (Api::Other, None, _) if !is_wrong => layers.refuse(&s::API, Fault::Nowhere),
        (Api::Tradovate | Api::Other, _, _) => {}
    }
    if api == Api::Other && logs_in {
        layers.refuse(&s::SOURCE, Fault::ForeignLogin);
    }
    (api, origin)
}
