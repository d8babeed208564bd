//! What is forwarded to, and whose tokens are used.

use crate::config::setting::{Preset, Setting, flagged, plain};

settings! { UPSTREAM:
    SOURCE = plain("source", "TRADOVATE_PROXY_SOURCE", "tradovate|static|oauth2", Preset::Text("tradovate"),
        "what hands out tokens: Tradovate's login, a token given by you, or an OAuth 2 refresh token");
    API = plain("api", "TRADOVATE_PROXY_API", "tradovate|other", Preset::Text("tradovate"),
        "what is forwarded to: Tradovate below `/v1`, or any API, below any path (needs `upstream-url`)");
    ENV = flagged("env", "TRADOVATE_PROXY_ENV", "--env", "demo|live", Preset::Text("demo"),
        "which Tradovate; `live` only together with `TRADOVATE_PROXY_LIVE=yes`");
    LIVE = plain("live", "TRADOVATE_PROXY_LIVE", "yes|no", Preset::Text("no"),
        "the second confirmation that real money is meant");
    UPSTREAM_URL = flagged("upstream-url", "TRADOVATE_PROXY_UPSTREAM_URL", "--upstream-url", "URL",
        Preset::Words("the environment's own"),
        "replaces Tradovate's address: `https`, or `http` to loopback only");
    TRUSTED_HOSTS = plain("trusted-hosts", "TRADOVATE_PROXY_TRUSTED_HOSTS", "NAME,NAME", Preset::Words("none"),
        "domains besides Tradovate's own to which answers may move the session, and so its token");
    UPSTREAM_CA = flagged("upstream-ca", "TRADOVATE_PROXY_UPSTREAM_CA", "--upstream-ca", "FILE",
        Preset::Words("none"), "PEM file of certificates to trust besides the public ones");
    UPSTREAM_HTTP2 = flagged("upstream-http2", "TRADOVATE_PROXY_UPSTREAM_HTTP2", "--upstream-http2", "yes|no",
        Preset::Text("no"), "speak HTTP/2 upstream where it is offered");
    UPSTREAM_WARM = plain("upstream-warm", "TRADOVATE_PROXY_UPSTREAM_WARM", "NUMBER", Preset::Text("2"),
        "connections to Tradovate that each worker keeps open ahead of requests; `0`: none");
}
