//! The kill switch with everything around it: rules that change, the disk, and what is under way.

use std::{fs, path::Path, pin::pin};

use prometheus::Registry;
use tokio::task::yield_now;

use super::*;

struct Stage {
    dir: tempfile::TempDir,
    guards: Arc<Guards>,
    sweeps: Sweeps,
}

impl Stage {
    fn new(rules: impl FnOnce(&Path) -> Rules) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let rules = rules(dir.path());
        let (guards, sweeps) = started(dir.path(), rules);
        Self { dir, guards, sweeps }
    }

    fn passes(&self) -> bool {
        passes(&self.guards)
    }

    fn marker(&self) -> bool {
        self.dir.path().join("killed").exists()
    }
}

fn started(directory: &Path, rules: Rules) -> (Arc<Guards>, Sweeps) {
    let metrics = Metrics::register(&Registry::new()).unwrap();
    Guards::start("demo", rules, Marker::In(directory.to_owned()), metrics, Clock::system()).unwrap()
}

fn passes(guards: &Guards) -> bool {
    Asked::post("/order/placeorder", ORDER).with(false, |request| guards.judge(request).is_ok())
}

fn killed_by_file(path: &Path) -> Rules {
    Rules { kill_file: Some(path.join("kill")), ..Rules::default() }
}

#[tokio::test]
async fn it_is_on_the_disk_when_it_is_acknowledged_and_in_force_after_a_restart() {
    let stage = Stage::new(|_| Rules::default());
    assert!(stage.passes());
    let killed = stage.guards.kill(Cause::Operator, Cancels::AsSet).await;
    assert_eq!((killed.unkept, killed.swept), (None, None));
    assert!(!stage.passes() && stage.marker());
    let (next, _) = started(stage.dir.path(), Rules::default());
    assert!(!passes(&next));
    assert_eq!(next.kill_report().causes, [Cause::EarlierRun.to_string()]);

    next.release().await.unwrap();
    assert!(passes(&next) && !stage.marker());
    assert!(passes(&started(stage.dir.path(), Rules::default()).0));
    // To release what is not on is no mistake.
    next.release().await.unwrap();
}

#[tokio::test]
async fn a_marker_that_cannot_be_written_is_said_and_the_switch_is_on_all_the_same() {
    let stage = Stage::new(|_| Rules::default());
    let file = stage.dir.path().join("file");
    fs::write(&file, "").unwrap();
    let (guards, _) = started(&file, Rules::default());
    assert!(!passes(&guards), "what cannot be read is on");
    let killed = guards.kill(Cause::Signal, Cancels::AsSet).await;
    assert!(killed.unkept.unwrap().contains("killed"));
    assert!(matches!(guards.release().await, Err(NotReleased::Marker(_))));
    assert!(!passes(&guards));
}

#[tokio::test]
async fn a_file_holds_it_on_whatever_an_order_says() {
    let stage = Stage::new(killed_by_file);
    assert!(stage.passes());
    let kill = stage.dir.path().join("kill");
    fs::write(&kill, "").unwrap();
    // At a start it is looked for before anybody is served.
    let (guards, _) = started(stage.dir.path(), killed_by_file(stage.dir.path()));
    assert!(!passes(&guards));
    assert_eq!(guards.release().await, Err(NotReleased::File(Cause::File)));
    assert!(!passes(&guards));
    guards.look_at(&kill).await;
    assert!(!passes(&guards));
    fs::remove_file(&kill).unwrap();
    guards.look_at(&kill).await;
    assert!(passes(&guards));
    fs::write(&kill, "").unwrap();
    guards.look_at(&kill).await;
    assert!(!passes(&guards));
}

#[tokio::test]
async fn another_file_counts_as_there_until_it_has_been_looked_for() {
    let stage = Stage::new(|_| Rules::default());
    let path = stage.dir.path().join("kill");
    stage.guards.adopt(killed_by_file(stage.dir.path()));
    assert!(!stage.passes());
    // What was seen of another path says nothing.
    stage.guards.look_at(&stage.dir.path().join("other")).await;
    assert!(!stage.passes());
    stage.guards.look_at(&path).await;
    assert!(stage.passes());
    fs::write(&path, "").unwrap();
    stage.guards.look_at(&path).await;
    assert!(!stage.passes());
    stage.guards.adopt(Rules::default());
    assert!(stage.passes());
    // A directory that is not there tells nothing.
    let gone = Rules { kill_file: Some(stage.dir.path().join("gone/kill")), ..Rules::default() };
    stage.guards.adopt(gone);
    stage.guards.look_at(&stage.dir.path().join("gone/kill")).await;
    assert_eq!(stage.guards.kill_report().causes, [Cause::FileUnreadable.to_string()]);
}

