//! What a login needs, and where a user finds it.

use secrecy::SecretString;

use crate::config::{
    layers::{Layers, Need, secret, text},
    setting::{APP_ID, APP_VERSION, CID, DEVICE_ID, NAME, PASSWORD, SEC},
    value::Invalid,
};

/// The fields of Tradovate's `accessTokenRequest`.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// User name.
    pub name: String,
    /// Password of the user, or the API's own.
    pub password: SecretString,
    /// Name of the API key.
    pub app_id: String,
    /// Version to go with it.
    pub app_version: String,
    /// Stable id of this machine; `None` leaves it to whoever keeps the state.
    pub device_id: Option<String>,
    /// Client id of the API key. Tradovate: a number on the wire, whatever the schema says.
    pub cid: u64,
    /// Secret of the API key.
    pub sec: SecretString,
}

impl Credentials {
    /// All of them, or a problem for each that is wrong, and, where they are `needed`, for each that is missing.
    pub(super) fn read(layers: &mut Layers<'_>, needed: bool) -> Option<Self> {
        let need = |whence| needed.then_some(Need { to: "to log in", whence });
        let name = layers.credential(&NAME, need(ACCOUNT), text);
        let password = layers.credential(&PASSWORD, need(ACCOUNT), secret);
        let app_id = layers.credential(&APP_ID, need(API_KEY), text);
        let app_version = layers.value(&APP_VERSION, text);
        let device_id = layers.optional(&DEVICE_ID, text);
        let cid = layers.credential(&CID, need(API_KEY), |text| text.parse().map_err(|_| Invalid::Number));
        let sec = layers.credential(&SEC, need(API_KEY), secret);
        Some(Self {
            name: name?,
            password: password?,
            app_id: app_id?,
            app_version,
            device_id,
            cid: cid?,
            sec: sec?,
        })
    }
}

const ACCOUNT: &str = "what you sign in with at trader.tradovate.com; best given as a file, by the variable with \
    _FILE behind it";
const API_KEY: &str = "from Tradovate's Application Settings, API Access, where the key was made";
