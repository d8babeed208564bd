//! What is forwarded to, and where it is.

use crate::{
    config::{
        layers::Layers,
        problem::Fault,
        setting as s,
        source::{Renewal, TokenSource},
        value::Invalid,
    },
    origin::Origin,
    proxy::Api,
    tradovate::{Environment, TrustedSuffixes},
};

/// The API, and the origin in the environment's place. Tokens come from `source`.
pub(super) fn read(
    layers: &mut Layers<'_>,
    environment: Environment,
    source: Option<&TokenSource>,
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
    // Tradovate's own calls mean nothing to another API.
    let tradovates = match source {
        Some(TokenSource::Tradovate(_) | TokenSource::Static(_)) => Some(&s::SOURCE),
        Some(TokenSource::OAuth2(oauth2)) if oauth2.renewal == Renewal::Tradovate => Some(&s::OAUTH2_RENEWAL),
        Some(TokenSource::OAuth2(_)) | None => None,
    };
    if let (Api::Other, Some(setting)) = (api, tradovates) {
        layers.refuse(setting, Fault::ForeignLogin);
    }
    (api, origin)
}
