//! What hands out tokens, and with which credentials.

use secrecy::SecretString;

use crate::{
    config::{
        credentials::Credentials,
        layers::{Layers, Need, secret, text},
        setting as s,
        value::Invalid,
    },
    oauth2::{ClientAuth, Parameters, TokenUrl},
};

/// What hands out tokens. Holds what that one needs, and nothing that is set for another.
#[derive(Clone, Debug)]
pub enum TokenSource {
    /// Tradovate's login.
    Tradovate(Credentials),
    /// The user, who hands in a token that lives.
    Static(SecretString),
    /// An authorization server.
    OAuth2(OAuth2),
}

/// What the refresh grant needs.
#[derive(Clone, Debug)]
pub struct OAuth2 {
    /// Where tokens are asked for; `None` for Tradovate's own endpoint.
    pub token_url: Option<TokenUrl>,
    /// The client's id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretString,
    /// The first refresh token.
    pub refresh_token: SecretString,
    /// How id and secret are sent.
    pub client_auth: ClientAuth,
    /// Further fields of the form.
    pub parameters: Parameters,
    /// How a live token is extended.
    pub renewal: Renewal,
}

/// How a live token is extended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// By the refresh token.
    Refresh,
    /// By Tradovate's `renewaccesstoken`.
    Tradovate,
}

impl TokenSource {
    /// The one that is set, or a problem for each setting that it lacks. The settings of the others are looked at too:
    /// what is set must at least have its form.
    pub(super) fn read(layers: &mut Layers<'_>) -> Option<Self> {
        let kind = layers.value(&s::SOURCE, |text| match text {
            "tradovate" => Ok(Kind::Tradovate),
            "static" => Ok(Kind::Static),
            "oauth2" => Ok(Kind::OAuth2),
            _ => Err(Invalid::Choice { of: "tradovate, static, oauth2" }),
        });
        let credentials = Credentials::read(layers, kind == Kind::Tradovate);
        let handed = (kind == Kind::Static).then_some(HANDED);
        let token = layers.credential(&s::TOKEN, handed, secret);
        let oauth2 = OAuth2::read(layers, kind == Kind::OAuth2);
        match kind {
            Kind::Tradovate => credentials.map(Self::Tradovate),
            Kind::Static => token.map(Self::Static),
            Kind::OAuth2 => oauth2.map(Self::OAuth2),
        }
    }
}

