//! The order audit log.

use crate::{
    audit::Options,
    config::{
        setting::{Kind, Preset, Setting, credential, plain},
        value::size_text,
    },
};

settings! { AUDIT:
    AUDIT_LOG = plain("audit.log", "TRADOVATE_PROXY_AUDIT_LOG", "file|none",
        Preset::Words("`file`; `none` with `session.store = memory`"),
        "where orders are written down before they are sent, and what became of them: in files, or nowhere");
    AUDIT_DIR = plain("audit.dir", "TRADOVATE_PROXY_AUDIT_DIR", "DIRECTORY",
        Preset::Words("`audit` in the state directory"), "where those files are");
    AUDIT_FSYNC = plain("audit.fsync", "TRADOVATE_PROXY_AUDIT_FSYNC", "always|interval|never",
        Preset::Text("always"),
        "when an order counts as written down: on the disk, or with the operating system, synced each second or not");
    AUDIT_ON_FAILURE = plain("audit.on-failure", "TRADOVATE_PROXY_AUDIT_ON_FAILURE", "refuse|go-on",
        Preset::Text("refuse"),
        "an order that cannot be written down is refused, or sent; cancels and liquidations are always sent");
    AUDIT_ROTATE_SIZE = plain("audit.rotate-size", "TRADOVATE_PROXY_AUDIT_ROTATE_SIZE", "SIZE",
        Preset::Of(|| size_text(usize::try_from(options().rotate_bytes).unwrap_or(usize::MAX))),
        "a file as long is followed by another; an order takes about 1 KiB");
    AUDIT_KEEP = plain("audit.keep", "TRADOVATE_PROXY_AUDIT_KEEP", "NUMBER",
        Preset::Of(|| options().keep.to_string()), "files that are kept; older ones are removed");
    AUDIT_KEY = Setting {
        default: Preset::Words("none: whoever can write the files can forge them"),
        ..credential("audit.key", "TRADOVATE_PROXY_AUDIT_KEY", Kind::Secret,
            "256-bit key, as 64 hexadecimal digits, without which the log cannot be forged (`openssl rand -hex 32`)")
    };
}

fn options() -> Options {
    Options::in_directory(std::path::PathBuf::new())
}
