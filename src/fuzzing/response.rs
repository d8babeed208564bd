//! What upstream answers to a request.

use std::{
    cell::RefCell,
    collections::VecDeque,
    io::{ErrorKind, Read as _},
    os::unix::net::UnixStream,
    sync::Arc,
};

use tokio::{
    net,
    runtime::{self, Runtime},
    task::LocalSet,
};

use crate::{
    downstream::Stream,
    fuzzing::{
        Lengths,
        naive::{self, Answered},
    },
    http1::Version,
    origin::Origin,
    proxy,
    upstream::Upstream,
};

/// A byte that says how it was asked, two that say where the answer is cut, and the answer's bytes, which end with the
/// connection. What is passed on has one reading, which is the answer's own, wherever it was cut.
///
/// # Panics
/// When it has not.
pub fn response(input: &[u8]) {
    let [asked, seed @ ..] = input.first_chunk::<3>().copied().unwrap_or_default();
    let wire = input.get(3..).unwrap_or_default();
    let to_head = asked & 1 != 0;
    let version = if asked & 2 != 0 { Version::Http10 } else { Version::Http11 };
    thread_local!(static STAGE: RefCell<Stage> = RefCell::new(Stage::new()));
    STAGE.with_borrow_mut(|stage| {
        let plain = naive::answered(wire, to_head);
        let whole = stage.play(whole_of(wire), version, to_head);
        let pieces = stage.play(cut(wire, seed), version, to_head);
        assert_eq!(whole.keep_alive, pieces.keep_alive, "cut in pieces it is another answer");
        for played in [&whole, &pieces] {
            if let Some(keep_alive) = played.keep_alive {
                let plain = plain.as_ref().expect("what is passed on has one reading");
                compare(plain, &played.written, version, to_head, keep_alive);
            }
        }
        if whole.is_kept && wire.len() < ONE_READ {
            let plain = plain.as_ref().expect("a connection is kept that broke off");
            assert!(
                plain.keeps_connection && plain.length == wire.len(),
                "a connection is kept that is not clean"
            );
        }
    });
}

/// What was written to the caller against the reading of what upstream said.
fn compare(plain: &Answered<'_>, written: &[u8], version: Version, to_head: bool, keep_alive: bool) {
    let passed = naive::answered(written, to_head).expect("what was passed on has one reading");
    assert_eq!((passed.status, &passed.content), (plain.status, &plain.content));
    assert_eq!(passed.length, written.len(), "something was written behind the answer");
    assert!(passed.interim == 0 || version == Version::Http11, "an interim answer to HTTP/1.0");
    assert!(passed.is_delimited || !keep_alive, "its end cannot be told from the next answer's beginning");
    let is_http10 = version == Version::Http10;
    let connection = passed.head.connection_options();
    match (keep_alive, is_http10) {
        (true, true) => assert_eq!(connection, [b"keep-alive"]),
        (true, false) => assert!(connection.is_empty()),
        (false, _) => assert_eq!(connection, [b"close"]),
    }
    assert!(!is_http10 || passed.head.all("transfer-encoding").is_empty(), "chunks to HTTP/1.0");
    for (name, value) in &passed.head.fields {
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        match name.as_str() {
            "connection" | "content-length" | "transfer-encoding" => {}
            "x-proxy-outcome" => assert_eq!(*value, b"answered"),
            "date" if plain.head.all("date").is_empty() => {}
            _ => {
                let stays = name.starts_with("access-control-") || LEFT_BEHIND.contains(&name.as_str());
                assert!(!stays, "{name} crossed");
                assert!(plain.head.all(&name).contains(value), "{name} was made up");
                assert!(
                    !plain.head.connection_options().contains(&name.clone().into_bytes()),
                    "{name} crossed"
                );
            }
        }
    }
}

/// Where answers are played: an upstream without a network, and a caller's connection.
struct Stage {
    runtime: Runtime,
    tasks: LocalSet,
    upstream: Upstream,
    origins: [Arc<Origin>; 2],
    to_caller: Stream,
    caller: UnixStream,
}

struct Played {
    written: Vec<u8>,
    /// Whether the caller may ask again on its connection; `None` where the answer was not passed on whole.
    keep_alive: Option<bool>,
    /// Whether upstream's connection waits for another request.
    is_kept: bool,
}

impl Stage {
    fn new() -> Self {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let (runtime, tasks) = (runtime.expect("a runtime can be had"), LocalSet::new());
        let (ours, caller) = UnixStream::pair().expect("a socket can be had");
        for socket in [&ours, &caller] {
            socket.set_nonblocking(true).expect("a socket need not block");
        }
        // What is written to this kind is there for the other side at once, and no port is used.
        let (upstream, to_caller) = tasks.block_on(&runtime, async {
            (Upstream::scripted(), net::UnixStream::from_std(ours).expect("the runtime takes sockets"))
        });
        let origins =
            ["a.example", "b.example"].map(|host| Arc::new(Origin::https(host).expect("it is an origin")));
        Self { runtime, tasks, upstream, origins, to_caller: Stream::Unix(to_caller), caller }
    }

    fn play(&mut self, pieces: VecDeque<Vec<u8>>, version: Version, to_head: bool) -> Played {
        let Self { runtime, tasks, upstream, origins: [origin, other], to_caller, caller } = self;
        let keep_alive = tasks.block_on(runtime, async {
            let answer = upstream.answering(origin, pieces, to_head);
            proxy::pass_on(answer, to_caller, version, to_head).await
        });
        let mut written = Vec::new();
        let end = caller.read_to_end(&mut written).map_err(|error| error.kind());
        assert_eq!(end, Err(ErrorKind::WouldBlock));
        let is_kept = upstream.waiting_connections() > 0;
        upstream.turn_to(other);
        Played { written, keep_alive, is_kept }
    }
}

fn whole_of(wire: &[u8]) -> VecDeque<Vec<u8>> {
    Some(wire.to_vec()).filter(|wire| !wire.is_empty()).into_iter().collect()
}

/// An answer in pieces of up to 31 bytes, which `seed` determines.
fn cut(wire: &[u8], seed: [u8; 2]) -> VecDeque<Vec<u8>> {
    let mut lengths = Lengths::from(seed);
    let (mut pieces, mut rest) = (VecDeque::new(), wire);
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(lengths.next().clamp(1, rest.len()));
        pieces.push_back(piece.to_vec());
        rest = behind;
    }
    pieces
}

/// What is read from upstream at first.
const ONE_READ: usize = 4 * 1024;

/// What never crosses, among much else.
const LEFT_BEHIND: &[&str] = &[
    "alt-svc",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "set-cookie",
    "set-cookie2",
    "trailer",
    "upgrade",
];
