//! The seven fields that open a session.

use secrecy::{ExposeSecret, SecretString};

use crate::auth::fingerprint::{Fingerprint, FingerprintKey};

/// What `accesstokenrequest` wants. `Debug` shows neither password nor API secret.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The user's name.
    pub name: String,
    /// The user's password, or the API-only password set on the key.
    pub password: SecretString,
    /// The name given to the API key.
    pub app_id: String,
    /// The version of the application, such as `1.0`.
    pub app_version: String,
    /// Stable and unique per machine. Tradovate: on `live` orders need a device that the user approved by e-mail.
    pub device_id: String,
    /// The API key's number.
    pub cid: u64,
    /// The API key's secret.
    pub sec: SecretString,
}

impl Credentials {
    /// Tells whether they are the same as before without keeping them. The API secret (a random UUID) is part
    /// of it, so that a password cannot be guessed from a stolen fingerprint alone.
    pub fn digest(&self, key: &FingerprintKey) -> Fingerprint {
        key.fingerprint(&[
            self.name.as_bytes(),
            self.password.expose_secret().as_bytes(),
            self.app_id.as_bytes(),
            self.app_version.as_bytes(),
            self.device_id.as_bytes(),
            &self.cid.to_be_bytes(),
            self.sec.expose_secret().as_bytes(),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_changed_field_changes_the_digest_and_none_is_printed() {
        let credentials = Credentials {
            name: "name".into(),
            password: "canary-password".into(),
            app_id: "app".into(),
            app_version: "1.0".into(),
            device_id: "device".into(),
            cid: 1,
            sec: "canary-sec".into(),
        };
        let edits: [fn(&mut Credentials); 7] = [
            |c| c.name.push('x'),
            |c| c.password = "other".into(),
            |c| c.app_id.push('x'),
            |c| c.app_version.push('x'),
            |c| c.device_id.push('x'),
            |c| c.cid = 2,
            |c| c.sec = "other".into(),
        ];
        let key = FingerprintKey::random();
        for edit in edits {
            let mut changed = credentials.clone();
            edit(&mut changed);
            assert_ne!(changed.digest(&key), credentials.digest(&key));
        }
        assert!(!format!("{credentials:?} {:?}", credentials.digest(&key)).contains("canary"));
    }
}
