//! What the bearers of all requests were worth, in numbers: of every request, where the journal keeps the newest.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::sandbox::sessions::{Refusal, Verdict};

/// How many requests there were since the sandbox started, or started over, by what their bearer was worth.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// With a good token.
    pub accepted: u64,
    /// With none, or one that is no good, by why.
    pub refused: BTreeMap<Refusal, u64>,
    /// To paths that need none.
    pub open: u64,
    /// Of those accepted: sent to another host than [`home_host`](crate::sandbox::Rules::home_host).
    pub astray: u64,
}

impl Tally {
    /// Counts a request; without a `verdict` it needed no bearer.
    pub(crate) fn count(&mut self, verdict: Option<Verdict>, is_astray: bool) {
        match verdict {
            None => self.open += 1,
            Some(Verdict::Accepted { .. }) => {
                self.accepted += 1;
                self.astray += u64::from(is_astray);
            }
            Some(Verdict::Refused(refusal, _)) => *self.refused.entry(refusal).or_default() += 1,
        }
    }
}
