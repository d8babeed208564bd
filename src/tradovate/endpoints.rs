//! What each path of the API does: the table that policy goes by.
//!
//! Tradovate: the method says nothing (ten `POST`s only read, and the server does not insist on methods), and
//! paths are case-insensitive, so the path alone decides. The table is `endpoints.csv`, made from the official
//! API description and what public clients call beside it.

/// The table, parsed once at start. Lookups allocate nothing.
#[derive(Debug)]
pub struct Endpoints {
    /// By [`Endpoint::index`].
    known: Vec<Endpoint>,
    /// Where each path is among them, from the place that its hash names onwards; a power of two, at least half empty.
    places: Vec<Option<u16>>,
    other: Endpoint,
}

/// One operation of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its path below `/v1`, as documented; empty for [`OTHER`].
    pub path: &'static str,
    /// Its name in metrics and logs: the official operation id where there is one.
    pub operation: &'static str,
    /// What it does.
    pub effect: Effect,
    /// Whether it takes risk away (cancels an order or flattens a position), so that a brake may let it pass.
    pub relief: bool,
    /// Its place among all endpoints, below [`Endpoints::len`]: for arrays of metric handles.
    pub index: usize,
}

/// What an endpoint does, as far as policy cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Changes nothing: may be repeated.
    Read,
    /// Changes something other than an order.
    Write,
    /// Places, changes or cancels an order, or may.
    Order,
    /// Opens, extends or redefines a session.
    Auth,
}

impl Effect {
    /// Every effect.
    pub const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Order, Self::Auth];

    /// The name in metrics, logs and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Order => "order",
            Self::Auth => "auth",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|effect| effect.name() == name)
    }
}

impl Endpoints {
    /// Parses the table that is compiled in.
    ///
    /// # Panics
    /// Never with the table that is compiled in: a test parses it.
    #[must_use]
    pub fn new() -> Self {
        let mut known: Vec<_> = TABLE
            .lines()
            .skip(1)
            .map(|row| Endpoint::parse(row).expect("every row of the compiled-in table parses"))
            .collect();
        known.sort_unstable_by_key(|endpoint| endpoint.path);
        let mut places = vec![None; (2 * known.len()).next_power_of_two()];
        for (index, endpoint) in known.iter_mut().enumerate() {
            endpoint.index = index;
            let mut place = place_of(endpoint.path);
            let mask = places.len() - 1;
            while places[place & mask].is_some() {
                place += 1;
            }
            places[place & mask] = Some(u16::try_from(index).expect("the table has fewer rows"));
        }
        let other =
            Endpoint { path: "", operation: OTHER, effect: Effect::Order, relief: false, index: known.len() };
        Self { known, places, other }
    }

    /// The endpoint at `path`, which is normalised and below `/v1`, with its leading slash and in any case
    /// (`/order/placeOrder`). What the table does not know is [`OTHER`], and counts as an order.
    pub fn find(&self, path: &str) -> &Endpoint {
        let (mut place, mask) = (place_of(path), self.places.len() - 1);
        while let Some(index) = self.places[place & mask] {
            let known = &self.known[usize::from(index)];
            // Nearly everybody writes it as it is documented.
            if known.path == path || known.path.eq_ignore_ascii_case(path) {
                return known;
            }
            place += 1;
        }
        &self.other
    }

    /// What stands for every path that the table does not know: [`OTHER`].
    pub fn other(&self) -> &Endpoint {
        &self.other
    }

    /// Every endpoint in the order of [`Endpoint::index`], the unknown one last.
    pub fn iter(&self) -> impl Iterator<Item = &Endpoint> {
        self.known.iter().chain([&self.other])
    }

    /// How many there are, with the unknown one: one more than the highest [`Endpoint::index`].
    #[expect(clippy::len_without_is_empty, reason = "the unknown endpoint is always there")]
    pub fn len(&self) -> usize {
        self.known.len() + 1
    }
}

impl Default for Endpoints {
    fn default() -> Self {
        Self::new()
    }
}

