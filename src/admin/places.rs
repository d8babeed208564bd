//! Places for connections, and who leaves when all are taken.
//!
//! Reaching the port is enough to take a place, so whoever has one and asks nothing must not keep out an operator who
//! has to stop trading: the connection that has been silent for longest makes room for the newcomer. None that an
//! answer is being made for does. A client finds a connection closed between two requests as it might on any server
//! (RFC 9112 §9.5), and opens another.
//!
//! Who comes by a Unix socket was let in for the user that they are, and shares places with nobody else.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::{task::AbortHandle, time::Instant};

use crate::downstream::Peer;

/// The places of each kind of door.
#[derive(Debug, Default)]
pub(super) struct Places {
    tcp: Vec<Place>,
    unix: Vec<Place>,
}

/// One that is taken.
#[derive(Debug)]
struct Place {
    connection: AbortHandle,
    silence: Silence,
}

impl Places {
    /// Begins the connection of `peer` if there is a place for it, or one can be had. Returns whether there was.
    pub(super) fn take(&mut self, peer: &Peer, begin: impl FnOnce(Silence) -> AbortHandle) -> bool {
        let (places, most) = match peer {
            Peer::Unix { .. } => (&mut self.unix, MOST_UNIX),
            Peer::Tcp(_) | Peer::Certificate { .. } => (&mut self.tcp, MOST_TCP),
        };
        places.retain(|place| !place.connection.is_finished());
        if places.len() >= most {
            let silent =
                places.iter().enumerate().filter_map(|(at, place)| Some((place.silence.since()?, at)));
            let Some((_, longest)) = silent.min() else { return false };
            places.swap_remove(longest).connection.abort();
        }
        let silence = Silence::new();
        places.push(Place { connection: begin(silence.clone()), silence });
        true
    }
}

/// Since when nothing has been asked on a connection; of no time while an answer is being made. Clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Silence(Arc<Mutex<Option<Instant>>>);

impl Silence {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Some(Instant::now()))))
    }

    /// Ends it until the guard is dropped, with which the next begins.
    pub(super) fn broken(&self) -> Asked<'_> {
        self.set(None);
        Asked(self)
    }

    fn since(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, since: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }
}

/// Something has been asked, and is not answered yet.
#[must_use]
#[derive(Debug)]
pub(super) struct Asked<'a>(&'a Silence);

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.0.set(Some(Instant::now()));
    }
}

/// Probes, a scraper or two, and a person: whoever needs more is no operator.
pub(super) const MOST_TCP: usize = 48;
/// The commands, and a person.
pub(super) const MOST_UNIX: usize = 16;

#[cfg(test)]
mod tests {
    use std::{future, time::Duration};

    use tokio::time::advance;

    use super::*;

    const TCP: fn() -> Peer = || Peer::Tcp(([10, 0, 0, 7], 1).into());
    const UNIX: fn() -> Peer = || Peer::Unix { uid: 1000 };

    /// A connection that lasts until it is told to leave, and what it is known by.
    fn open(places: &mut Places, peer: &Peer) -> Option<(AbortHandle, Silence)> {
        let mut opened = None;
        let is_taken = places.take(peer, |silence| {
            let connection = tokio::spawn(future::pending::<()>()).abort_handle();
            opened = Some((connection.clone(), silence));
            connection
        });
        assert_eq!(is_taken, opened.is_some());
        opened
    }

    async fn full(places: &mut Places, peer: &Peer, most: usize) -> Vec<(AbortHandle, Silence)> {
        let mut held = Vec::new();
        for _ in 0..most {
            held.push(open(places, peer).unwrap());
            advance(Duration::from_millis(1)).await;
        }
        held
    }

    async fn have_left(held: &[(AbortHandle, Silence)]) -> Vec<usize> {
        tokio::task::yield_now().await;
        (0..held.len()).filter(|&at| held[at].0.is_finished()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn the_one_that_has_been_silent_longest_leaves_for_the_newcomer() {
        for (peer, most) in [(TCP(), MOST_TCP), (UNIX(), MOST_UNIX)] {
            let mut places = Places::default();
            let held = full(&mut places, &peer, most).await;
            assert_eq!(have_left(&held).await, [0; 0]);
            // The first is being answered, and the second has been.
            let asked = held[0].1.broken();
            drop(held[1].1.broken());
            advance(Duration::from_millis(1)).await;
            assert!(open(&mut places, &peer).is_some());
            assert_eq!(have_left(&held).await, [2]);
            assert!(open(&mut places, &peer).is_some());
            assert_eq!(have_left(&held).await, [2, 3]);
            drop(asked);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn none_leaves_while_it_is_answered_and_a_place_that_was_left_is_taken_first() {
        let mut places = Places::default();
        let held = full(&mut places, &TCP(), MOST_TCP).await;
        let asked: Vec<_> = held.iter().map(|(_, silence)| silence.broken()).collect();
        assert!(open(&mut places, &TCP()).is_none());
        assert_eq!(have_left(&held).await, [0; 0]);
        drop(asked);
        held[7].0.abort();
        assert_eq!(have_left(&held).await, [7]);
        assert!(open(&mut places, &TCP()).is_some());
        assert_eq!(have_left(&held).await, [7]);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_comes_by_one_door_costs_nobody_a_place_who_comes_by_the_other() {
        let mut places = Places::default();
        let strangers = full(&mut places, &TCP(), MOST_TCP).await;
        let operators = full(&mut places, &UNIX(), MOST_UNIX).await;
        assert_eq!(have_left(&strangers).await, [0; 0]);
        assert!(open(&mut places, &TCP()).is_some());
        assert_eq!((have_left(&strangers).await, have_left(&operators).await), (vec![0], vec![]));
    }
}
