//! Crashes, and disks that fail.

use std::os::unix::fs::PermissionsExt as _;

use super::{line::Event, *};

#[tokio::test]
async fn the_next_start_names_what_had_no_end() {
    let stage = Stage::new();
    let log = stage.open();
    let mut lost = stage.entry(&log, "{}");
    lost.begin().await.unwrap();
    let id = lost.id().to_string();
    drop(lost);
    close(log).await;
    stage.filled(1).await;
    let started = stage.kind("started");
    assert_eq!((started.len(), &started[1]["unfinished"][0]["id"]), (2, &Value::from(id.as_str())));
    stage.filled(1).await;
    assert!(stage.kind("started")[2].get("unfinished").is_none(), "it is named once");
    let verdict = stage.is_intact();
    assert_eq!((verdict.unknown.len(), verdict.unknown[0].id.as_str(), verdict.open.len()), (1, &*id, 0));
    assert_eq!(files(stage.directory.path()).len(), 1, "a restart begins no file");
}

#[tokio::test]
async fn what_ended_without_anybody_knowing_how_is_named_too() {
    let stage = Stage::with(|options| options.rotate_bytes = 2048);
    let log = stage.open();
    let mut lost = stage.entry(&log, "{}");
    lost.begin().await.unwrap();
    let id = lost.id().to_string();
    // Its beginning is in another file than its end.
    for _ in 0..12 {
        stage.order(&log, "{}", "{}").await;
    }
    lost.end(&End { outcome: Outcome::Unknown, how: "unknown-broken", status: None, ..answered() });
    close(log).await;
    let verdict = stage.is_intact();
    let [doubtful] = &verdict.doubtful[..] else { panic!("{:?}", verdict.doubtful) };
    assert_eq!((&*doubtful.id, doubtful.operation.as_deref()), (&*id, Some("place-order")));
    assert_eq!((&*doubtful.how, verdict.unknown.len(), verdict.open.len()), ("unknown-broken", 0, 0));
}

#[tokio::test]
async fn a_request_begun_in_one_file_is_known_in_the_next() {
    let stage = Stage::with(|options| options.rotate_bytes = 2048);
    let log = stage.open();
    let mut lost = stage.entry(&log, "{}");
    lost.begin().await.unwrap();
    let id = lost.id().to_string();
    drop(lost);
    for _ in 0..12 {
        stage.order(&log, "{}", "{}").await;
    }
    close(log).await;
    assert!(files(stage.directory.path()).len() > 2);
    stage.filled(0).await;
    assert_eq!(stage.is_intact().unknown[0].id, id);
}

#[tokio::test]
async fn a_log_that_is_removed_lets_nothing_go_until_a_new_one_is_begun() {
    let stage = Stage::new();
    let log = stage.open();
    let mut gone = stage.entry(&log, "{}");
    gone.begin().await.unwrap();
    drop(gone);
    fs::remove_dir_all(stage.directory.path()).unwrap();
    let refused = stage.entry(&log, "{}").begin().await.unwrap_err();
    assert!(refused.to_string().contains("removed"), "{refused}");

    // By itself, with the writer's next look at the disk.
    while stage.entry(&log, "{}").begin().await.is_err() {
        tokio::task::yield_now().await;
    }
    stage.order(&log, "{}", "{}").await;
    close(log).await;
    stage.is_intact();
    assert_eq!(stage.kind("gap").len(), 1, "that something is missing is told");
}

#[tokio::test]
async fn half_a_line_is_left_as_it_is_and_recorded() {
    let stage = Stage::new();
    stage.filled(2).await;
    let [file] = &files(stage.directory.path())[..] else { panic!() };
    let mut torn = fs::read(file).unwrap();
    torn.extend_from_slice(b"{\"seq\":99,\"pre");
    fs::write(file, &torn).unwrap();
    let found = stage.verify().findings;
    assert!(found.iter().any(|finding| finding.what.contains("no start has recorded")), "{found:?}");

    stage.filled(1).await;
    assert_eq!(fs::read(file).unwrap(), torn, "it is not mended");
    let verdict = stage.is_intact();
    assert!(verdict.notes.iter().any(|note| note.contains("half a line")), "{:?}", verdict.notes);
    // And cannot be changed any more.
    fs::write(file, &torn[..torn.len() - 1]).unwrap();
    assert!(!stage.verify().findings.is_empty());
}

#[tokio::test]
async fn a_file_whose_first_line_was_never_written_is_passed_over_and_recorded() {
    for rest in ["", "{\"seq\":"] {
        let stage = Stage::new();
        stage.filled(2).await;
        fs::write(directory::path(stage.directory.path(), 2), rest).unwrap();
        stage.filled(1).await;
        assert_eq!(files(stage.directory.path()).len(), 3);
        stage.is_intact();
    }
}

#[tokio::test]
async fn a_tail_that_was_cut_off_is_missed_before_and_after_the_next_start() {
    for bytes in [1, 40, 700] {
        let stage = Stage::new();
        stage.filled(3).await;
        let [file] = &files(stage.directory.path())[..] else { panic!() };
        let whole = fs::read(file).unwrap();
        fs::write(file, &whole[..whole.len() - bytes]).unwrap();
        assert!(!stage.verify().findings.is_empty(), "{bytes}");
        stage.filled(1).await;
        let found = stage.verify().findings;
        assert!(found.iter().any(|finding| finding.what.contains("shortened")), "{bytes}: {found:?}");
    }
}

