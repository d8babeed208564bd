//! The directory: ours alone, and one process's alone.

use std::{os::unix::fs::chown, time::Duration};

use super::*;

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
    let Scratch { vault, directory, owner: _owner } = scratch;
    drop(vault);
    Vault::open(&directory).unwrap();
}

#[test]
fn what_belongs_to_another_user_is_refused_with_the_command_that_mends_it() {
    let owner = tempfile::tempdir().unwrap();
    let us = rustix::process::geteuid().as_raw();
    // Only root can give things away; everybody else finds some that are root's.
    let foreign = if us == 0 { owner.path().join("state") } else { PathBuf::from("/usr") };
    if us == 0 {
        fs::create_dir(&foreign).unwrap();
        chown(&foreign, Some(65534), None).unwrap();
    }
    let error = Vault::open(&foreign).unwrap_err();
    assert!(matches!(error, VaultError::Foreign { .. }), "{error}");
    let command = format!("run chown -R {us} {}", foreign.display());
    assert!(error.to_string().contains(&command), "{error}");
}

#[tokio::test]
async fn a_link_in_the_place_of_a_file_is_refused_with_the_command_that_mends_it() {
    for name in ["lock", "session.json"] {
        let owner = tempfile::tempdir().unwrap();
        fs::set_permissions(owner.path(), Permissions::from_mode(0o700)).unwrap();
        let path = owner.path().join(name);
        symlink(owner.path().join("elsewhere"), &path).unwrap();
        let error = Vault::open(owner.path()).and_then(|vault| vault.load("seat")).unwrap_err();
        assert!(matches!(error, VaultError::NotAFile { .. }), "{error}");
        assert!(error.to_string().contains(&format!("run mv {0} {0}.away", path.display())), "{error}");
    }
}

#[test]
fn what_a_crash_left_half_written_is_removed() {
    let owner = tempfile::tempdir().unwrap();
    let half = owner.path().join("session.json.new");
    fs::write(&half, "canary").unwrap();
    fs::set_permissions(owner.path(), Permissions::from_mode(0o700)).unwrap();
    drop(Vault::open(owner.path()).unwrap());
    assert!(!half.exists());
}

#[tokio::test]
async fn a_directory_that_was_replaced_is_not_written_to() {
    let Scratch { vault, directory, owner: _owner } = scratch();
    vault.save(&record()).await.unwrap();
    let away = directory.with_extension("away");
    fs::rename(&directory, &away).unwrap();
    let trouble = vault.save(&record()).await.unwrap_err();
    assert!(trouble.contains("No such file"), "{trouble}");

    let successor = Vault::open(&directory).unwrap();
    successor.save(&Record::new("the successor's")).await.unwrap();
    let trouble = vault.save(&record()).await.unwrap_err();
    assert!(trouble.contains("was replaced while it was in use; restart"), "{trouble}");
    assert_eq!(successor.load("the successor's").unwrap().seat, "the successor's");
    drop(successor);

    fs::remove_dir_all(&directory).unwrap();
    fs::rename(&away, &directory).unwrap();
    vault.save(&record()).await.unwrap();
}

#[tokio::test]
async fn the_directory_stays_locked_until_the_last_write_has_ended() {
    let Scratch { vault, directory, owner: _owner } = scratch();
    let Vault::File(FileVault { file, .. }) = vault else { unreachable!() };
    let under_way = file.writer();
    drop(file);
    assert!(matches!(Vault::open(&directory).unwrap_err(), VaultError::InUse { .. }));
    under_way.replace(b"the last words").unwrap();
    Vault::open(&directory).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_with_the_holder_or_with_patience() {
    let Scratch { vault, directory, owner: _owner } = scratch();
    let store = Store::File { key: None, lock_wait: Duration::from_secs(60) };
    let begun = Instant::now();
    let error = Vault::open_as(&store, &directory).await.unwrap_err();
    assert!(error.to_string().contains(&format!("in use by process {}", std::process::id())), "{error}");
    assert_eq!(begun.elapsed(), Duration::from_secs(60));

    let waiting = tokio::spawn({
        let (store, directory) = (store.clone(), directory.clone());
        async move { Vault::open_as(&store, &directory).await.map(|_| Instant::now()) }
    });
    sleep(Duration::from_secs(30)).await;
    assert!(!waiting.is_finished());
    drop(vault);
    let taken = waiting.await.unwrap().unwrap();
    assert!(taken.duration_since(begun) < Duration::from_secs(91));

    let impatient = Store::File { key: None, lock_wait: Duration::ZERO };
    let holder = Vault::open_as(&impatient, &directory).await.unwrap();
    let now = Instant::now();
    Vault::open_as(&impatient, &directory).await.unwrap_err();
    assert_eq!(now.elapsed(), Duration::ZERO);
    drop(holder);
}
