//! A secret in every coat it might wear: as it is, in hexadecimal, as a list of bytes, in base64.

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use memchr::memmem::Finder;

/// What to look for.
///
/// A secret of letters, digits and such looks the same percent-encoded, in a form, in JSON, and in the `Debug` of
/// a text, so that canaries have a core of those.
#[derive(Debug)]
pub(crate) struct Coats {
    /// In lower case.
    texts: Vec<(&'static str, Finder<'static>)>,
    base64: Vec<Finder<'static>>,
}

impl Coats {
    pub(crate) fn of(secret: &str) -> Self {
        let numbers = |base: fn(&u8) -> String, between: &str| {
            secret.as_bytes().iter().map(base).collect::<Vec<_>>().join(between)
        };
        let texts = [
            ("bare", secret.to_ascii_lowercase()),
            ("in hex", numbers(|byte| format!("{byte:02x}"), "")),
            ("as a list of bytes", numbers(ToString::to_string, ", ")),
        ];
        // Base64 differs by how many bytes stand before, modulo three; its first and last characters by their
        // neighbours.
        let base64 = (0..3).map(|before| {
            let coat = STANDARD_NO_PAD.encode([&b"xx"[..before], secret.as_bytes()].concat());
            let coat = &coat.as_bytes()[2 * before.min(1) + before / 2..coat.len() - 2];
            Finder::new(&one_alphabet(coat)).into_owned()
        });
        Self {
            texts: texts.map(|(coat, text)| (coat, Finder::new(&text).into_owned())).into(),
            base64: base64.collect(),
        }
    }

    /// In which coat it stands in `bytes`, if it does.
    pub(crate) fn found(&self, bytes: &[u8]) -> Option<&'static str> {
        let lower = bytes.to_ascii_lowercase();
        let text = self.texts.iter().find(|(_, text)| text.find(&lower).is_some());
        text.map(|(coat, _)| *coat).or_else(|| {
            let plain = one_alphabet(bytes);
            self.base64.iter().any(|coat| coat.find(&plain).is_some()).then_some("in base64")
        })
    }
}

/// Both alphabets of base64 as one.
fn one_alphabet(text: &[u8]) -> Vec<u8> {
    let folded = text.iter().map(|byte| match byte {
        b'-' => b'+',
        b'_' => b'/',
        other => *other,
    });
    folded.collect()
}

#[test]
fn a_secret_is_found_in_every_coat_and_nothing_else_is() {
    let secret = "c4nary7f3a";
    let coats = Coats::of(secret);
    let cases = [
        ("bare", format!("p%20{secret}%2b")),
        ("bare", secret.to_uppercase()),
        ("in hex", format!("{:02x?}", secret.as_bytes()).replace([',', ' '], "")),
        ("as a list of bytes", format!("{:?}", format!("x{secret}y").as_bytes())),
        ("in base64", STANDARD_NO_PAD.encode(format!("user:{secret}"))),
        ("in base64", STANDARD_NO_PAD.encode(format!("user1:{secret}+"))),
        ("in base64", STANDARD_NO_PAD.encode(format!("user12:{secret}ü"))),
        ("in base64", base64::engine::general_purpose::URL_SAFE.encode(format!("\u{3ff}{secret}\u{3ff}"))),
    ];
    for (coat, text) in cases {
        assert_eq!(coats.found(text.as_bytes()), Some(coat), "{text}");
    }
    assert_eq!(coats.found(b"nothing of c4nary 7f3a here"), None);
}
