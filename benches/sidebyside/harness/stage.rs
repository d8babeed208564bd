//! What all peers share: a scratch folder, a token, certificates, and the upstream.

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::Context as _;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::harness::wire::stream::Target;

/// How a peer speaks to the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Transport {
    Plain,
    Tls,
}

impl Transport {
    pub(crate) const ALL: [Self; 2] = [Self::Plain, Self::Tls];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Tls => "TLS",
        }
    }
}

/// All of it, until dropped.
#[derive(Debug)]
pub(crate) struct Stage {
    scratch: TempDir,
    pub(crate) token: String,
    /// Where everything runs.
    pub(crate) core: usize,
    ports: [u16; 2],
    // Its standard input ends with it, and that ends the upstream.
    _upstream: Child,
}

impl Stage {
    pub(crate) fn set(core: usize) -> anyhow::Result<Self> {
        let scratch = tempfile::Builder::new().prefix("sidebyside-").tempdir()?;
        // As long as Tradovate's, and as hard to compress, in case somebody tries.
        let token: String = (0..TOKEN_LENGTH).map(|_| fastrand::alphanumeric()).collect();
        fs::write(scratch.path().join("token"), &token)?;
        certify(scratch.path())?;
        let mut upstream = Command::new(env::current_exe()?)
            .arg("upstream")
            .args(["token", "cert.pem", "key.pem"].map(|name| scratch.path().join(name)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(upstream.stdout.take().context("it has no output")?).read_line(&mut line)?;
        let ports: Vec<u16> = line.split_whitespace().filter_map(|port| port.parse().ok()).collect();
        let ports = <[u16; 2]>::try_from(ports).ok().context("the upstream did not start")?;
        Ok(Self { scratch, token, core, ports, _upstream: upstream })
    }

    pub(crate) fn upstream(&self, transport: Transport) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.ports[transport as usize]).into()
    }

    /// The way without a proxy: the caller speaks TLS itself.
    pub(crate) fn direct(&self, transport: Transport) -> Target {
        let address = self.upstream(transport);
        match transport {
            Transport::Plain => Target::Port(address),
            Transport::Tls => Target::Tls(address, self.ca()),
        }
    }

    /// A place for `name` in the scratch folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// The certificate authority to trust.
    pub(crate) fn ca(&self) -> PathBuf {
        self.file("ca.pem")
    }
}

/// A port that is free now, and likely to be so in a moment.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn certify(folder: &Path) -> anyhow::Result<()> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.distinguished_name.push(DnType::CommonName, "sidebyside CA");
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate()?;
    fs::write(folder.join("ca.pem"), params.self_signed(&key)?.pem())?;
    let issuer = Issuer::new(params, key);
    let mut params = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    fs::write(folder.join("cert.pem"), params.signed_by(&key, &issuer)?.pem())?;
    fs::write(folder.join("key.pem"), key.serialize_pem())?;
    Ok(())
}

const TOKEN_LENGTH: usize = 512;