#[tokio::test]
async fn a_log_that_is_gone_or_changed_is_said_by_the_next_one() {
    let stage = Stage::new();
    stage.filled(2).await;
    fs::remove_file(&files(stage.directory.path())[0]).unwrap();
    stage.filled(1).await;
    let opened = &stage.kind("opened")[0];
    assert_eq!((&opened["after"]["ended"], opened["seq"].as_u64() > Some(1)), (&"missing".into(), true));
    assert!(!stage.verify().findings.is_empty());

    for lost_head in [false, true] {
        let stage = Stage::new();
        stage.filled(2).await;
        if lost_head {
            fs::remove_file(stage.directory.path().join("head.json")).unwrap();
        } else {
            let file = &files(stage.directory.path())[0];
            let text = fs::read_to_string(file).unwrap();
            fs::write(file, text.replacen("\"orderQty\":1", "\"orderQty\":2", 1)).unwrap();
        }
        stage.filled(1).await;
        assert_eq!(stage.kind("opened")[1]["after"]["ended"], "changed");
        assert!(!stage.verify().findings.is_empty());
    }
}

#[tokio::test]
async fn one_process_has_the_log() {
    let stage = Stage::new();
    let log = stage.open();
    let metrics = Metrics::register(&Registry::new()).unwrap();
    let second = AuditLog::open(stage.options.clone(), "demo", Clock::system(), metrics);
    assert!(second.unwrap_err().to_string().contains("in use by another process: stop that one"));
    close(log).await;
    close(stage.open()).await;
}

#[tokio::test]
async fn a_log_that_cannot_be_written_refuses_orders_passes_cancels_and_remembers_both() {
    let stage = Stage::with(|options| options.directory = options.directory.join("below"));
    // A file where the directory should be is a disk that fails, for root too.
    fs::write(&stage.options.directory, "").unwrap();
    let log = stage.open();
    let mut order = stage.entry(&log, "{}");
    let refused = order.begin().await.unwrap_err();
    assert!(
        refused.to_string().contains("cannot be written down first, as audit.on-failure wants it"),
        "{refused}"
    );
    order.end(&End { outcome: Outcome::NotSent, how: "not-recorded", status: None, took: Duration::ZERO });
    let mut cancel = stage.entry_to(&log, "/order/cancelorder", r#"{"orderId":3}"#);
    cancel.begin().await.unwrap();
    cancel.end(&answered());
    let report = log.report().unwrap();
    assert!(report.trouble.is_some() && report.since.is_some() && report.refuses);

    fs::remove_file(&stage.options.directory).unwrap();
    // The next line that is handed in, or the next second, finds the disk well.
    stage.entry(&log, "{}").end(&End {
        outcome: Outcome::NotSent,
        how: "no-token",
        status: None,
        took: Duration::ZERO,
    });
    close(log).await;
    let written = lines(&stage.options.directory);
    let kinds: Vec<_> = written.iter().map(|line| line["kind"].as_str().unwrap()).collect();
    let gap = written.iter().find(|line| line["kind"] == "gap").unwrap();
    assert_eq!(gap["lost"], 0);
    assert!(kinds.contains(&"begun") && kinds.contains(&"ended") && kinds.contains(&"refused"), "{kinds:?}");
    let verdict = verify(&stage.options.directory, None).unwrap();
    assert!(
        verdict.findings.is_empty() && verdict.notes[0].contains("nothing could be written"),
        "{verdict:?}"
    );
    let mode = fs::metadata(&stage.options.directory).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[tokio::test]
async fn if_told_to_go_on_it_does() {
    let stage = Stage::with(|options| {
        options.directory = options.directory.join("below");
        options.on_failure = OnFailure::GoOn;
    });
    fs::write(&stage.options.directory, "").unwrap();
    let log = stage.open();
    for _ in 0..3 {
        let mut order = stage.entry(&log, "{}");
        order.begin().await.unwrap();
        order.end(&answered());
    }
    assert!(!log.report().unwrap().refuses);
    close(log).await;
    assert!(fs::read(&stage.options.directory).unwrap().is_empty());
}

#[tokio::test]
async fn an_order_that_there_is_no_room_to_write_down_is_told_so() {
    let stage = Stage::new();
    let metrics = Metrics::register(&Registry::new()).unwrap();
    // A writer that is at the disk, and takes nothing.
    let (desk, outbox) = desk::desk(OnFailure::Refuse, Clock::system(), metrics);
    while desk.write(Event::Stopped, None).is_ok() {}
    let log = AuditLog { desk: Some(desk), clock: Clock::system() };
    let refused = stage.entry(&log, "{}").begin().await.unwrap_err();
    assert!(refused.why.contains("no room"), "{refused}");
    // And one that has ended.
    drop(outbox);
    let refused = stage.entry(&log, "{}").begin().await.unwrap_err();
    assert!(refused.why.contains("its writer has ended"), "{refused}");
}

#[tokio::test]
async fn the_end_is_said_once_and_last() {
    let stage = Stage::new();
    let log = stage.open();
    stage.order(&log, "{}", "{}").await;
    log.finish().await;
    log.finish().await;
    close(log).await;
    let kinds: Vec<_> = stage.lines().iter().map(|line| line["kind"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds, ["opened", "started", "begun", "ended", "stopped"]);

    // What comes behind it all the same is not left to be the last.
    let log = stage.open();
    log.finish().await;
    stage.order(&log, "{}", "{}").await;
    close(log).await;
    let kinds: Vec<_> = stage.lines().iter().map(|line| line["kind"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds[5..], ["started", "stopped", "begun", "ended", "stopped"]);
}

#[test]
fn who_looks_where_there_is_none_is_told_so() {
    let empty = tempfile::tempdir().unwrap();
    for directory in [empty.path().to_owned(), empty.path().join("nowhere")] {
        let error = verify(&directory, None).unwrap_err().to_string();
        assert!(error.contains("there is no audit log in") && error.contains("--dir"), "{error}");
        assert!(show::show(&directory, |_| {}).is_err());
    }
}