impl Endpoint {
    fn parse(row: &'static str) -> Option<Self> {
        let mut fields = row.split(',');
        let (path, operation) = (fields.next()?, fields.next()?);
        let effect = Effect::parse(fields.next()?)?;
        let relief = match fields.next()? {
            "yes" => true,
            "" => false,
            _ => return None,
        };
        let complete = path.starts_with('/') && !operation.is_empty() && fields.next().is_none();
        complete.then_some(Self { path, operation, effect, relief, index: 0 })
    }
}

/// A hash of a path, whatever its case. What callers send does not change the table, so none of them can make
/// it slow.
fn place_of(path: &str) -> usize {
    let stir = |hash: u32, letters: u32| {
        // The bit in which the cases of a letter differ; that others share a place for it costs a comparison.
        (hash ^ (letters | 0x2020_2020)).wrapping_mul(0x9e37_79b1).rotate_left(15)
    };
    let (words, rest) = path.as_bytes().as_chunks();
    let hash = words.iter().fold(0x811c_9dc5, |hash, word| stir(hash, u32::from_le_bytes(*word)));
    stir(hash, rest.iter().fold(0, |letters, &byte| letters << 8 | u32::from(byte))) as usize
}

/// The operation of every path that the table does not hold.
pub const OTHER: &str = "other";

const TABLE: &str = include_str!("endpoints.csv");

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_row_parses_and_is_found_in_any_case_at_its_own_index() {
        let endpoints = Endpoints::new();
        assert_eq!(
            endpoints.len(),
            TABLE.lines().count(),
            "one row per endpoint; the heading stands for `other`"
        );
        assert!(endpoints.len() > 350);
        for (index, endpoint) in endpoints.iter().enumerate().take(endpoints.len() - 1) {
            assert_eq!(endpoint.index, index);
            for path in [
                endpoint.path.to_owned(),
                endpoint.path.to_ascii_lowercase(),
                endpoint.path.to_ascii_uppercase(),
            ] {
                assert_eq!(endpoints.find(&path), endpoint);
            }
        }
        let operations: HashSet<_> = endpoints.iter().map(|endpoint| endpoint.operation).collect();
        assert_eq!(operations.len(), endpoints.len(), "an operation names one endpoint");
    }

    #[test]
    fn what_is_not_known_counts_as_an_order() {
        let endpoints = Endpoints::new();
        for path in ["/order/teleport", "", "/", "/order/placeorder/", "order/placeorder", "/ördér/item"] {
            let endpoint = endpoints.find(path);
            assert_eq!((endpoint.operation, endpoint.effect), (OTHER, Effect::Order), "{path}");
            assert!(!endpoint.relief && endpoint.index == endpoints.len() - 1);
        }
    }

    #[test]
    fn the_paths_that_matter_have_the_effect_that_matters() {
        let endpoints = Endpoints::new();
        for (path, effect, relief) in [
            ("/auth/accessTokenRequest", Effect::Auth, false),
            ("/auth/renewAccessToken", Effect::Auth, false),
            ("/auth/oauthtoken", Effect::Auth, false),
            ("/user/modifypassword", Effect::Auth, false),
            ("/order/placeOrder", Effect::Order, false),
            ("/order/placeOSO", Effect::Order, false),
            ("/order/cancelorder", Effect::Order, true),
            ("/order/liquidatepositions", Effect::Order, true),
            ("/accountRiskStatus/setadminautoliqaction", Effect::Order, false),
            ("/user/canceleverything", Effect::Write, false),
            ("/order/dryrun", Effect::Read, false),
            ("/cashBalance/getCashBalanceSnapshot", Effect::Read, false),
            ("/account/list", Effect::Read, false),
            ("/auth/me", Effect::Read, false),
        ] {
            let endpoint = endpoints.find(path);
            assert_eq!((endpoint.effect, endpoint.relief), (effect, relief), "{path}");
        }
        assert_eq!(endpoints.iter().filter(|endpoint| endpoint.relief).count(), 3);
    }
}
