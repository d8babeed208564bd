//! The outside world, turned into the types that the other modules declared for themselves.
//!
//! Everything a user can set is a row of one table, [`SETTINGS`]: its environment variable, its key in the TOML
//! file, its flag, its default, its words. Help and README are printed from the same rows, so none of them can
//! drift from the code. Nothing below this module knows how a value arrived, and nothing outside it reads the
//! environment.
//!
//! ```text
//! command line ──▶ environment ──▶ TOML file ──▶ default        the first that has it wins
//!                   │     └ X or X_FILE           └ key or key-file (credentials)
//!                   └ secrets leave it: see `handover`
//! ```
//!
//! All of it can be read again while the process runs ([`Sources`]): a [`Look`] tells whether its files have changed,
//! a [`Difference`] what that means.
//!
//! Relative paths, wherever they are written, start at the working directory.
//!
//! Three rules:
//!
//! - **All at once.** [`Config::load`] looks at every setting before it refuses, and reports each problem with the
//!   place it was found and what to do. Nothing is bound or sent before it succeeds.
//! - **No typo is silent.** An unknown key, and an unknown variable that begins with `TRADOVATE_`, is an error: a
//!   misspelt guard would otherwise be no guard.
//! - **No secret is repeated.** Secrets are [`SecretString`] from the moment they are
//!   parsed; errors never quote the value of a credential, since the classic slip is to put the secret where the
//!   id belongs; [`Config::redacted`] shows only that they are set.

mod api;
mod audit;
mod budget;
mod callers;
mod credentials;
mod difference;
mod environment;
mod file;
mod guards;
pub mod handover;
mod layers;
mod listeners;
mod look;
mod pem_file;
mod problem;
mod render;
mod secret_file;
mod session;
mod setting;
mod source;
mod sources;
mod tls;
mod value;

use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Duration,
};

use rustls_pki_types::CertificateDer;
use secrecy::SecretString;

use crate::{
    auth::{RenewalPolicy, Store},
    budget::Policy,
    callers::Rules,
    config::layers::{Layers, Value},
    downstream::Address,
    guard, idempotency,
    origin::Origin,
    proxy,
    telemetry::{Filter, Format},
    tradovate, upstream,
};

pub(crate) use self::value::{address as parse_address, bound as parse_duration};
pub use self::{
    audit::audit_place,
    credentials::Credentials,
    difference::{Applies, Difference},
    environment::Environment,
    layers::Flags,
    listeners::Listening,
    look::Look,
    problem::{ConfigErrors, Fault, Problem, Source},
    render::{help, readme_table},
    secret_file::Exposed,
    setting::{Kind, Preset, SETTINGS, Setting},
    source::{OAuth2, Renewal, TokenSource},
    sources::{Reading, Sources},
    value::Invalid,
};

/// Everything that was set, checked and ready to use.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which Tradovate.
    pub environment: tradovate::Environment,
    /// Where callers and operators come in.
    pub listening: Listening,
    /// Who may call the proxy.
    pub callers: Rules,
    /// Who may call the admin listener.
    pub operators: Rules,
    /// Which API is forwarded to.
    pub api: proxy::Api,
    /// Replaces the environment's own origin.
    pub upstream: Option<Origin>,
    /// Trusted besides the public roots.
    pub upstream_ca: Vec<CertificateDer<'static>>,
    /// Whether HTTP/2 may be negotiated upstream.
    pub upstream_http2: bool,
    /// How many connections to upstream each worker keeps open ahead of requests.
    pub upstream_warm: usize,
    /// Where the session is kept over restarts. Not created yet. The sandbox must not use it: it holds the real
    /// session.
    pub state_dir: PathBuf,
    /// How the session is kept there, if it is. Never for [`Purpose::Sandbox`], whose session ends with it.
    pub store: Store,
    /// How orders are written down, if they are. Never for [`Purpose::Sandbox`], whose orders are none.
    pub audit: Option<crate::audit::Options>,
    /// What hands out tokens: always there for [`Purpose::Serve`], never for [`Purpose::Sandbox`].
    pub source: Option<TokenSource>,
    /// How many requests upstream will take.
    pub budget: Policy,
    /// What callers may hold at once.
    pub limits: proxy::Limits,
    /// What is remembered of orders with an idempotency key.
    pub idempotency: idempotency::Bounds,
    /// How long callers are waited for.
    pub timeouts: proxy::Timeouts,
    /// How long upstream is waited for.
    pub upstream_timeouts: upstream::Timeouts,
    /// How long requests in flight may take to finish after the signal to stop; zero ends them at once.
    pub drain: Duration,
    /// Threads that serve requests.
    pub workers: NonZeroUsize,
    /// What is logged.
    pub log: Filter,
    /// In which form.
    pub log_format: Format,
    /// How the session is kept alive.
    pub policy: RenewalPolicy,
    /// Domains besides Tradovate's own to which answers may move the session.
    pub trusted_hosts: Vec<String>,
    /// Content types of request bodies accepted besides `application/json`, lower case, without parameters.
    pub content_types: Vec<String>,
    /// What is not let pass.
    pub guards: guard::Rules,
    values: Vec<Value>,
    exposed: Vec<Exposed>,
}

