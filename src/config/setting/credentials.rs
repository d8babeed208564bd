//! Who logs in.

use crate::config::setting::{Kind, Preset, Setting, credential};

settings! { CREDENTIALS:
    NAME = credential("credentials.name", "TRADOVATE_NAME", Kind::Credential, "user name at Tradovate");
    PASSWORD = credential("credentials.password", "TRADOVATE_PASSWORD", Kind::Secret,
        "password of that user, or the dedicated API password if one was set with the key");
    APP_ID = credential("credentials.app-id", "TRADOVATE_APP_ID", Kind::Credential,
        "name of the API key, as written when it was made");
    APP_VERSION = Setting { default: Preset::Text("1.0"), ..credential("credentials.app-version",
        "TRADOVATE_APP_VERSION", Kind::Credential, "version to report to Tradovate with the key's name") };
    DEVICE_ID = Setting {
        default: Preset::Words("made once, and kept in the state directory"),
        ..credential("credentials.device-id", "TRADOVATE_DEVICE_ID", Kind::Credential,
            "stable id of this machine; `live` refuses orders from one that was not confirmed by e-mail")
    };
    CID = credential("credentials.cid", "TRADOVATE_CID", Kind::Credential, "client id of the API key: a number");
    SEC = credential("credentials.sec", "TRADOVATE_SEC", Kind::Secret,
        "secret of the API key: shown once, when it is made");
    TOKEN = Setting {
        default: Preset::Words("required by `static`"),
        ..credential("credentials.token", "TRADOVATE_TOKEN", Kind::Secret,
            "an access token that lives, for the source `static`: no password is needed then")
    };
}
