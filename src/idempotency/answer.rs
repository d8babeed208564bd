//! An answer that is kept, as it was passed on.

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use http::StatusCode;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Status, fields that crossed to the caller, and body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    #[serde(with = "status")]
    status: StatusCode,
    reason: Bytes,
    fields: Vec<(String, Bytes)>,
    /// `None` where there can be none (RFC 9110 §6.4.1).
    body: Option<Bytes>,
    /// The length that it states nevertheless: of nothing, or of what a GET would have had (RFC 9110 §8.6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stated: Option<u64>,
}

impl Kept {
    /// An answer with a body, which is empty so far.
    pub fn new(status: StatusCode, reason: &[u8]) -> Self {
        let body = Some(Bytes::default());
        Self { status, reason: Bytes(reason.to_vec()), fields: Vec::new(), body, stated: None }
    }

    /// An answer without one, which may state a length all the same.
    pub fn bodiless(status: StatusCode, reason: &[u8], stated: Option<u64>) -> Self {
        Self { body: None, stated, ..Self::new(status, reason) }
    }

    /// Adds a field that crosses to the caller.
    pub fn field(&mut self, name: &str, value: &[u8]) {
        self.fields.push((name.to_owned(), Bytes(value.to_vec())));
    }

    /// Adds to the body, if one belongs to it.
    pub fn data(&mut self, data: &[u8]) {
        if let Some(body) = &mut self.body {
            body.0.extend_from_slice(data);
        }
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The reason phrase.
    pub fn reason(&self) -> &[u8] {
        &self.reason.0
    }

    /// The fields, in their order.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.0.as_slice()))
    }

    /// The length that it states without having a body.
    pub fn stated_length(&self) -> Option<u64> {
        self.stated
    }

    /// The body, if one belongs to it.
    pub fn body(&self) -> Option<&[u8]> {
        self.body.as_ref().map(|body| body.0.as_slice())
    }
}

/// Bytes that need not be text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Bytes(Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD_NO_PAD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD_NO_PAD.decode(text).map(Self).map_err(D::Error::custom)
    }
}

pub(super) mod status {
    //! A status as its number.

    use super::{Deserialize, Deserializer, Serializer, StatusCode};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
    pub(crate) fn serialize<S: Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u16(status.as_u16())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<StatusCode, D::Error> {
        StatusCode::from_u16(u16::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
