//! A directory of its own for each test, and what its neighbours share: [`damage`] has content that went wrong,
//! [`locked`] the directory and its lock, [`sealed`] encryption.

mod damage;
mod locked;
mod sealed;

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, symlink},
    path::PathBuf,
};

use jiff::Timestamp;
use secrecy::ExposeSecret;

use super::*;
use crate::auth::{
    ledger::Errand,
    token::{Generation, User},
};
use crate::clock::Stamp;

struct Scratch {
    vault: Vault,
    directory: PathBuf,
    owner: tempfile::TempDir,
}

fn scratch() -> Scratch {
    let owner = tempfile::tempdir().unwrap();
    let directory = owner.path().join("deeper/state");
    Scratch { vault: Vault::open(&directory).unwrap(), directory, owner }
}

impl Scratch {
    fn file(&self) -> PathBuf {
        self.directory.join("session.json")
    }
}

fn record() -> Record {
    let mut record = Record::new("seat");
    record.generation = Generation(7);
    record.ledger.begin(Errand::Acquire, Timestamp::UNIX_EPOCH);
    record.session = Some(StoredSession {
        token: "canary-token".into(),
        issued_at: Timestamp::UNIX_EPOCH,
        expires_at: Timestamp::from_second(4800).unwrap(),
        origin: "https://demo-eval-7.tradovateapi.com".parse().unwrap(),
        user: User { id: Some(15460), name: Some("sim".into()), ..User::default() },
    });
    record.refresh = Some(StoredRefresh {
        token: "canary-refresh".into(),
        seed: record.key.fingerprint(&[b"the configured one"]),
    });
    record.pause = Some(Pause { until: Some(Timestamp::from_second(9000).unwrap()) });
    record.stamp =
        Some(Stamp { at: Timestamp::from_second(70).unwrap(), boot: "a boot".into(), uptime_ms: 1234 });
    record
}

/// All that a record says, tokens included.
fn meaning(record: &Record) -> serde_json::Value {
    serde_json::from_slice(&record.to_bytes().unwrap()).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn what_is_saved_is_loaded_and_nobody_else_can_read_it() {
    let scratch = scratch();
    let saved = record();
    scratch.vault.save(&saved).await.unwrap();
    scratch.vault.save(&saved).await.unwrap();
    let loaded = scratch.vault.load("seat").unwrap();
    assert_eq!(meaning(&loaded), meaning(&saved));
    let (session, refresh) = (loaded.session.unwrap(), loaded.refresh.unwrap());
    assert_eq!(session.token.expose_secret(), "canary-token");
    assert_eq!(session.expires_at, Timestamp::from_second(4800).unwrap());
    assert_eq!(refresh.token.expose_secret(), "canary-refresh");
    assert_eq!(refresh.seed, saved.key.fingerprint(&[b"the configured one"]));
    assert_eq!((loaded.pause, loaded.stamp), (saved.pause, saved.stamp));
    assert_eq!(loaded.generation, Generation(7));
    assert_eq!(mode(&scratch.file()), 0o600);
    assert_eq!(mode(&scratch.directory), 0o700);
    assert!(!scratch.directory.join("session.json.new").exists());
    assert!(!format!("{:?}", record()).contains("canary"));
}

#[tokio::test]
async fn a_record_from_before_a_field_was_thought_of_is_still_read() {
    let scratch = scratch();
    let mut fields = meaning(&record());
    for later in ["refresh", "pause", "stamp"] {
        fields.as_object_mut().unwrap().remove(later).unwrap();
    }
    fs::write(scratch.file(), fields.to_string()).unwrap();
    let loaded = scratch.vault.load("seat").unwrap();
    assert_eq!(loaded.session.unwrap().token.expose_secret(), "canary-token");
    assert!(loaded.refresh.is_none() && loaded.pause.is_none() && loaded.stamp.is_none());
}

#[tokio::test]
async fn lax_permissions_are_tightened_and_links_refused() {
    let scratch = scratch();
    scratch.vault.save(&record()).await.unwrap();
    fs::set_permissions(scratch.file(), Permissions::from_mode(0o644)).unwrap();
    assert!(scratch.vault.load("seat").unwrap().session.is_some());
    assert_eq!(mode(&scratch.file()), 0o600);

    let elsewhere = scratch.directory.join("elsewhere");
    fs::rename(scratch.file(), &elsewhere).unwrap();
    symlink(&elsewhere, scratch.file()).unwrap();
    assert!(matches!(scratch.vault.load("seat").unwrap_err(), VaultError::NotAFile { .. }));
}

#[tokio::test]
async fn a_failed_write_is_told_and_leaves_the_old_file() {
    let scratch = scratch();
    scratch.vault.save(&record()).await.unwrap();
    // A directory in the way of the new file: fails for every user, root included.
    fs::create_dir_all(scratch.directory.join("session.json.new/x")).unwrap();
    let trouble = scratch.vault.save(&Record::new("seat")).await.unwrap_err();
    assert!(trouble.contains("session.json"), "{trouble}");
    assert!(scratch.vault.load("seat").unwrap().session.is_some());
}

#[tokio::test]
async fn memory_keeps_nothing() {
    Vault::Memory.save(&record()).await.unwrap();
    assert!(Vault::Memory.load("seat").unwrap().session.is_none());
}

#[tokio::test]
async fn an_overtaken_write_changes_nothing() {
    let scratch = scratch();
    let Vault::File(FileVault { file, .. }) = &scratch.vault else { unreachable!() };
    let (older, newer) = (file.writer(), file.writer());
    newer.replace(b"newer").unwrap();
    older.replace(b"older").unwrap();
    assert_eq!(fs::read(scratch.file()).unwrap(), b"newer");
}
