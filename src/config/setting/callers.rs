//! Where callers and operators come in, and what they may send.

use crate::config::setting::{Preset, Setting, flagged, plain};

settings! { CALLERS:
    LISTEN = flagged("listen", "TRADOVATE_PROXY_LISTEN", "--listen", "ADDRESS:PORT|unix:PATH,…",
        Preset::Text("127.0.0.1:8080"), "where callers connect: addresses and ports, Unix sockets, or both");
    ADMIN_LISTEN = flagged("admin-listen", "TRADOVATE_PROXY_ADMIN_LISTEN", "--admin-listen",
        "ADDRESS:PORT|unix:PATH,…", Preset::Text("127.0.0.1:9464"),
        "where `/metrics`, `/livez`, `/readyz` and `/status` answer; the commands prefer a Unix socket");
    ADMIN_HOSTS = plain("admin-hosts", "TRADOVATE_PROXY_ADMIN_HOSTS", "NAME,NAME", Preset::Words("none"),
        "names besides `localhost` and addresses by which the admin listener may be called");
    UNSAFE_OPEN = plain("unsafe-open", "TRADOVATE_PROXY_UNSAFE_OPEN", "yes|no", Preset::Text("no"),
        "allows listening beyond loopback without client certificates: whoever reaches the port can then trade");
    CONTENT_TYPES = plain("content-types", "TRADOVATE_PROXY_CONTENT_TYPES", "TYPE,TYPE", Preset::Words("none"),
        "content types that request bodies may have besides `application/json`");
}
