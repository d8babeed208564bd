//! tradovate-proxy: the one place that owns a Tradovate session.
//!
//! A program that trades needs an access token, and should not be the one to get it: logging in is limited,
//! opens one of very few sessions, and locks the user out when it is done wrong. So one process does it. It
//! listens on loopback, takes plain HTTP, puts the token in, sends each request at most once, and streams the
//! answer back. [`sandbox`] is a simulated Tradovate to try it on, and to test other programs with.
//!
//! # The life of a request
//!
//! 1. The control thread accepts a connection ([`downstream`]) and hands it to a worker ([`server::Workers`]), which
//!    keeps it to its end, TLS handshake included.
//! 2. The head is read, strictly ([`http1`]), and judged: may they who sent it call at all ([`callers`]), may it ask
//!    this, and who answers? Policy goes by the path and the table of endpoints, never by the method
//!    ([`proxy::route`], [`tradovate::Effect`]).
//! 3. The body is read, whole: upstream sees no byte of a request that is not all here. If it is an order, the guards
//!    that the operator has set judge these very bytes ([`guard`]). With an `Idempotency-Key`, an order that has gone
//!    before goes no further ([`idempotency`]).
//! 4. The session of this moment is read from [`auth::Reader`]: one lock-free load. Without a live token the
//!    request waits a bounded time, and then gets a 503 that says why.
//! 5. Its share of what Tradovate still takes is spent ([`budget`]), and an order is written down before it leaves, as
//!    is what becomes of it ([`audit`]).
//! 6. A connection is leased from the worker's own pool ([`upstream`]). [`hygiene`] has taken out what must not cross,
//!    and now puts in the token of this moment. The types see to it: a [`hygiene::Received`] becomes a
//!    [`hygiene::Scrubbed`], that an [`Authorized`](hygiene::Authorized), and only this can be sent.
//! 7. The request is written, once. Only a `read` may go out a second time; anything else does only if not one byte of
//!    it had left.
//! 8. The answer's head is scrubbed, its body streamed. If there is none, the caller gets a [`proxy::Problem`],
//!    which says whether the request was *not sent* or its outcome is *unknown*.
//! 9. However it ends, it is counted: by a guard that is there from the first byte on.
//!
//! # The life of a token
//!
//! 1. [`app`] puts an [`app::Source`], which can get tokens, and an [`auth::Vault`], which remembers,
//!    into one task: the [`auth::Renewer`]. Nobody else has either.
//! 2. A session stored by an earlier run is taken up. Without one the renewer acquires, if the budgets of the
//!    [ledger](auth::ledger) allow it; these survive restarts.
//! 3. What is granted becomes a [`bearer::Bearer`], a header value made once, and is published together with its
//!    expiry and the [origin](origin::Origin) it is good for. Each publication is a new [`auth::Generation`].
//! 4. Well before expiry it is renewed. The old token serves until the new one is published; past its expiry
//!    nothing is sent.
//! 5. A 401 that a caller got is reported with its generation. It leads to one cheap question, and only from there to
//!    an early renewal, never straight to a login; if that is refused, another login has taken the session's place.
//!
//! # Floors
//!
//! A file names only modules of lower floors, so that each can be read knowing only what is below it.
//!
//! | floor | modules |
//! |---|---|
//! | 6 | [`app`] puts all together · [`cli`] · [`config`] · [`telemetry`] |
//! | 5 | [`server`]: threads, accepting, draining |
//! | 4 | [`proxy`]: the data path · [`admin`]: health, status, metrics, orders · [`sandbox`] |
//! | 3 | [`upstream`]: connections to Tradovate, and what is sent on them · [`downstream`]: connections from callers · [`callers`]: who may call · [`guard`]: what the operator does not let pass · [`idempotency`]: orders that have gone before · [`budget`]: how many requests Tradovate will still take · [`audit`]: what was ordered, and what became of it |
//! | 2 | [`hygiene`]: what crosses · [`tradovate`]: all that is particular to this API · [`oauth2`]: the refresh grant |
//! | 1 | [`auth`]: the token's life, knowing no vendor · [`http1`]: the wire format, strictly |
//! | 0 | [`clock`] · [`bearer`] · [`hex`] · [`origin`] · [`problem`]: the form of our own answers |
//!
//! # What a request costs
//!
//! There is one thread for each core that the process may use, and one for everything that no request waits for. Each
//! has a runtime of its own, on which nothing moves to another thread. The control thread accepts, and gives a connection
//! to the worker that has the fewest; there it stays. A worker's pool is its own too, so it takes no lock, and strands
//! nothing: each worker keeps its own few connections in reserve, and no request waits for another's.
//!
//! A read that is answered at once, on a connection that has carried one before, takes:
//!
//! - **seven system calls:** twice `epoll_wait`, `recv` and `send`, and one `recv` more that looks whether upstream has
//!   closed or spoken on the connection since. It is there to stay: without it, an order now and then ends as unknown;
//! - **no allocation:** what it is read into and written from is lent by the worker ([`proxy`], `workspace`), the memory for
//!   the answer by the pool; a connection that waits holds neither, some 4 KiB in all. An order allocates what is written
//!   down of it;
//! - **some 20,000 instructions** in user space: 2,600 to split two heads into lines, 3,200 in the runtime, the rest in
//!   judging, counting and writing. No lock: two loads of the session, one each of the rules for callers and guards and
//!   of the budget's policy, each replaced whole by whoever changes it; and additions to shared counters.
//!
//! What brought it there from 27,000, and what did not. Steps were measured together, so what each gave alone is known
//! only where it says so:
//!
//! - heads are parsed where they lie, and searched for their end only where they do not come whole (with memory for answers
//!   that is kept, 2,300);
//! - the runtime is one that knows it has one thread, instead of a set of local tasks on one that does not
//!   (with timers that are left alone, 1,900);
//! - rare ways (a connection to open, a second try, a keyed answer, a refusal) are boxed: what a future may hold is copied
//!   with it, and every connection would keep room for it. The memory of 5,000 idle ones fell from 61 to 32 MiB;
//! - one timer a connection that is left in the wheel ([`clock::Alarm`]) instead of two put in and taken out a request;
//! - names of fields told apart by their first letter and length before they are compared; paths found by a hash;
//! - one read of the clock less for each of three, and the date told once a second;
//! - the records of TLS are read whole, and answers into memory that is kept: 16 KiB went from 1.3 to 1.0 of what nginx
//!   takes;
//! - no congestion control but the simplest where upstream is on this machine, as on our own listeners: some systems use
//!   BBR by default, which sets a timer for each segment;
//! - what the program leaves out: AES for AVX-512, which only bulk transfers would notice, the tables of Unicode that only
//!   host names beyond ASCII need, and HTTP/2 where nobody speaks it. It fell from 10.9 to 9.2 MiB;
//! - lost: lines copied with name and value in one piece (what it saves in copies it takes in looking); identical code
//!   folded by the linker (1 % of the program).
//!
//! `benches/sidebyside` measures all this, and `--counts` what can be counted. By a Unix socket a read takes 0.9 of the
//! processor's time that it takes by TCP (64 connections, TLS upstream), and adds 0.56 of the latency that nginx adds.
//!
//! What it costs when much is going on (`benches/strain`; 64 callers and one worker where nothing else is said):
//!
//! - a session published each 10 ms makes no difference beyond the noise: p50 1.03 of what it is without, p99 1.00;
//! - a second worker neither: some 21 µs of a worker's time a request, by one or by two, for 16 connections or 64. More
//!   that all ask at once without a pause do: for 256 it is a third more, for 1,000 nearly twice as much, since what they are
//!   at fits into no cache. Memory is kept for 1,024 requests under way; kept for 64, the 256 took a fifth more again;
//! - asked for four times what upstream can take (64 at a time, 20 ms each), it answers 2,800 requests a second, as many as
//!   when asked for just that; their p99 goes from 22.7 to 24.8 ms, and the others have their 503 in 1.6 ms.
//!
//! # What it deliberately does not do
//!
//! It repeats no order, follows no redirect but where the session itself moves, caches nothing, and alters neither
//! query nor body. It decides nothing about trading, save what its operator does not let pass. It is no general
//! gateway: one process serves one user in one environment. It stores no password. And without [caller keys](callers)
//! it asks no program of this machine who it is.

pub mod admin;
pub mod app;
pub mod audit;
pub mod auth;
pub mod bearer;
pub mod budget;
pub mod callers;
pub mod cli;
pub mod clock;
pub mod config;
pub mod downstream;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod guard;
pub mod hex;
pub mod http1;
pub mod hygiene;
pub mod idempotency;
pub mod oauth2;
pub mod origin;
pub mod problem;
pub mod proxy;
pub mod sandbox;
pub mod server;
pub mod telemetry;
pub mod tradovate;
pub mod upstream;
