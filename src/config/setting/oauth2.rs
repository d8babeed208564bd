//! The source `oauth2`.

use crate::config::setting::{Kind, Preset, Setting, credential, plain};

settings! { OAUTH2:
    OAUTH2_TOKEN_URL = plain("oauth2.token-url", "TRADOVATE_PROXY_OAUTH2_TOKEN_URL", "URL",
        Preset::Words("Tradovate's own"), "where the source `oauth2` trades a refresh token for an access token");
    OAUTH2_CLIENT_ID = oauth2("oauth2.client-id", "TRADOVATE_PROXY_OAUTH2_CLIENT_ID", Kind::Credential,
        "the application's id there");
    OAUTH2_CLIENT_SECRET = oauth2("oauth2.client-secret", "TRADOVATE_PROXY_OAUTH2_CLIENT_SECRET", Kind::Secret,
        "its secret");
    OAUTH2_REFRESH_TOKEN = oauth2("oauth2.refresh-token", "TRADOVATE_PROXY_OAUTH2_REFRESH_TOKEN", Kind::Secret,
        "the first refresh token; each that replaces it is kept in the state directory");
    OAUTH2_CLIENT_AUTH = plain("oauth2.client-auth", "TRADOVATE_PROXY_OAUTH2_CLIENT_AUTH", "basic|body",
        Preset::Text("basic"), "how id and secret are sent: in `Authorization`, or in the form");
    OAUTH2_PARAMETERS = plain("oauth2.parameters", "TRADOVATE_PROXY_OAUTH2_PARAMETERS", "NAME=VALUE,…",
        Preset::Words("none"), "further fields of the form, such as `scope` or `audience`");
    OAUTH2_RENEWAL = plain("oauth2.renewal", "TRADOVATE_PROXY_OAUTH2_RENEWAL", "refresh|tradovate",
        Preset::Text("refresh"), "how a live token is extended: by the refresh token, or by Tradovate's own renewal for as long as that keeps the refresh token alive");
}

/// A credential that only the source `oauth2` needs.
const fn oauth2(key: &'static str, env: &'static str, kind: Kind, what: &'static str) -> Setting {
    Setting { default: Preset::Words("required by `oauth2`"), ..credential(key, env, kind, what) }
}
