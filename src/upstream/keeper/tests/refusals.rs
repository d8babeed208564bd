//! An upstream that takes no connections, or none for long, is not hammered.

use super::*;
use crate::upstream::connect::Protocol;

#[tokio::test(start_paused = true)]
async fn an_upstream_that_refuses_is_not_hammered_and_is_served_again_when_it_is_back() {
    scene(2, async |mut scene, origin| {
        scene.upstream.warm_up(&origin);
        let mut asked = Vec::new();
        while scene.begun.elapsed() < HOUR {
            let (ask, at) = scene.asks().await;
            ask.refuse();
            asked.push(at);
            assert!(asked.len() < 400, "so often by {at:?}");
        }
        let gaps: Vec<_> = asked.windows(2).map(|pair| pair[1].abs_diff(pair[0])).collect();
        assert!(gaps.iter().all(|gap| *gap >= Duration::from_millis(500)), "{gaps:?}");
        assert!(gaps[5..].iter().all(|gap| (15..=30).contains(&gap.as_secs())), "{gaps:?}");
        assert!(gaps[5] != gaps[6] && gaps[6] != gaps[7], "jittered");
        let _back = scene.accepts().await;
        scene.begun = Instant::now();
        let (_, at) = scene.asks().await;
        assert!(at <= Duration::from_secs(31), "{at:?}");
        let failed = scene.counted("tradovate_proxy_upstream_connects_total", "failed");
        assert_eq!(failed.to_string(), asked.len().to_string());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_closes_at_once_is_not_hammered_either() {
    scene(2, async |mut scene, origin| {
        scene.upstream.warm_up(&origin);
        let mut count = 0;
        while scene.begun.elapsed() < HOUR {
            drop(scene.accepts().await);
            count += 1;
            assert!(count < 400, "so often by {:?}", scene.begun.elapsed());
        }
        assert!(count > 100, "{count} in an hour");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn one_that_waits_does_not_end_the_back_off_from_an_upstream_that_takes_no_other() {
    for refuses in [true, false] {
        scene(2, async |mut scene, origin| {
            scene.upstream.warm_up(&origin);
            let mut taken = scene.accepts().await;
            let mut count = 0;
            while scene.begun.elapsed() < Duration::from_secs(120) {
                match timeout(Duration::from_secs(5), scene.asked.recv()).await {
                    Ok(ask) if refuses => ask.unwrap().refuse(),
                    Ok(ask) => drop(ask.unwrap().accept()),
                    Err(_) => {
                        scene.exchanges(&origin, &mut taken).await;
                        continue;
                    }
                }
                count += 1;
                assert!(count <= 16, "so often by {:?}, refused: {refuses}", scene.begun.elapsed());
            }
            assert!(count >= 8, "{count} in two minutes, refused: {refuses}");
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn over_http2_an_upstream_that_closes_at_once_is_not_hammered_and_is_forgiven_when_it_is_back() {
    scene(2, async |mut scene, origin| {
        scene.upstream.warm_up(&origin);
        let mut count = 0;
        while scene.begun.elapsed() < HOUR {
            closes_after_the_handshake(scene.asks().await.0).await;
            count += 1;
            assert!(count < 400, "so often by {:?}", scene.begun.elapsed());
        }
        assert!(count > 100, "{count} in an hour");

        let lasts = scene.asks().await.0.accept_with(Protocol::Http2);
        scene.is_quiet_for(Duration::from_secs(2)).await;
        drop(lasts);
        scene.begun = Instant::now();
        let (again, at) = scene.asks().await;
        assert_eq!(at, Duration::ZERO, "it had stood");
        closes_after_the_handshake(again).await;
        let (_, at) = scene.asks().await;
        assert!(at <= Duration::from_secs(1), "{at:?}");
    })
    .await;
}

async fn closes_after_the_handshake(ask: Asked) {
    let mut pipe = ask.accept_with(Protocol::Http2);
    // RFC 9113 §3.4: hyper takes the connection for open once it has written this.
    pipe.read_exact(&mut [0; 24]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_lets_none_wait_for_long_is_not_hammered_either() {
    scene(2, async |mut scene, origin| {
        scene.upstream.warm_up(&origin);
        let mut count = 0;
        while scene.begun.elapsed() < HOUR {
            let mut pipe = scene.accepts().await;
            count += 1;
            assert!(count < 400, "so often by {:?}", scene.begun.elapsed());
            spawn_local(async move { timeout(Duration::from_millis(1200), pipe.read(&mut [0])).await });
        }
        assert!(count > 100, "{count} in an hour");
    })
    .await;
}
