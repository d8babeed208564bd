//! Our own token, on its way back.
//!
//! An upstream that repeats the request (a debugging answer, an error page, a mirror behind a redirect) hands its
//! `Authorization` to whoever sees the answer, and callers are not to have it. So what passes back is searched for it:
//! heads whole, and bodies however they are cut into pieces. Searched is what stands there in plain: not what a coding
//! (gzip, base64, JSON's escapes) has made of it.

use crate::bearer::Bearer;

/// Goes through one answer's body, in order, and lets nothing pass that holds the token.
#[derive(Debug)]
pub struct EchoFilter {
    bearer: Bearer,
    /// The end of what came so far, as far as it is a beginning of the token: it waits for what follows.
    held: Vec<u8>,
    /// What was held before, with the piece that followed it.
    joined: Vec<u8>,
}

/// The token stands in the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echoed;

/// How much of a piece may pass now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleared {
    /// So many bytes from its front.
    Front(usize),
    /// So many bytes of it, behind those that were held.
    Joined(usize),
}

impl EchoFilter {
    /// A filter for the answer to a request that was sent with `bearer`.
    pub fn new(bearer: Bearer) -> Self {
        Self { bearer, held: Vec::new(), joined: Vec::new() }
    }

    /// Searches what is here whole, such as a head.
    ///
    /// # Errors
    /// When the token stands in it.
    pub fn check(&self, whole: &[u8]) -> Result<(), Echoed> {
        if self.bearer.stands_in(whole) { Err(Echoed) } else { Ok(()) }
    }

    /// Searches the next piece of a body, and holds back what may become the token.
    ///
    /// # Errors
    /// When the token stands in it, or ends in it. Nothing more may pass then.
    pub fn admit(&mut self, piece: &[u8]) -> Result<Cleared, Echoed> {
        let is_joined = !self.held.is_empty();
        if is_joined {
            self.joined.clear();
            self.joined.append(&mut self.held);
            self.joined.extend_from_slice(piece);
        }
        let piece = if is_joined { &self.joined } else { piece };
        self.check(piece)?;
        let (clear, held) = piece.split_at(piece.len() - self.bearer.begins_at_the_end_of(piece));
        self.held.extend_from_slice(held);
        Ok(if is_joined { Cleared::Joined(clear.len()) } else { Cleared::Front(clear.len()) })
    }

    /// What may pass: `piece` is the one that was admitted last.
    pub fn cleared<'a>(&'a self, cleared: Cleared, piece: &'a [u8]) -> &'a [u8] {
        match cleared {
            Cleared::Front(len) => &piece[..len],
            Cleared::Joined(len) => &self.joined[..len],
        }
    }

    /// Whether something waits for what follows.
    pub fn holds_back(&self) -> bool {
        !self.held.is_empty()
    }

    /// What was still held when the body ended, once.
    pub fn rest(&mut self) -> Option<&[u8]> {
        self.joined.clear();
        self.joined.append(&mut self.held);
        (!self.joined.is_empty()).then_some(&self.joined)
    }
}

impl Cleared {
    /// Whether nothing may pass yet.
    pub fn is_empty(self) -> bool {
        matches!(self, Self::Front(0) | Self::Joined(0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TOKEN: &str = "abcabdabcabcabda";

    /// What passes of `body`, cut into `pieces`; an error as soon as the token is seen.
    fn pass(body: &[u8], cuts: &[usize]) -> Result<Vec<u8>, (Vec<u8>, Echoed)> {
        let mut filter = EchoFilter::new(Bearer::new(&TOKEN.into()).unwrap());
        let mut passed = Vec::new();
        let mut rest = body;
        for &cut in cuts.iter().chain([&usize::MAX]) {
            let (piece, behind) = rest.split_at(cut.min(rest.len()));
            rest = behind;
            match filter.admit(piece) {
                Ok(cleared) => passed.extend_from_slice(filter.cleared(cleared, piece)),
                Err(echoed) => return Err((passed, echoed)),
            }
        }
        passed.extend_from_slice(filter.rest().unwrap_or_default());
        assert_eq!(filter.rest(), None);
        Ok(passed)
    }

    proptest! {
        #[test]
        fn a_body_without_the_token_passes_unchanged_however_it_is_cut(
            body in "[abcd]{0,60}",
            cuts in proptest::collection::vec(0_usize..20, 0..20),
        ) {
            prop_assume!(!body.contains(TOKEN));
            prop_assert_eq!(pass(body.as_bytes(), &cuts), Ok(body.into_bytes()));
        }

        #[test]
        fn no_byte_of_the_token_passes_however_it_is_cut(
            before in "[abcd]{0,30}x",
            behind in "[abcd]{0,30}",
            cuts in proptest::collection::vec(0_usize..20, 0..20),
        ) {
            let body = format!("{before}{TOKEN}{behind}");
            let (passed, _) = pass(body.as_bytes(), &cuts).unwrap_err();
            prop_assert!(before.as_bytes().starts_with(&passed), "{:?}", passed);
        }
    }
}