#[tokio::test]
async fn what_had_passed_is_asked_again_and_waited_for() {
    let mut stage = Stage::new(|_| Rules::default());
    let guards = Arc::clone(&stage.guards);
    let asked = Asked::post("/order/placeorder", ORDER);
    let (killing, pass) = asked.with(false, |request| {
        let pass = guards.judge(request).unwrap();
        assert_eq!(guards.still_passes(request.endpoint), Ok(()));
        let killer = Arc::clone(&guards);
        let killing = tokio::spawn(async move { killer.kill(Cause::Operator, Cancels::Working).await });
        (killing, pass)
    });
    while guards.switch.cause() != Some(Cause::Operator) {
        yield_now().await;
    }
    asked.with(false, |request| {
        assert_eq!(guards.still_passes(request.endpoint), Err(Refusal::Killed(Cause::Operator)));
    });
    let cancel = Asked::post("/order/cancelorder", "{}");
    cancel.with(false, |request| assert_eq!(guards.still_passes(request.endpoint), Ok(())));
    let carry_out = |sweep: Sweep, order| {
        sweep.found([order]);
        sweep.take_next();
        sweep.became(Fate::Cancelled);
        sweep.left(Vec::new());
        sweep.done();
    };
    carry_out(stage.sweeps.recv().await.unwrap(), 7); // at once
    for _ in 0..100 {
        yield_now().await;
    }
    assert!(stage.sweeps.try_recv().is_err(), "an order is on its way");
    drop(pass);
    carry_out(stage.sweeps.recv().await.unwrap(), 8);
    assert_eq!(killing.await.unwrap().swept.unwrap().cancelled, [7, 8]);
}

#[tokio::test]
async fn a_setting_makes_every_kill_cancel() {
    let stage = Stage::new(|_| Rules { kill_cancels: true, ..Rules::default() });
    let Stage { guards, mut sweeps, dir: _dir } = stage;
    let killer = Arc::clone(&guards);
    let killing = tokio::spawn(async move { killer.kill(Cause::Signal, Cancels::AsSet).await });
    drop(sweeps.recv().await.unwrap());
    let swept = killing.await.unwrap().swept.unwrap();
    assert!(!swept.is_complete() && swept.trouble.is_some(), "{swept:?}");
}

#[tokio::test]
async fn each_order_to_kill_is_a_new_one() {
    let stage = Stage::new(|_| Rules { kill_cancels: true, ..Rules::default() });
    let Stage { guards, mut sweeps, dir: _dir } = stage;
    for cause in [Cause::Operator, Cause::Signal, Cause::Operator] {
        let (killed, ()) = tokio::join!(guards.kill(cause, Cancels::AsSet), async {
            let sweep = sweeps.recv().await.unwrap();
            sweep.left(Vec::new());
            sweep.done();
        });
        assert!(killed.swept.unwrap().is_complete(), "{cause}");
    }
}

