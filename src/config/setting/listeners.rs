//! How callers and operators come in: over Unix sockets, and over TLS.

use crate::config::setting::{Preset, Setting, plain};

settings! { LISTENERS:
    SOCKET_MODE = plain("socket-mode", "TRADOVATE_PROXY_SOCKET_MODE", "600|660|666", Preset::Text("600"),
        "the mode of Unix sockets: open for the proxy's own user, its group too, or everyone");
    SOCKET_USERS = plain("socket-users", "TRADOVATE_PROXY_SOCKET_USERS", "UID,UID",
        Preset::Words("whomever `socket-mode` lets in"),
        "ids of the users who may use Unix sockets, besides the proxy's own and root");
    TLS_CERT = plain("tls.cert", "TRADOVATE_PROXY_TLS_CERT", "FILE", Preset::Words("none: plain HTTP"),
        "PEM file of the certificate that callers are shown, and its chain: with it `listen` speaks only TLS, Unix \
            sockets aside");
    TLS_KEY = plain("tls.key", "TRADOVATE_PROXY_TLS_KEY", "FILE", Preset::Words("needed by `tls.cert`"),
        "PEM file of the private key of that certificate");
    TLS_CLIENT_CA = plain("tls.client-ca", "TRADOVATE_PROXY_TLS_CLIENT_CA", "FILE", Preset::Words("none"),
        "PEM file of the authority whose certificates callers must show; whoever has one gets in");
    ADMIN_TLS = plain("admin-tls", "TRADOVATE_PROXY_ADMIN_TLS", "yes|no", Preset::Text("no"),
        "the same for `admin-listen`; the commands then need a Unix socket there");
}