impl OAuth2 {
    fn read(layers: &mut Layers<'_>, needed: bool) -> Option<Self> {
        let need = |whence| needed.then_some(Need { to: "by the source oauth2", whence });
        let token_url = layers.optional(&s::OAUTH2_TOKEN_URL, |text| Ok(text.parse::<TokenUrl>()?));
        let client_id = layers.credential(&s::OAUTH2_CLIENT_ID, need(CLIENT), text);
        let client_secret = layers.credential(&s::OAUTH2_CLIENT_SECRET, need(CLIENT), secret);
        let refresh_token = layers.credential(&s::OAUTH2_REFRESH_TOKEN, need(CONSENT), secret);
        let client_auth = layers.value(&s::OAUTH2_CLIENT_AUTH, |text| match text {
            "basic" => Ok(ClientAuth::Basic),
            "body" => Ok(ClientAuth::Body),
            _ => Err(Invalid::Choice { of: "basic, body" }),
        });
        let parameters = layers.optional(&s::OAUTH2_PARAMETERS, |text| Ok(text.parse()?)).unwrap_or_default();
        let renewal = layers.value(&s::OAUTH2_RENEWAL, |text| match text {
            "refresh" => Ok(Renewal::Refresh),
            "tradovate" => Ok(Renewal::Tradovate),
            _ => Err(Invalid::Choice { of: "refresh, tradovate" }),
        });
        Some(Self {
            token_url,
            client_id: client_id?,
            client_secret: client_secret?,
            refresh_token: refresh_token?,
            client_auth,
            parameters,
            renewal,
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tradovate,
    Static,
    OAuth2,
}

const HANDED: Need = Need {
    to: "by the source static",
    whence: "an access token that lives, from wherever you log in; best given as a file, by TRADOVATE_TOKEN_FILE",
};
const CLIENT: &str = "from where the application was registered with the authorization server";
const CONSENT: &str = "what the authorization server answered with the access token when the user consented; best \
    given as a file, by the variable with _FILE behind it";

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::config::{Config, ConfigErrors, Flags, Purpose};

    fn load<'a>(settings: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Config, ConfigErrors> {
        Config::load(Purpose::Serve, &Flags::default(), &settings.into_iter().collect())
    }

    const CLIENT: [(&str, &str); 4] = [
        ("TRADOVATE_PROXY_SOURCE", "oauth2"),
        ("TRADOVATE_PROXY_OAUTH2_CLIENT_ID", "canary-id"),
        ("TRADOVATE_PROXY_OAUTH2_CLIENT_SECRET", "canary-secret"),
        ("TRADOVATE_PROXY_OAUTH2_REFRESH_TOKEN", "canary-refresh"),
    ];

    #[test]
    fn each_source_needs_its_own_credentials_and_no_others() {
        let handed = [("TRADOVATE_PROXY_SOURCE", "static"), ("TRADOVATE_TOKEN", "canary-token")];
        let config = load(handed).unwrap();
        let Some(TokenSource::Static(token)) = &config.source else { panic!("{:?}", config.source) };
        assert_eq!(token.expose_secret(), "canary-token");

        let granted = load(CLIENT).unwrap();
        let Some(TokenSource::OAuth2(oauth2)) = &granted.source else { panic!("{:?}", granted.source) };
        assert_eq!(
            (&oauth2.token_url, oauth2.client_auth, oauth2.renewal),
            (&None, ClientAuth::Basic, Renewal::Refresh)
        );
        assert_eq!(oauth2.refresh_token.expose_secret(), "canary-refresh");
        let shown =
            format!("{}{:?}", config.redacted() + &granted.redacted(), [&config.source, &granted.source]);
        assert_eq!(shown.matches("canary").count(), 2, "the client's id, which is no secret: {shown}");

        for (source, missing) in [
            ("tradovate", "5 problems"),
            ("static", "TRADOVATE_TOKEN: missing, and needed by the source static"),
            ("oauth2", "TRADOVATE_PROXY_OAUTH2_CLIENT_ID: missing, and needed by the source oauth2"),
        ] {
            let text = load([("TRADOVATE_PROXY_SOURCE", source)]).unwrap_err().to_string();
            assert!(text.contains(missing), "{text}");
            assert_eq!(text.contains("TRADOVATE_PASSWORD"), source == "tradovate", "{text}");
        }
    }

    #[test]
    fn the_settings_of_oauth2_reach_their_fields_and_are_strict() {
        let more = [
            ("TRADOVATE_PROXY_OAUTH2_TOKEN_URL", "https://a.example/token"),
            ("TRADOVATE_PROXY_OAUTH2_CLIENT_AUTH", "body"),
            ("TRADOVATE_PROXY_OAUTH2_PARAMETERS", "scope=a b,audience=c"),
            ("TRADOVATE_PROXY_OAUTH2_RENEWAL", "tradovate"),
        ];
        let config = load(CLIENT.into_iter().chain(more)).unwrap();
        let Some(TokenSource::OAuth2(oauth2)) = config.source else { panic!("{:?}", config.source) };
        assert_eq!(oauth2.token_url.unwrap().to_string(), "https://a.example/token");
        assert_eq!((oauth2.client_auth, oauth2.renewal), (ClientAuth::Body, Renewal::Tradovate));
        assert_eq!(oauth2.parameters, "scope=a b,audience=c".parse().unwrap());

        let wrong = [
            ("TRADOVATE_PROXY_SOURCE", "oauth"),
            ("TRADOVATE_PROXY_OAUTH2_TOKEN_URL", "http://a.example/token"),
            ("TRADOVATE_PROXY_OAUTH2_CLIENT_AUTH", "form"),
            ("TRADOVATE_PROXY_OAUTH2_PARAMETERS", "client_secret=canary"),
            ("TRADOVATE_PROXY_OAUTH2_RENEWAL", "never"),
        ];
        let text = load(wrong).unwrap_err().to_string();
        for expected in [
            "not one of: tradovate, static, oauth2",
            "plain http is for loopback addresses only",
            "not one of: basic, body",
            "grant_type, refresh_token, client_id and client_secret are sent anyway",
            "not one of: refresh, tradovate",
            "10 problems",
        ] {
            assert!(text.contains(expected), "no {expected:?} in:\n{text}");
        }
    }
}
