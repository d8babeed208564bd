//! Users whom a Unix socket does not let in: each is worth a warning, and not one for every time that they knock.

use std::time::Duration;

use tokio::time::Instant;

use crate::downstream::Peer;

/// Who was told of within the last [`AGAIN`].
#[derive(Debug, Default)]
pub(super) struct Foreigners(Vec<(Peer, Instant)>);

impl Foreigners {
    /// Whether `peer` is to be told of now.
    pub(super) fn is_news(&mut self, peer: &Peer) -> bool {
        self.0.retain(|(_, told)| told.elapsed() < AGAIN);
        // So many users at once are one user with a namespace of their own, and told of already.
        let is_news = self.0.len() < MOST && self.0.iter().all(|(known, _)| known != peer);
        if is_news {
            self.0.push((peer.clone(), Instant::now()));
        }
        is_news
    }
}

const AGAIN: Duration = Duration::from_mins(1);
const MOST: usize = 16;

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_is_told_of_once_a_minute() {
        let mut foreigners = Foreigners::default();
        let (one, other) = (Peer::Unix { uid: 1001 }, Peer::Unix { uid: 1002 });
        let mut knock = |peer: &Peer| foreigners.is_news(peer);
        assert_eq!([knock(&one), knock(&one), knock(&other), knock(&one)], [true, false, true, false]);
        advance(AGAIN / 2).await;
        assert!(!knock(&one));
        advance(AGAIN / 2).await;
        assert_eq!([knock(&one), knock(&one)], [true, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_users_is_no_flood_of_warnings() {
        let mut foreigners = Foreigners::default();
        let told = (0..10_000).filter(|&uid| foreigners.is_news(&Peer::Unix { uid })).count();
        assert_eq!((told, foreigners.0.len()), (MOST, MOST));
    }
}
