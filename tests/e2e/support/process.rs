//! The program itself, as a child.

use std::{net::SocketAddr, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

use super::{client::Client, metrics::Metrics, wait::within};

/// `tradovate-proxy sandbox` on free ports. Killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) proxy: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// Where the simulated broker answers.
    pub(crate) api: SocketAddr,
    child: Child,
    _stdout: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts it, with these settings in its environment and no other, and waits until it says where it listens.
    pub(crate) async fn sandbox(settings: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tradovate-proxy"))
            .args(["sandbox", "--listen", ANY, "--admin-listen", ANY, "--api-listen", ANY])
            .env_clear()
            .envs(settings.iter().copied())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let told = async {
            let mut addresses = Vec::new();
            while addresses.len() < 3 {
                let line = stdout.next_line().await.unwrap().expect("a banner");
                let address = line.split_once("http://").and_then(|(_, rest)| rest.split('/').next());
                addresses.extend(address.map(|address| address.parse::<SocketAddr>().unwrap()));
            }
            addresses
        };
        let addresses = within("the program to say where it listens", told).await;
        Self { proxy: addresses[0], admin: addresses[1], api: addresses[2], child, _stdout: stdout }
    }

    /// Asks the simulated broker for something out of its control API.
    pub(crate) async fn control(&self, request: &str, body: &str) {
        let answer = Client::connect(self.api).await.ask(request, body).await;
        assert_eq!(answer.status() / 100, 2, "{request}: {}", answer.text());
    }

    /// Waits until the series of this name have this sum. No metric is an event, so it has to be asked again.
    pub(crate) async fn shows(&self, name: &str, value: f64) {
        let shown = async {
            loop {
                let scrape = Client::connect(self.admin).await.ask("GET /metrics", "").await;
                if (Metrics::read(scrape.text()).sum(name, &[]) - value).abs() < f64::EPSILON {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        within(&format!("{name} to be {value}"), shown).await;
    }

    /// The most memory it ever held, in bytes (`VmHWM`).
    pub(crate) fn most_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id().unwrap())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a high-water mark");
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }
}

const ANY: &str = "127.0.0.1:0";
