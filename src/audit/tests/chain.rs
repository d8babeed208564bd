//! That nothing can be changed, removed, added or moved unnoticed.

use proptest::{prelude::any, prop_assert, proptest, test_runner::Config};

use super::*;

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn key() -> AuditKey {
    AuditKey::parse(&"5a".repeat(32)).unwrap()
}

/// Some files of some lines, with a key or without.
fn filled(keyed: bool) -> Stage {
    let stage = Stage::with(|options| {
        options.rotate_bytes = 2048;
        options.key = keyed.then(key);
    });
    run(stage.filled(12));
    assert!(files(stage.directory.path()).len() > 3);
    stage.is_intact();
    stage
}

/// One way to spoil a file of lines.
fn spoil(bytes: &mut Vec<u8>, how: u8, at: usize) {
    let lines: Vec<Vec<u8>> = bytes.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
    let (line, other) = (at % lines.len(), (at / lines.len()) % lines.len());
    let mut changed = lines.clone();
    match how {
        0 => {
            let at = at % bytes.len();
            bytes[at] ^= 1 << (at % 8);
            return;
        }
        1 => drop(changed.remove(line)),
        2 => changed.insert(other, lines[line].clone()),
        3 => changed.swap(line, other),
        4 => {
            bytes.truncate(at % bytes.len());
            return;
        }
        _ => changed.insert(line, b"{}\n".to_vec()),
    }
    *bytes = changed.concat();
}

proptest! {
    #![proptest_config(Config { cases: 8, ..Config::default() })]

    #[test]
    fn whatever_is_done_to_a_line_is_found(keyed in any::<bool>(), seeds in proptest::collection::vec(any::<(u8, usize, usize)>(), 60)) {
        let stage = filled(keyed);
        let files = files(stage.directory.path());
        for (how, which, at) in seeds {
            let file = &files[which % files.len()];
            let whole = fs::read(file).unwrap();
            let mut bytes = whole.clone();
            spoil(&mut bytes, how % 6, at);
            if bytes != whole {
                fs::write(file, &bytes).unwrap();
                let verdict = stage.verify();
                prop_assert!(!verdict.findings.is_empty(), "{how} {at} in {}", file.display());
                fs::write(file, &whole).unwrap();
            }
        }
        prop_assert!(stage.verify().findings.is_empty());
    }
}

#[test]
fn what_is_numbered_zero_is_no_file_of_the_log() {
    let stage = filled(false);
    let directory = stage.directory.path();
    fs::copy(directory::path(directory, 1), directory::path(directory, 0)).unwrap();
    stage.is_intact();
}

#[test]
fn whole_files_and_the_head_are_missed() {
    let stage = filled(false);
    let files = files(stage.directory.path());
    let head = stage.directory.path().join("head.json");
    for path in files.iter().chain([&head]) {
        let whole = fs::read(path).unwrap();
        fs::remove_file(path).unwrap();
        assert!(!stage.verify().findings.is_empty(), "{}", path.display());
        for rest in [&b""[..], b"{\n", b"\0\0"] {
            fs::write(path, rest).unwrap();
            assert!(!stage.verify().findings.is_empty(), "{} {rest:?}", path.display());
        }
        fs::write(path, whole).unwrap();
    }
    let digits: Vec<_> = fs::read(&head).unwrap();
    let at = digits.windows(6).position(|window| window == b"hash\":").unwrap() + 8;
    let mut other = digits.clone();
    other[at] = if digits[at] == b'0' { b'1' } else { b'0' };
    fs::write(&head, other).unwrap();
    assert!(stage.verify().findings.iter().any(|finding| finding.what.contains("head.json names")));
}

#[test]
fn a_forged_chain_passes_without_a_key_and_fails_with_one() {
    // What the documents say of the chain without a key: an attacker who can write the files writes them anew.
    let (forged, real) = (filled(false), filled(true));
    for path in files(forged.directory.path()).into_iter().chain([forged.directory.path().join("head.json")])
    {
        fs::copy(&path, real.directory.path().join(path.file_name().unwrap())).unwrap();
    }
    forged.is_intact();
    assert!(real.verify().findings.iter().any(|finding| finding.what.contains("not linked with the key")));
    // Nor does the reader pass what it cannot check.
    let unkeyed = verify(filled(true).directory.path(), None).unwrap();
    assert!(
        unkeyed.findings.iter().any(|finding| finding.what.contains("takes the key")),
        "{:?}",
        unkeyed.findings
    );
    assert!(!format!("{:?}", key()).contains("5a5a"));
}

#[tokio::test]
async fn a_key_that_comes_later_covers_what_was_before() {
    let mut stage = Stage::new();
    stage.filled(2).await;
    stage.options.key = Some(key());
    stage.filled(2).await;
    let [first, second] = &files(stage.directory.path())[..] else { panic!() };
    stage.is_intact();
    let text = fs::read_to_string(first).unwrap();
    fs::write(first, text.replacen("\"orderQty\":1", "\"orderQty\":9", 1)).unwrap();
    assert!(!stage.verify().findings.is_empty());
    fs::write(first, text).unwrap();
    assert!(fs::read_to_string(second).unwrap().contains("rekeyed"));
}

#[tokio::test]
async fn old_files_go_with_a_word_and_are_missed_without() {
    let stage = Stage::with(|options| (options.rotate_bytes, options.keep) = (2048, 3));
    stage.filled(30).await;
    let files = files(stage.directory.path());
    assert!((3..=4).contains(&files.len()), "{files:?}");
    let verdict = stage.is_intact();
    assert!(verdict.notes.iter().any(|note| note.contains("was removed")), "{:?}", verdict.notes);
    let seqs: Vec<_> = stage.lines().iter().map(|line| line["seq"].as_u64().unwrap()).collect();
    assert!(seqs[0] > 1 && seqs.windows(2).all(|pair| pair[1] == pair[0] + 1), "{seqs:?}");
    fs::remove_file(&files[0]).unwrap();
    assert!(stage.verify().findings.iter().any(|finding| finding.what.contains("no line says")));
}

#[tokio::test]
async fn it_can_be_verified_while_it_is_written() {
    let stage = Stage::with(|options| (options.rotate_bytes, options.keep) = (4096, 3));
    let log = stage.open();
    let (directory, done) =
        (stage.directory.path().to_owned(), Arc::new(std::sync::atomic::AtomicBool::new(false)));
    let reader = thread::spawn({
        let done = Arc::clone(&done);
        move || {
            let mut verified = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                if let Ok(verdict) = verify(&directory, None) {
                    assert!(verdict.findings.is_empty(), "{:?}", verdict.findings);
                    verified += 1;
                }
            }
            verified
        }
    });
    for order in 0..200 {
        stage.order(&log, &format!("{{\"orderQty\":{order}}}"), "{}").await;
    }
    close(log).await;
    done.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(reader.join().unwrap() > 0);
    stage.is_intact();
}
