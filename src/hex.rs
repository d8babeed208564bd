//! Hexadecimal digits: keys and digests as people write them.

use std::fmt;

use secrecy::zeroize::Zeroizing;

/// What 64 digits stand for, in either case. It may be a key, so it is wiped when it is dropped.
pub fn thirty_two_bytes(digits: &str) -> Option<Zeroizing<[u8; 32]>> {
    let mut bytes = Zeroizing::new([0; 32]);
    let (pairs, []) = digits.as_bytes().as_chunks() else { return None };
    if pairs.len() != bytes.len() {
        return None;
    }
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = value(*high)? << 4 | value(*low)?;
    }
    Some(bytes)
}

/// Shows bytes as digits, in lower case.
#[derive(Clone, Copy)]
pub struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// As they are shown: who shows them means to.
impl fmt::Debug for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_shown_is_read_again(bytes in any::<[u8; 32]>()) {
            let shown = Hex(&bytes).to_string();
            for shown in [shown.to_uppercase(), shown] {
                prop_assert_eq!(thirty_two_bytes(&shown).map(|read| *read), Some(bytes));
            }
        }
    }

    #[test]
    fn nothing_else_is_thirty_two_bytes() {
        let digits = "0f".repeat(32);
        for wrong in
            ["", &digits[1..], &format!("{digits}0f"), &digits.replace('f', "g"), &digits.replace("0f", "é")]
        {
            assert_eq!(thirty_two_bytes(wrong), None, "{wrong:?}");
        }
    }
}
