//! Answers that make other clients ask again: redirects, refusals of the token, and all that says "later".

use super::Effect;
use crate::support::upstream::raw;

#[tokio::test]
async fn no_status_makes_an_order_or_a_write_go_out_again() {
    for effect in Effect::UNREPEATABLE {
        let (mut upstream, proxy) = raw().await;
        let home = format!("Location: http://{}/v1/order/placeorder", upstream.address);
        let mut client = proxy.client().await;
        let mut number = 0;
        for (status, field) in [
            (301, home.as_str()),
            (302, &home),
            (303, &home),
            (307, &home),
            (308, &home),
            (307, "Location: https://demo-2.tradovateapi.com/v1/order/placeorder"),
            (401, "WWW-Authenticate: Bearer"),
            (408, "Connection: close"),
            (408, "X-Test-Open: yes"),
            (409, "Retry-After: 0"),
            (421, "X-Test-Misdirected: yes"),
            (425, "Retry-After: 0"),
            (429, "Retry-After: 0"),
            (500, "Retry-After: 0"),
            (502, "Connection: close"),
            (503, "Retry-After: 0"),
            (504, "Retry-After: 1"),
        ] {
            for body in ["", "{\"errorText\":\"Access is denied\"}"] {
                let context = format!("{effect:?}, {status}, {field}, {body:?}");
                number += 1;
                client.send(effect.request(number)).await;
                let request = upstream.request().await;
                assert!(request.head.start.contains(&format!("number={number:06}")), "{context}");
                let length = body.len();
                request
                    .answer(format!(
                        "HTTP/1.1 {status} X\r\n{field}\r\nContent-Length: {length}\r\n\r\n{body}"
                    ))
                    .await;
                let answer = client.answer().await;
                assert_eq!((answer.status(), answer.text()), (status, body), "{context}");
                // Upstream's word, whatever it is worth: never "not sent".
                assert!(matches!(answer.outcome(), None | Some("answered")), "{context}: {answer:?}");
                upstream.is_untouched();
            }
        }
        proxy.stop().await;
        upstream.is_untouched();
    }
}
