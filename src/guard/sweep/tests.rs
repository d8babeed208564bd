//! What is told of a sweep, however it ends.

use super::*;

fn uncancelled(orders: &[i64], why: &str) -> Vec<Uncancelled> {
    orders.iter().map(|&order| Uncancelled { order, why: why.to_owned() }).collect()
}

#[tokio::test]
async fn one_that_is_broken_off_says_how_far_it_came_and_what_to_do() {
    for taken_up in [true, false] {
        let (sweeper, mut sweeps) = Sweeper::channel();
        let working = async {
            let sweep = sweeps.recv().await.unwrap();
            if taken_up {
                sweep.begins();
                sweep.found([1, 2, 3, 4]);
                assert_eq!(sweep.take_next(), Some(1));
                sweep.became(Fate::Cancelled);
                // Under way when it ends.
                assert_eq!(sweep.take_next(), Some(2));
            }
            sweeper.break_off();
            sweep.is_broken_off().await;
        };
        let (swept, ()) = tokio::join!(sweeper.ask(), working);
        let trouble = swept.trouble.clone().unwrap();
        assert!(trouble.contains("kill --cancel-working") && !swept.is_complete(), "{trouble}");
        assert_eq!(trouble.contains("nothing was cancelled"), !taken_up, "{trouble}");
        if taken_up {
            assert_eq!((swept.cancelled, swept.unknown), (vec![1], vec![2]));
            assert_eq!(swept.not_sent, uncancelled(&[3, 4], "the proxy ended"));
        }
    }
}

#[tokio::test]
async fn a_defect_of_whoever_works_at_it_is_told_too() {
    let (sweeper, mut sweeps) = Sweeper::channel();
    let working = async {
        let sweep = sweeps.recv().await.unwrap();
        sweep.begins();
        sweep.found([1]);
    };
    let (swept, ()) = tokio::join!(sweeper.ask(), working);
    assert!(swept.trouble.unwrap().contains("ended early"));
    assert_eq!(swept.not_sent.len(), 1);
}

#[tokio::test]
async fn what_was_done_is_told_as_it_was_done() {
    let (sweeper, mut sweeps) = Sweeper::channel();
    let working = async {
        let sweep = sweeps.recv().await.unwrap();
        sweep.begins();
        sweep.found([1, 2, 3, 4, 5]);
        for fate in
            [Fate::Cancelled, Fate::Refused("a".to_owned()), Fate::Unknown, Fate::NotSent("b".to_owned())]
        {
            sweep.take_next();
            sweep.became(fate);
        }
        sweep.leaves_the_rest("c");
        sweep.is_troubled("d");
        sweep.is_troubled("e");
        sweep.left(vec![2]);
        sweep.done();
    };
    let (swept, ()) = tokio::join!(sweeper.ask(), working);
    let expected = Swept {
        cancelled: vec![1],
        refused: uncancelled(&[2], "a"),
        unknown: vec![3],
        not_sent: [uncancelled(&[4], "b"), uncancelled(&[5], "c")].concat(),
        still_working: Some(vec![2]),
        trouble: Some("d; e".to_owned()),
    };
    assert_eq!(swept, expected);
}

#[test]
fn a_later_look_has_the_last_word_on_an_order() {
    let uncancelled = |order| Uncancelled { order, why: "busy".to_owned() };
    let first = Swept {
        cancelled: vec![1, 2],
        refused: vec![uncancelled(3), uncancelled(4)],
        unknown: vec![5],
        not_sent: vec![uncancelled(6)],
        still_working: Some(vec![2, 3, 4, 6]),
        trouble: None,
    };
    let later = Swept {
        cancelled: vec![2, 3],
        unknown: vec![6, 7],
        refused: vec![uncancelled(4)],
        still_working: Some(vec![4]),
        ..Swept::default()
    };
    let both = Swept {
        cancelled: vec![1, 2, 3],
        refused: vec![uncancelled(4)],
        unknown: vec![5, 6, 7],
        still_working: Some(vec![4]),
        ..Swept::default()
    };
    assert_eq!(first.followed_by(later), both);
}
