//! What request bodies take of memory in sum: one bound for all workers.
//!
//! A body of up to [`FREE`] bytes, as every order is, needs no share of it: memory for that much belongs to its
//! connection, and `limits.connections` bounds those. So however many large bodies come, and however slowly, no
//! small one is ever refused for them; and the requests that matter touch no counter that workers share.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use prometheus::IntGauge;

/// The room there is.
#[derive(Clone, Debug)]
pub struct Buffered(Arc<Room>);

#[derive(Debug)]
struct Room {
    limit: usize,
    taken: AtomicUsize,
    gauge: IntGauge,
}

impl Buffered {
    /// Room for `limit` bytes, of which `gauge` shows how many are taken.
    pub fn new(limit: usize, gauge: IntGauge) -> Self {
        Self(Arc::new(Room { limit, taken: AtomicUsize::new(0), gauge }))
    }

    /// Setting `limits.buffered-bytes`.
    pub(super) fn limit(&self) -> usize {
        self.0.limit
    }

    /// Whether a body of `length` bytes would be let in at this moment. It takes nothing: an announcement is no body.
    pub(super) fn has_room_for(&self, length: usize) -> bool {
        let more = length.saturating_sub(FREE);
        more == 0 || more <= self.0.limit.saturating_sub(self.0.taken.load(Ordering::Relaxed))
    }
}

/// What one body has of the room. Given back when it is dropped, whyever that is.
#[derive(Debug, Default)]
pub(super) struct Share(Option<Taken>);

#[derive(Debug)]
struct Taken {
    of: Buffered,
    bytes: usize,
}

impl Share {
    /// Takes as much as a buffer of `capacity` bytes needs; if that is more than is left, nothing changes.
    pub(super) fn cover(&mut self, capacity: usize, of: &Buffered) -> Result<(), Full> {
        let needed = capacity.saturating_sub(FREE);
        if needed == 0 {
            return Ok(());
        }
        let taken = self.0.get_or_insert_with(|| Taken { of: of.clone(), bytes: 0 });
        taken.grow(needed.saturating_sub(taken.bytes))
    }
}

impl Taken {
    fn grow(&mut self, more: usize) -> Result<(), Full> {
        let Room { limit, taken, gauge } = &*self.of.0;
        let fits = |taken: usize| taken.checked_add(more).filter(|sum| sum <= limit);
        // Nothing but the number is shared, so no other memory has to be in order with it.
        taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).map_err(|_| Full)?;
        gauge.add(signed(more));
        self.bytes += more;
        Ok(())
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.of.0.taken.fetch_sub(self.bytes, Ordering::Relaxed);
        self.of.0.gauge.sub(signed(self.bytes));
    }
}

/// There is no room for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// What every connection may hold of a body, and keeps between two: no share of the room is needed for it.
pub(super) const FREE: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn room_for(limit: usize) -> Buffered {
        Buffered::new(limit, IntGauge::new("taken", "taken").unwrap())
    }

    fn taken(buffered: &Buffered) -> usize {
        let taken = buffered.0.taken.load(Ordering::Relaxed);
        assert_eq!(buffered.0.gauge.get(), signed(taken));
        taken
    }

    #[test]
    fn a_small_body_needs_none_of_it_even_when_nothing_is_left() {
        let buffered = room_for(100);
        let (mut large, mut small) = (Share::default(), Share::default());
        assert_eq!(large.cover(FREE + 100, &buffered), Ok(()));
        assert_eq!(small.cover(FREE, &buffered), Ok(()));
        assert_eq!(small.cover(FREE + 1, &buffered), Err(Full));
        assert!(buffered.has_room_for(FREE) && !buffered.has_room_for(FREE + 1));
        assert_eq!(taken(&buffered), 100);
        drop(large);
        assert_eq!(small.cover(FREE + 1, &buffered), Ok(()));
    }

    #[test]
    fn what_a_body_took_comes_back_with_it_though_its_request_panics() {
        let buffered = room_for(1000);
        let unwound = std::panic::catch_unwind(|| {
            let mut share = Share::default();
            assert_eq!(share.cover(FREE + 600, &buffered), Ok(()));
            assert_eq!(taken(&buffered), 600);
            // The quiet way to panic: without the hook that prints.
            std::panic::resume_unwind(Box::new("the request's defect"));
        });
        assert!(unwound.is_err());
        assert_eq!(taken(&buffered), 0);
    }

    #[test]
    fn a_length_beyond_any_number_is_no_way_around() {
        let buffered = room_for(usize::MAX);
        let (mut first, mut second) = (Share::default(), Share::default());
        assert_eq!(first.cover(usize::MAX, &buffered), Ok(()));
        assert_eq!(second.cover(usize::MAX, &buffered), Err(Full));
    }

    proptest! {
        #[test]
        fn the_sum_is_what_is_held_and_never_above_the_limit(
            limit in 0_usize..4 * FREE,
            grown in proptest::collection::vec((0_usize..8, 0_usize..4 * FREE), 0..40),
        ) {
            let buffered = room_for(limit);
            let mut shares: Vec<(Share, usize)> = (0..8).map(|_| (Share::default(), 0)).collect();
            for (at, capacity) in grown {
                let (share, held) = &mut shares[at];
                if share.cover(capacity, &buffered).is_ok() {
                    *held = (*held).max(capacity.saturating_sub(FREE));
                }
                let sum: usize = shares.iter().map(|(_, held)| held).sum();
                prop_assert!(sum <= limit);
                prop_assert_eq!(taken(&buffered), sum);
            }
            drop(shares);
            prop_assert_eq!(taken(&buffered), 0);
        }
    }
}