/// What a configuration is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A proxy in front of Tradovate.
    Serve,
    /// A proxy in front of the simulation, which has its own account: whatever says where to log in, and as
    /// whom, is left alone, even if it is wrong.
    Sandbox,
}

impl Config {
    /// Looks at every setting, and fails with everything that is wrong.
    pub fn load(purpose: Purpose, flags: &Flags, environment: &Environment) -> Result<Self, ConfigErrors> {
        Reading::of(purpose, Layers::new(flags, environment)).config
    }

    /// The same with a TOML file's text, and no other file: for fuzzing.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn of_text(environment: &Environment, toml: &str) -> Result<Self, ConfigErrors> {
        let flags = Flags::default();
        Reading::of(Purpose::Serve, Layers::new(&flags, environment).with_file(toml)).config
    }

    /// Each setting with its value and where that came from, secrets hidden.
    pub fn redacted(&self) -> String {
        render::values(&self.values)
    }

    /// Files with secrets in them that others can read: worth a warning, since it may be how an engine mounts them.
    pub fn exposed(&self) -> &[Exposed] {
        &self.exposed
    }

    fn read(purpose: Purpose, layers: &mut Layers<'_>) -> Self {
        use setting as s;

        let (source, environment, (api, upstream), upstream_ca, store) = match purpose {
            Purpose::Serve => {
                let (source, environment) = (TokenSource::read(layers), tradovate(layers));
                let ca = upstream_ca(layers);
                let api = api::read(layers, environment, source.as_ref());
                (source, environment, api, ca, session::store(layers))
            }
            Purpose::Sandbox => {
                (None, tradovate::Environment::Demo, (proxy::Api::Tradovate, None), Vec::new(), Store::Memory)
            }
        };
        let (callers, operators) = (callers::callers(layers), callers::operators(layers));
        let state_dir = state_dir(layers);
        let audit = match purpose {
            Purpose::Serve => audit::read(layers, &state_dir, &store),
            Purpose::Sandbox => None,
        };
        Self {
            environment,
            api,
            listening: Listening::read(layers, &callers, &operators),
            callers,
            operators,
            upstream,
            upstream_ca,
            upstream_http2: layers.value(&s::UPSTREAM_HTTP2, value::yes_or_no),
            upstream_warm: layers.value(&s::UPSTREAM_WARM, |text| value::count(text, 0..=64)),
            state_dir,
            store,
            audit,
            source,
            budget: budget::read(layers, api),
            limits: limits(layers),
            idempotency: idempotency(layers),
            timeouts: proxy::Timeouts {
                head: layers.value(&s::TIMEOUT_REQUEST_HEAD, value::bound),
                body: layers.value(&s::TIMEOUT_REQUEST_BODY, value::bound),
                body_idle: layers.value(&s::TIMEOUT_DOWNSTREAM_IDLE, value::bound),
                keep_alive: layers.value(&s::TIMEOUT_KEEP_ALIVE, value::bound),
                token: layers.value(&s::TIMEOUT_TOKEN, value::duration),
            },
            upstream_timeouts: upstream::Timeouts {
                connect: layers.value(&s::TIMEOUT_CONNECT, value::bound),
                tls: layers.value(&s::TIMEOUT_TLS, value::bound),
                response_head: layers.value(&s::TIMEOUT_RESPONSE_HEAD, value::bound),
                body_idle: layers.value(&s::TIMEOUT_UPSTREAM_IDLE, value::bound),
                pool_idle: layers.value(&s::TIMEOUT_POOL_IDLE, value::duration),
            },
            drain: layers.value(&s::DRAIN_TIMEOUT, value::duration),
            policy: session::policy(layers),
            trusted_hosts: layers
                .optional(&s::TRUSTED_HOSTS, |text| value::list(text, "host names", value::is_host_name))
                .unwrap_or_default(),
            workers: workers(layers),
            log: layers.value(&s::LOG, |text| Ok(text.parse()?)),
            log_format: layers.value(&s::LOG_FORMAT, |text| match text {
                "text" => Ok(Format::Text),
                "json" => Ok(Format::Json),
                _ => Err(Invalid::Choice { of: "text, json" }),
            }),
            content_types: layers
                .optional(&s::CONTENT_TYPES, |text| value::list(text, "type/subtype", value::is_content_type))
                .unwrap_or_default(),
            guards: guards::rules(layers),
            values: Vec::new(),
            exposed: Vec::new(),
        }
    }
}

/// How a running proxy is asked: what the commands that talk to it need of the configuration.
#[derive(Debug)]
pub struct Desk {
    /// Where its admin listener is.
    pub address: Address,
    /// The key to show there.
    pub key: Option<SecretString>,
    /// Mistakes in the configuration file that have nothing to do with these two.
    pub mistakes: usize,
}

