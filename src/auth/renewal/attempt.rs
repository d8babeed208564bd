//! The calls to the source, and what they come to.

use tokio::time::timeout;

use crate::{
    auth::{
        ledger::Errand,
        machine::Lost,
        renewal::Renewer,
        source::{Loss, SourceError, TokenSource, Vitality},
    },
    bearer::Bearer,
};

impl<S: TokenSource> Renewer<S> {
    /// One attempt: entered in the ledger and stored, then made, then settled and stored; and only then published.
    pub(super) async fn attempt(&mut self, errand: Errand) -> Result<(), SourceError> {
        let asked = self.clock.now();
        self.machine.begin(errand, asked);
        self.store().await;
        let means = self.machine.means();
        let origin = self.machine.session_origin().clone();
        let call = async {
            match (errand, &self.published) {
                (Errand::Acquire, _) => self.source.acquire(&means).await,
                (Errand::Renew | Errand::Verify, Some(published)) => {
                    self.source.renew(&means, &published.bearer, &origin).await
                }
                // The machine renews only what it holds; should it err, nothing is called, least of all a login.
                (Errand::Renew | Errand::Verify, None) => {
                    Err(SourceError::Malformed { what: "there is nothing to renew" })
                }
            }
        };
        let answer = timeout(self.policy.attempt_timeout, call).await;
        let answer = answer.unwrap_or(Err(SourceError::Lost { how: Loss::TimedOut }));
        let now = self.clock.now();
        if let Some(refresh) = answer.as_ref().ok().and_then(|grant| grant.refresh.clone()) {
            self.machine.keep_refresh(refresh);
        }
        // A token that cannot be sent is none.
        let answer = answer.and_then(|grant| Bearer::new(&grant.token).map(|_| grant).map_err(Into::into));
        self.note(errand, &answer, now);
        match answer {
            Ok(grant) => {
                self.machine.granted(errand, grant, asked, now);
                self.store().await;
                Ok(())
            }
            Err(error) => {
                match self.machine.failed(errand, &error, now) {
                    Some(lost) => self.mourn(Some(lost)).await,
                    None => self.store().await,
                }
                Err(error)
            }
        }
    }

    pub(super) async fn examine(&mut self) {
        let Some(published) = &self.published else { return };
        let origin = self.machine.session_origin().clone();
        let examined = self.source.examine(&published.bearer, &origin);
        let vitality = timeout(self.policy.attempt_timeout, examined).await.unwrap_or(Vitality::Unclear);
        tracing::debug!(?vitality, "examined the token");
        let lost = self.machine.examined(vitality, self.clock.now());
        self.mourn(lost).await;
    }

    /// Stores and tells that the session was given up, if it was.
    pub(super) async fn mourn(&mut self, lost: Option<Lost>) {
        let Some(Lost { left, is_kicked }) = lost else { return };
        if is_kicked {
            tracing::error!(left_seconds = left.as_secs(), "another login has taken this session's place");
            self.metrics.kicked();
        }
        // First of all nobody uses it any more.
        self.settle();
        self.store().await;
    }

    /// Tradovate: a wrong host answers 307. Where it points may receive the token only if the source says so.
    pub(super) async fn follow(&mut self, location: &str) {
        let from = self.machine.session_origin().clone();
        // Where it may not, the source has said so.
        let Some(origin) = self.source.moved(&from, location) else { return };
        if self.machine.moved(origin.clone(), self.clock.now()) {
            tracing::warn!(%from, to = %origin, "redirected: the session goes on at another host");
            self.store().await;
        }
    }
}
