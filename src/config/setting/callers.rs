//! Where callers and operators come in, and what they may send.

use crate::config::setting::{Kind, Preset, Setting, credential, flagged, plain};

settings! { CALLERS:
    LISTEN = flagged("listen", "TRADOVATE_PROXY_LISTEN", "--listen", "ADDRESS:PORT|unix:PATH,…",
        Preset::Text("127.0.0.1:8080"), "where callers connect: addresses and ports, Unix sockets, or both");
    ADMIN_LISTEN = flagged("admin-listen", "TRADOVATE_PROXY_ADMIN_LISTEN", "--admin-listen",
        "ADDRESS:PORT|unix:PATH,…", Preset::Text("127.0.0.1:9464"),
        "where `/metrics`, `/livez`, `/readyz` and `/status` answer; the commands prefer a Unix socket");
    HOSTS = plain("hosts", "TRADOVATE_PROXY_HOSTS", "NAME,NAME", Preset::Words("none"),
        "names and addresses by which callers may call the proxy, besides `localhost`, loopback addresses and the \
        address that it listens on");
    ADMIN_HOSTS = plain("admin-hosts", "TRADOVATE_PROXY_ADMIN_HOSTS", "NAME,NAME", Preset::Words("none"),
        "the same for the admin listener");
    ALLOW_ORIGINS = plain("allow-origins", "TRADOVATE_PROXY_ALLOW_ORIGINS", "ORIGIN,ORIGIN",
        Preset::Words("none"), "origins of browser extensions and desktop apps that may call; nothing is granted to \
        web pages (CORS)");
    CALLER_KEYS = Setting { default: Preset::Words("none is asked for"), ..credential("caller-keys",
        "TRADOVATE_PROXY_CALLER_KEYS", Kind::Digests, "who may call, by `NAME=sha256:…` as `tradovate-proxy key NAME` \
        prints it, with commas between; in a file one a line, with `#` comments") };
    ADMIN_KEYS = Setting { default: Preset::Words("none is asked for"), ..credential("admin-keys",
        "TRADOVATE_PROXY_ADMIN_KEYS", Kind::Digests, "the same for the admin listener") };
    ADMIN_KEY = Setting { default: Preset::Words("none"), ..credential("admin-key", "TRADOVATE_PROXY_ADMIN_KEY",
        Kind::Secret, "the key that `healthcheck`, `status` and `session` show to the admin listener") };
    UNSAFE_OPEN = plain("unsafe-open", "TRADOVATE_PROXY_UNSAFE_OPEN", "yes|no", Preset::Text("no"),
        "allows listening beyond loopback without keys or client certificates: whoever reaches the port can then trade");
    CONTENT_TYPES = plain("content-types", "TRADOVATE_PROXY_CONTENT_TYPES", "TYPE,TYPE", Preset::Words("none"),
        "content types that request bodies may have besides `application/json`");
}
