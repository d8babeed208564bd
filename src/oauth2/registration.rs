//! Who asks, and the form in which it does.

use std::str::FromStr;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use form_urlencoded::{Serializer, byte_serialize};
use http::{HeaderMap, HeaderValue, header};
use secrecy::{ExposeSecret, SecretString, zeroize::Zeroizing};

use crate::oauth2::TokenUrl;

/// What the authorization server knows this client by (RFC 6749 §2), and where it is.
#[derive(Clone, Debug)]
pub struct Registration {
    /// Where tokens are asked for.
    pub token_url: TokenUrl,
    /// The client's id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretString,
    /// How both are sent.
    pub client_auth: ClientAuth,
    /// Further fields of the form.
    pub parameters: Parameters,
}

/// How the client says who it is (RFC 6749 §2.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// `Authorization: Basic`, which every server must know.
    #[default]
    Basic,
    /// `client_id` and `client_secret` in the form.
    Body,
}

impl Registration {
    /// The header fields and the form of a refresh request (RFC 6749 §6).
    pub(super) fn request(&self, refresh: &SecretString) -> (HeaderMap, Bytes) {
        // Room enough that the text never moves and leaves a copy of a secret behind.
        let mut form = Serializer::new(String::with_capacity(FORM));
        form.append_pair("grant_type", "refresh_token").append_pair("refresh_token", refresh.expose_secret());
        let mut headers = HeaderMap::from_iter([(header::CONTENT_TYPE, FORM_TYPE)]);
        match self.client_auth {
            ClientAuth::Basic => {
                headers.insert(header::AUTHORIZATION, self.basic());
            }
            ClientAuth::Body => {
                form.append_pair("client_id", &self.client_id)
                    .append_pair("client_secret", self.client_secret.expose_secret());
            }
        }
        form.extend_pairs(&self.parameters.0);
        (headers, Bytes::from_owner(Zeroizing::new(form.finish().into_bytes())))
    }

    /// Everything of a refresh request that must not be repeated, in each of the forms in which it goes out.
    pub(super) fn secrets(&self, refresh: &SecretString) -> Vec<Zeroizing<String>> {
        let plain = [refresh.expose_secret(), self.client_secret.expose_secret(), &self.client_id];
        let encoded = plain.map(|secret| byte_serialize(secret.as_bytes()).collect::<String>());
        let basic = self.basic().to_str().map(|value| value.trim_start_matches("Basic ").to_owned());
        plain.into_iter().map(str::to_owned).chain(encoded).chain(basic).map(Zeroizing::new).collect()
    }

    /// RFC 6749 §2.3.1: id and secret are form-encoded before they become user name and password.
    fn basic(&self) -> HeaderValue {
        let mut pair = Zeroizing::new(String::with_capacity(FORM));
        pair.extend(byte_serialize(self.client_id.as_bytes()));
        pair.push(':');
        pair.extend(byte_serialize(self.client_secret.expose_secret().as_bytes()));
        let text = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
        let mut value = HeaderValue::from_str(&text).expect("base64 is printable");
        value.set_sensitive(true);
        value
    }
}

/// Fields that a server wants besides those of the standard, such as `scope` or `audience`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters(Vec<(String, String)>);

impl FromStr for Parameters {
    type Err = InvalidParameters;

    /// `NAME=VALUE` between commas. RFC 6749 §3.2: no field twice, so none that is sent anyway.
    fn from_str(text: &str) -> Result<Self, InvalidParameters> {
        let mut parameters: Vec<(String, String)> = Vec::new();
        for pair in text.split(',') {
            let (name, value) = pair.split_once('=').ok_or(InvalidParameters::Form)?;
            let name = name.trim();
            if name.is_empty() {
                return Err(InvalidParameters::Form);
            }
            if OWN.contains(&name) {
                return Err(InvalidParameters::Own);
            }
            if parameters.iter().any(|(known, _)| known == name) {
                return Err(InvalidParameters::Twice);
            }
            parameters.push((name.to_owned(), value.trim().to_owned()));
        }
        Ok(Self(parameters))
    }
}

/// Why a text is no list of parameters. Quotes none of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidParameters {
    /// An entry without a name or without `=`.
    #[error("not a list of NAME=VALUE with commas between")]
    Form,
    /// A field that the grant itself has.
    #[error(
        "grant_type, refresh_token, client_id and client_secret are sent anyway, from their own settings"
    )]
    Own,
    /// One name, two values.
    #[error("a field can be sent only once")]
    Twice,
}

const OWN: [&str; 4] = ["grant_type", "refresh_token", "client_id", "client_secret"];

const FORM_TYPE: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

const FORM: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn registration(client_auth: ClientAuth, parameters: &str) -> Registration {
        Registration {
            token_url: "https://a.example/token".parse().unwrap(),
            client_id: "an id:ü".to_owned(),
            client_secret: "s&=+/%".into(),
            client_auth,
            parameters: parameters.parse().unwrap_or_default(),
        }
    }

    #[test]
    fn by_basic_the_secret_is_in_the_header_alone_and_form_encoded_there() {
        let (headers, body) = registration(ClientAuth::Basic, "").request(&"r 1+".into());
        assert_eq!(body, "grant_type=refresh_token&refresh_token=r+1%2B");
        let basic = headers[header::AUTHORIZATION].to_str().unwrap().strip_prefix("Basic ").unwrap();
        assert_eq!(STANDARD.decode(basic).unwrap(), b"an+id%3A%C3%BC:s%26%3D%2B%2F%25");
        assert!(headers[header::AUTHORIZATION].is_sensitive());
        assert_eq!(headers[header::CONTENT_TYPE], "application/x-www-form-urlencoded");
    }

    #[test]
    fn in_the_body_there_is_no_header_and_parameters_come_last() {
        let (headers, body) = registration(ClientAuth::Body, "scope=a b, audience=x=y").request(&"r".into());
        let expected = "grant_type=refresh_token&refresh_token=r&client_id=an+id%3A%C3%BC\
            &client_secret=s%26%3D%2B%2F%25&scope=a+b&audience=x%3Dy";
        assert_eq!(body, expected);
        assert!(!headers.contains_key(header::AUTHORIZATION));
    }

    #[test]
    fn parameters_are_named_once_and_never_replace_what_is_sent_anyway() {
        for (text, error) in [
            ("scope", InvalidParameters::Form),
            ("=x", InvalidParameters::Form),
            ("", InvalidParameters::Form),
            ("a=1,a=2", InvalidParameters::Twice),
            ("client_secret=x", InvalidParameters::Own),
            ("grant_type=password", InvalidParameters::Own),
        ] {
            assert_eq!(text.parse::<Parameters>(), Err(error), "{text:?}");
        }
    }
}
