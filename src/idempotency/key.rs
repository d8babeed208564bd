//! The key that a caller gives a request.

use crate::http1::Fields;

/// The field that carries it.
pub const HEADER: &str = "Idempotency-Key";

/// 1 to 255 visible characters of ASCII.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key<'a>(&'a str);

/// Why a key is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// Two of them would be two guarantees.
    #[error("the request has more than one Idempotency-Key")]
    Twice,
    /// Anything else might be read differently the next time.
    #[error("the Idempotency-Key is not 1 to 255 visible characters of ASCII without spaces")]
    Form,
}

impl<'a> Key<'a> {
    /// The one among a request's fields, if there is one.
    ///
    /// # Errors
    /// When there are two, or when it has another form.
    pub fn among(fields: &Fields<'a>) -> Result<Option<Self>, BadKey> {
        let mut values = fields.all(HEADER);
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(BadKey::Twice);
        }
        let text = str::from_utf8(value).map_err(|_| BadKey::Form)?;
        Self::new(text).map(Some)
    }

    /// The key with this text.
    ///
    /// # Errors
    /// When it has another form.
    pub fn new(text: &'a str) -> Result<Self, BadKey> {
        let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_visible && (1..=LONGEST).contains(&text.len()) { Ok(Self(text)) } else { Err(BadKey::Form) }
    }

    pub(super) fn as_bytes(self) -> &'a [u8] {
        self.0.as_bytes()
    }
}

const LONGEST: usize = 255;