#[tokio::test]
async fn the_file_kills_when_it_appears_whatever_the_switch_was_and_not_when_it_stays() {
    let rules = |dir: &Path, file: &str| Rules {
        kill_cancels: true,
        kill_file: Some(dir.join(file)),
        ..Rules::default()
    };
    let mut stage = Stage::new(|dir| rules(dir, "folder/kill"));
    let (folder, gone) = (stage.dir.path().join("folder"), stage.dir.path().join("gone"));
    let (file, other) = (folder.join("kill"), stage.dir.path().join("other"));
    let guards = Arc::clone(&stage.guards);
    let mut cancels = async |path: &Path| {
        guards.look_at(path).await;
        // What is to be cancelled is asked for by a task of its own, and by nothing that waits.
        for _ in 0..8 {
            yield_now().await;
        }
        stage.sweeps.try_recv().is_ok()
    };
    // The first look could see nothing, and what the next one sees is new.
    assert_eq!(guards.kill_report().causes, [Cause::FileUnreadable.to_string()]);
    fs::create_dir(&folder).unwrap();
    fs::write(&file, "").unwrap();
    assert!(cancels(&file).await, "first seen after a look that could see nothing");
    assert!(!cancels(&file).await, "it is there still");
    fs::rename(&folder, &gone).unwrap();
    assert!(!cancels(&file).await, "it cannot be seen");
    fs::rename(&gone, &folder).unwrap();
    assert!(!cancels(&file).await, "it is there as it was");
    fs::remove_file(&file).unwrap();
    assert!(!cancels(&file).await, "it is gone");
    guards.adopt(Rules { kill_cancels: false, ..rules(stage.dir.path(), "folder/kill") });
    guards.kill(Cause::Operator, Cancels::AsSet).await;
    guards.adopt(rules(stage.dir.path(), "folder/kill"));
    fs::write(&file, "").unwrap();
    assert!(cancels(&file).await, "while an order holds the switch on already");
    fs::write(&other, "").unwrap();
    guards.adopt(rules(stage.dir.path(), "other"));
    assert!(cancels(&other).await, "adopted by a reload");

    // A restart is no kill.
    let (next, mut sweeps) = started(stage.dir.path(), rules(stage.dir.path(), "other"));
    assert!(!passes(&next));
    next.look_at(&other).await;
    yield_now().await;
    assert!(sweeps.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_hangs_holds_up_neither_the_switch_nor_its_word_and_fails_closed() {
    let stage = Stage::new(|_| Rules::default());
    let disk = stage.guards.keeper.hang();
    let mut killing = pin!(stage.guards.kill(Cause::Signal, Cancels::AsSet));
    tokio::select! {
        biased;
        killed = &mut killing => panic!("{killed:?}"),
        () = std::future::ready(()) => {}
    }
    assert!(!stage.passes(), "the disk has not been waited for");
    let killed = killing.await;
    let unkept = killed.unkept.unwrap();
    assert!(unkept.contains("did not answer within 5 s"), "{unkept}");
    assert_eq!(stage.guards.kill_report().unkept, Some(unkept));
    assert!(matches!(stage.guards.release().await, Err(NotReleased::Marker(_))));
    assert!(!stage.passes(), "a release that is not on the disk is none");
    drop(disk);
    stage.guards.keeper.catch_up();
    // The kill is on the disk at last, and the release, of which it was said that it failed, has not undone it.
    assert!(stage.marker() && !stage.passes());
    assert_eq!(stage.guards.kill_report().unkept, None);
    // From here on the disk answers, which a clock that stands would take for one that never does.
    tokio::time::resume();
    stage.guards.release().await.unwrap();
    assert!(stage.passes() && !stage.marker());
}

#[tokio::test]
async fn a_disk_that_hangs_does_not_hold_up_what_is_to_be_cancelled() {
    let Stage { guards, mut sweeps, dir: _dir } = Stage::new(|_| Rules::default());
    let disk = guards.keeper.hang();
    let (killed, ()) = tokio::join!(guards.kill(Cause::Operator, Cancels::Working), async {
        let sweep = sweeps.recv().await.unwrap();
        sweep.left(Vec::new());
        sweep.done();
        // It recovers after the sweep, and has not been given up.
        drop(disk);
    });
    assert_eq!(killed.unkept, None);
    assert!(killed.swept.unwrap().is_complete());
}

#[tokio::test]
async fn a_kill_by_file_is_under_way_from_when_the_file_is_seen() {
    let stage = Stage::new(|dir| Rules { kill_cancels: true, ..killed_by_file(dir) });
    let Stage { guards, mut sweeps, dir } = stage;
    let file = dir.path().join("kill");
    fs::write(&file, "").unwrap();
    guards.look_at(&file).await;
    // Its task has not been run yet.
    assert!(guards.has_kills_under_way());
    drop(sweeps.recv().await.unwrap());
    guards.settled().await;
}

#[tokio::test]
async fn what_is_advised_about_a_kill_file_that_cannot_be_looked_for_helps() {
    let stage = Stage::new(killed_by_file);
    let advice = Cause::FileUnreadable.help();
    let (hang, recovery) = std::sync::mpsc::channel::<()>();
    stage.guards.looker.hand(move || recovery.recv().unwrap_or_default()).unwrap();
    let other = stage.dir.path().join("other");
    // Nobody can look there before the disk answers, and what is not known is there.
    stage.guards.adopt(Rules { kill_file: Some(other.clone()), ..Rules::default() });
    let looking = stage.guards.look_at(&other);
    tokio::select! {
        biased;
        () = looking => panic!("the disk hangs"),
        () = yield_now() => {}
    }
    assert!(!stage.passes() && !advice.contains("change that setting"), "{advice}");
    stage.guards.adopt(Rules::default());
    assert!(stage.passes() && advice.contains("remove that setting"), "{advice}");
    // So does a restart: its looks are its own.
    let rules = Rules { kill_file: Some(other), ..Rules::default() };
    assert!(passes(&started(stage.dir.path(), rules).0) && advice.contains("restart with another path"));
    drop(hang);
}

#[tokio::test]
async fn a_kill_that_comes_while_a_release_is_at_the_disk_stands() {
    let stage = Stage::new(|_| Rules::default());
    stage.guards.kill(Cause::Operator, Cancels::AsSet).await;
    let disk = stage.guards.keeper.hang();
    let (released, killed) = tokio::join!(stage.guards.release(), async {
        let (killed, ()) =
            tokio::join!(stage.guards.kill(Cause::Signal, Cancels::AsSet), async { drop(disk) });
        killed
    });
    assert_eq!((released, killed.unkept), (Err(NotReleased::Again), None));
    assert!(!stage.passes() && stage.marker());
}

#[tokio::test]
async fn a_release_waits_for_no_sweep_and_lets_none_reach_what_comes_after() {
    let mut stage = Stage::new(|_| Rules::default());
    let Stage { guards, sweeps, .. } = &mut stage;
    let second = async {
        // Two kills, one behind the other; between them somebody wants to go on.
        let first = sweeps.recv().await.unwrap();
        assert_eq!(guards.release().await, Err(NotReleased::Sweeping));
        first.done();
        drop(first);
        let second = sweeps.recv().await.unwrap();
        assert_eq!(guards.release().await, Err(NotReleased::Sweeping));
        second.done();
    };
    let kill = || guards.kill(Cause::Operator, Cancels::Working);
    tokio::join!(kill(), kill(), second);
    assert_eq!(guards.release().await, Ok(()));
    assert!(stage.passes());
}

#[test]
fn the_switch_needs_no_thread_that_is_made_when_it_is_turned() {
    // One thread for whatever waits for a disk, and it is taken.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build();
    let runtime = runtime.unwrap();
    let (busy, free) = std::sync::mpsc::channel::<()>();
    runtime.spawn_blocking(move || free.recv().unwrap_or_default());
    let stage = Stage::new(killed_by_file);
    let file = stage.dir.path().join("kill");
    runtime.block_on(async {
        let killed = stage.guards.kill(Cause::Signal, Cancels::AsSet).await;
        assert_eq!(killed.unkept, None);
        assert!(stage.marker());
        stage.guards.release().await.unwrap();
        fs::write(&file, "").unwrap();
        stage.guards.look_at(&file).await;
        assert_eq!(stage.guards.kill_report().causes, [Cause::File.to_string()]);
    });
    drop(busy);
}

#[tokio::test(start_paused = true)]
async fn orders_that_take_no_end_are_not_waited_for_without_end() {
    let stage = Stage::new(|_| Rules::default());
    let order = Asked::post("/order/placeorder", ORDER);
    let endpoints = Endpoints::new();
    let pass = order.with(false, |request| Pass::of(&stage.guards, endpoints.find(&request.target[3..])));
    assert!(!stage.guards.rests().await);
    drop(pass);
    assert!(stage.guards.rests().await);
}

#[tokio::test(start_paused = true)]
async fn orders_share_their_minute_and_brakes_and_refusals_take_none_of_it() {
    let stage = Stage::new(|_| Rules {
        orders_per_minute: 2.try_into().ok(),
        max_quantity: 2.try_into().ok(),
        ..Rules::default()
    });
    let judged = |path: &str, body: &str| {
        Asked::post(path, body)
            .with(false, |request| stage.guards.judge(request).map(drop).map_err(|refusal| refusal.rule()))
    };
    let too_large = ORDER.replace("\"orderQty\":1", "\"orderQty\":3");
    for _ in 0..5 {
        assert_eq!(judged("/account/list", ""), Ok(()));
        assert_eq!(judged("/order/cancelorder", "{}"), Ok(()));
        assert_eq!(judged("/order/placeorder", &too_large), Err(Rule::MaxQuantity));
    }
    assert_eq!(judged("/order/placeorder", ORDER), Ok(()));
    assert_eq!(judged("/order/modifyorder", r#"{"orderId":1,"orderQty":1}"#), Ok(()));
    assert_eq!(judged("/order/placeorder", ORDER), Err(Rule::OrdersPerMinute));
    assert_eq!(judged("/order/cancelorder", "{}"), Ok(()));
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(judged("/order/placeorder", ORDER), Ok(()));
}
