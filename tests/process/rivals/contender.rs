//! One proxy whose time is advanced from outside: over its standard input, a line for each step.

use std::{
    io::{self, Write},
    path::Path,
    process::{ChildStdin, Command},
    thread,
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    runtime::Builder,
    sync::{mpsc, oneshot},
    time::timeout,
};
use tradovate_proxy::{
    app::{App, Seat, Source},
    auth::{Reader, Vault},
    clock::Clock,
    config::{Config, Flags, Purpose, handover},
    guard::Marker,
};

use crate::support::{
    patience::PATIENCE,
    process::{Ended, Process},
    proxy::{Proxy, serve},
};

/// A proxy in a process of its own, and the hand on its clock.
#[derive(Debug)]
pub(super) struct Contender {
    pub(super) proxy: Proxy,
    /// What the broker knows it by.
    pub(super) device: String,
    input: ChildStdin,
    steps: usize,
    _state: TempDir,
}

impl Contender {
    /// Starts one in front of `upstream`, with these settings besides the usual ones.
    pub(super) fn start(upstream: &str, device: &str, settings: &[(&str, &str)]) -> Self {
        let state = tempfile::tempdir().unwrap();
        let mut command = itself_before(upstream, state.path());
        command.env("TRADOVATE_DEVICE_ID", device).env("TRADOVATE_PROXY_WORKERS", "1");
        command.envs(settings.iter().copied());
        let (process, input) = Process::start_led(command);
        let proxy = Proxy::listening(process);
        Self { proxy, device: device.to_owned(), input, steps: 0, _state: state }
    }

    /// Begins a step; [`settles`](Self::settles) waits for its end.
    pub(super) fn advance(&mut self, by: Duration) {
        writeln!(self.input, "{}", by.as_secs()).unwrap();
        self.steps += 1;
    }

    /// Waits until everything that was due by now is done.
    pub(super) fn settles(&self) {
        self.proxy.process.line(&format!("settled {};", self.steps));
    }

    pub(super) fn stop(self) -> Ended {
        drop(self.input);
        self.proxy.process.end()
    }
}

/// This test binary, as `serve` would be started.
fn itself_before(upstream: &str, state: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "rivals::contender::itself", "--ignored", "--nocapture"]);
    let served = serve(state, upstream);
    command.env_clear().envs(served.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
}

#[test]
#[ignore = "the body of the processes that the tests of `rivals` start"]
fn itself() {
    Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let config = Config::load(Purpose::Serve, &Flags::default(), &handover::receive().unwrap()).unwrap();
        let clock = Clock::simulated_from_now();
        let vault = Vault::open_as(&config.store, &config.state_dir).await.unwrap();
        let source = Source::new(&config, &clock).unwrap();
        let (marker, audit) = (Marker::Nowhere, None);
        let seat = Seat { environment: "demo", source, vault, marker, clock: clock.clone(), audit };
        let app = App::bind(&config, seat).await.unwrap();
        let session = app.session();
        println!("listening listen={} admin={}", app.listen().unwrap(), app.admin_listen().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(app.run(async {
            // That the sender is dropped is what tells.
            let _ = stopped.await;
        }));

        let mut steps = steps();
        let mut made = 0;
        while let Some(step) = steps.recv().await {
            clock.advance(step).unwrap();
            settled(&session, &clock).await;
            made += 1;
            println!("settled {made};");
        }
        drop(stop);
        running.await.unwrap().unwrap();
    });
}

/// The steps that come in by standard input.
fn steps() -> mpsc::UnboundedReceiver<Duration> {
    let (sender, steps) = mpsc::unbounded_channel();
    thread::spawn(move || {
        for line in io::stdin().lines() {
            let _ = sender.send(Duration::from_secs(line.unwrap().parse().unwrap()));
        }
    });
    steps
}

/// Waits until the next thing to do lies ahead: all that was due has been done, and has its answer.
async fn settled(session: &Reader, clock: &Clock) {
    let mut status = session.watch();
    let settled = status.wait_for(|status| status.next.is_none_or(|(_, at)| at > clock.now()));
    timeout(PATIENCE, settled).await.expect("nothing left to do").unwrap();
}