impl Desk {
    /// Reads these settings and no others: whoever reaches for the kill switch must not be stopped by a slip in what
    /// the running proxy does not even use.
    ///
    /// # Errors
    /// When one of them is wrong; and when the file cannot be read where it might have named another address, since that
    /// could be another proxy's.
    pub fn find(flags: &Flags, environment: &Environment) -> Result<Self, ConfigErrors> {
        let mut layers = Layers::new(flags, environment);
        let mut mistakes = std::mem::take(&mut layers.problems);
        let address = listeners::admin(&mut layers);
        let key = layers.optional(&setting::ADMIN_KEY, layers::secret);
        let listen = &setting::ADMIN_LISTEN;
        let leaves_it_plain = |problem: &Problem| {
            if let Fault::Unknown { meant } = &problem.fault {
                return meant.as_deref() != Some(listen.key);
            }
            let is_of_one_key = matches!(problem.fault, Fault::Type { .. } | Fault::Exposed { .. });
            is_of_one_key && problem.name != listen.key
        };
        let is_guess = !layers.is_set(listen) && !mistakes.iter().all(leaves_it_plain);
        match address {
            Some(address) if layers.problems.is_empty() && !is_guess => {
                Ok(Self { address, key, mistakes: mistakes.len() })
            }
            _ => {
                mistakes.append(&mut layers.problems);
                Err(ConfigErrors(mistakes))
            }
        }
    }
}

/// Which Tradovate; real money only where that was said twice.
fn tradovate(layers: &mut Layers<'_>) -> tradovate::Environment {
    let environment =
        layers.value(&setting::ENV, |text| text.parse().map_err(|_| Invalid::Choice { of: "demo, live" }));
    let confirmed = layers.value(&setting::LIVE, value::yes_or_no);
    if environment == tradovate::Environment::Live && !confirmed {
        layers.refuse(&setting::ENV, Fault::Unconfirmed);
    }
    environment
}

/// The certificates in a file, which is read again when it changes.
fn upstream_ca(layers: &mut Layers<'_>) -> Vec<CertificateDer<'static>> {
    let Some(path) = layers.optional(&setting::UPSTREAM_CA, layers::text) else { return Vec::new() };
    layers.looks_at(Path::new(&path));
    pem_file::certificates(&path).unwrap_or_else(|why| {
        let value = (!path.contains('@')).then_some(path);
        layers.refuse(&setting::UPSTREAM_CA, Fault::Invalid { value, why });
        Vec::new()
    })
}

fn limits(layers: &mut Layers<'_>) -> proxy::Limits {
    use setting as s;

    proxy::Limits {
        // Bodies are read whole into memory, so the limit has a limit.
        body_bytes: layers.value(&s::LIMIT_BODY_BYTES, |text| value::size(text, 1..=64 << 20)),
        head_bytes: layers.value(&s::LIMIT_HEAD_BYTES, |text| value::size(text, 1 << 10..=1 << 20)),
        connections: layers.value(&s::LIMIT_CONNECTIONS, |text| value::count(text, 1..=1_000_000)),
        // Zero lets in none above 16 KiB.
        buffered_bytes: layers.value(&s::LIMIT_BUFFERED_BYTES, |text| value::size(text, 0..=64 << 30)),
        concurrent_requests: layers
            .value(&s::LIMIT_CONCURRENT_REQUESTS, |text| value::count(text, 1..=1_000_000)),
    }
}

fn idempotency(layers: &mut Layers<'_>) -> idempotency::Bounds {
    use setting as s;

    idempotency::Bounds {
        entries: layers.value(&s::IDEMPOTENCY_ENTRIES, |text| value::count(text, 1..=1_000_000)),
        answer_bytes: layers.value(&s::IDEMPOTENCY_ANSWER_BYTES, |text| value::size(text, 1..=1 << 20)),
        // Forgotten sooner, a key would let its order's repetition through as a new order.
        age: layers.value(&s::IDEMPOTENCY_MAX_AGE, |text| value::at_least(text, Duration::from_secs(60))),
    }
}

fn state_dir(layers: &mut Layers<'_>) -> PathBuf {
    if let Some(dir) = layers.optional(&setting::STATE_DIR, |text| Ok(PathBuf::from(text))) {
        return dir;
    }
    let (xdg, home) = (layers.foreign("XDG_STATE_HOME"), layers.foreign("HOME"));
    let dir = setting::default_state_dir(xdg.as_deref(), home.as_deref());
    layers.settle(&setting::STATE_DIR, dir.display().to_string());
    dir
}

fn workers(layers: &mut Layers<'_>) -> NonZeroUsize {
    let parse = |text: &str| {
        let number = value::count(text, 1..=1024)?;
        NonZeroUsize::new(number).ok_or(Invalid::Number)
    };
    layers.optional(&setting::WORKERS, parse).unwrap_or_else(|| {
        let workers = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        layers.settle(&setting::WORKERS, workers.to_string());
        workers
    })
}

#[cfg(test)]
mod tests;
