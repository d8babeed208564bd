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

struct Scratch {
    vault: Vault,
    directory: PathBuf,
    _owner: tempfile::TempDir,
}

fn scratch() -> Scratch {
    let owner = tempfile::tempdir().unwrap();
    let directory = owner.path().join("deeper/state");
    Scratch { vault: Vault::open(&directory).unwrap(), directory, _owner: owner }
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
    record
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
    let (before, after) = (saved.session.unwrap(), loaded.session.unwrap());
    assert_eq!(after.token.expose_secret(), "canary-token");
    assert_eq!(
        (after.expires_at, &after.origin, &after.user),
        (before.expires_at, &before.origin, &before.user)
    );
    assert_eq!(loaded.generation, Generation(7));
    assert_eq!(mode(&scratch.file()), 0o600);
    assert_eq!(mode(&scratch.directory), 0o700);
    assert!(!scratch.directory.join("session.json.new").exists());
    assert!(!format!("{:?}", record()).contains("canary"));
}

#[tokio::test]
async fn unusable_content_is_set_aside_and_costs_no_more_than_a_login() {
    let scratch = scratch();
    scratch.vault.save(&record()).await.unwrap();
    let good = fs::read(scratch.file()).unwrap();
    let later = String::from_utf8(good.clone()).unwrap().replacen("\"version\": 1", "\"version\": 2", 1);
    let bad_origin = String::from_utf8(good.clone()).unwrap().replace("https://demo", "http://demo");
    for content in [
        b"".to_vec(),
        b"not json".to_vec(),
        b"{}".to_vec(),
        b"[1,2]".to_vec(),
        good[..good.len() / 2].to_vec(),
        vec![b' '; 1024 * 1024],
        later.into_bytes(),
        bad_origin.into_bytes(),
    ] {
        fs::write(scratch.file(), &content).unwrap();
        let loaded = scratch.vault.load("seat").unwrap();
        assert!(loaded.session.is_none(), "{:?}", String::from_utf8_lossy(&content));
        assert!(!scratch.file().exists());
        assert_eq!(fs::read(scratch.directory.join("session.json.set-aside")).unwrap(), content);
    }
}

#[tokio::test]
async fn another_seats_session_is_not_used_but_what_was_tried_still_counts() {
    let scratch = scratch();
    scratch.vault.save(&record()).await.unwrap();
    let loaded = scratch.vault.load("another seat").unwrap();
    assert!(loaded.session.is_none());
    assert_eq!((loaded.seat.as_str(), loaded.generation), ("another seat", Generation(7)));
    let tried = serde_json::to_value(&loaded.ledger).unwrap();
    assert_eq!(tried, serde_json::to_value(record().ledger).unwrap());
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

#[test]
fn a_lax_directory_is_tightened_and_a_shared_one_refused() {
    let owner = tempfile::tempdir().unwrap();
    fs::set_permissions(owner.path(), Permissions::from_mode(0o755)).unwrap();
    drop(Vault::open(owner.path()).unwrap());
    assert_eq!(mode(owner.path()), 0o700);
    fs::set_permissions(owner.path(), Permissions::from_mode(0o1777)).unwrap();
    assert!(matches!(Vault::open(owner.path()).unwrap_err(), VaultError::Shared { .. }));
}

#[test]
fn a_directory_that_serves_others_is_not_closed_to_them() {
    let owner = tempfile::tempdir().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let open = |name: &str| {
        let directory = owner.path().join(name);
        fs::create_dir(&directory).unwrap();
        fs::set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
        directory
    };
    let (empty, home) = (open("empty"), open("home"));
    fs::write(home.join("somebody's"), "").unwrap();
    assert!(matches!(Vault::open(&home).unwrap_err(), VaultError::Lax { .. }));
    assert_eq!(mode(&home), 0o755);
    drop(Vault::open(&empty).unwrap());
    assert_eq!(mode(&empty), 0o700);
}

#[test]
fn a_second_owner_is_refused_with_the_first_ones_process_id() {
    let scratch = scratch();
    let error = Vault::open(&scratch.directory).unwrap_err();
    let VaultError::InUse { pid, .. } = &error else { panic!("{error}") };
    assert_eq!(*pid, std::process::id().to_string());
    assert!(error.to_string().contains(pid));
    let Scratch { vault, directory, _owner } = scratch;
    drop(vault);
    Vault::open(&directory).unwrap();
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
async fn an_overtaken_write_changes_nothing() {
    let scratch = scratch();
    let Vault::File(file) = &scratch.vault else { unreachable!() };
    let (older, newer) = (file.writer(), file.writer());
    newer.replace(b"newer").unwrap();
    older.replace(b"older").unwrap();
    assert_eq!(fs::read(scratch.file()).unwrap(), b"newer");
}

#[tokio::test]
async fn memory_keeps_nothing() {
    Vault::Memory.save(&record()).await.unwrap();
    assert!(Vault::Memory.load("seat").unwrap().session.is_none());
}
