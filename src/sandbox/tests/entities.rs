use serde_json::{Value, json};

use super::client::{Answer, call, sandbox, token};
use crate::sandbox::Sandbox;

#[tokio::test]
async fn paths_have_no_case_methods_no_meaning_and_unknown_ones_no_body() {
    let sandbox = sandbox().await;
    let token = token(&sandbox).await;
    for request in ["GET /V1/Account/List", "DELETE /v1/account/list", "GET /v1/%61ccount/list?x=1"] {
        assert_eq!(call(&sandbox, request, &token, "").await.status, 200, "{request}");
    }
    for path in ["/v1/nothing/list", "/v1/contract/list", "/v1/account", "/v1/", "/", "/v2/account/list"] {
        let answer = call(&sandbox, &format!("GET {path}"), &token, "").await;
        assert_eq!((answer.status, answer.body.as_str()), (404, ""), "{path}");
    }
}

#[tokio::test]
async fn entities_are_found_by_id_name_beginning_and_master() {
    let sandbox = sandbox().await;
    let token = token(&sandbox).await;
    for (path, ids) in [
        ("contract/items?ids=3570918,3570919,1", json!([3_570_918, 3_570_919])),
        ("contract/suggest?t=es&l=1", json!([3_570_918])),
        ("contract/deps?masterid=51234", json!([3_570_918])),
        ("contract/ldeps?masterids=51234,51236", json!([3_570_918, 3_570_919])),
        ("cashBalance/deps?masterid=6270", json!([6270])),
        ("fillFee/list", json!([])),
        ("userProperty/deps?masterid=15460", json!([4001])),
    ] {
        let answer = call(&sandbox, &format!("GET /v1/{path}"), &token, "").await;
        let found: Value =
            answer.json().as_array().unwrap().iter().map(|entity| entity["id"].clone()).collect();
        assert_eq!(found, ids, "{path}");
    }
    let found = call(&sandbox, "GET /v1/contract/find?name=ESZ6", &token, "").await.json();
    assert_eq!(found["contractMaturityId"], 51234);
    for (path, status) in [
        ("contract/item?id=1", 404),
        ("contract/find?name=XX", 404),
        ("position/item?id=1", 404),
        ("contract/item?id=one", 400),
        ("contract/item", 400),
        ("contract/items?ids=1,2,3,4,5,6,7,8,9,10,11", 404),
    ] {
        let answer = call(&sandbox, &format!("GET /v1/{path}"), &token, "").await;
        assert_eq!((answer.status, answer.body.as_str()), (status, ""), "{path}");
    }
}

#[tokio::test]
async fn an_order_is_placed_seen_filled_modified_and_cancelled() {
    let sandbox = sandbox().await;
    let token = token(&sandbox).await;
    let order = json!({"accountSpec": "DEMO15460", "accountId": 6270, "action": "Buy", "symbol": "ESZ6",
        "orderQty": 1, "orderType": "Limit", "price": 6740.0, "timeInForce": "Day", "isAutomated": true});
    let placed = post(&sandbox, &token, "order/placeorder", &order).await.json();
    let id = placed["orderId"].as_i64().unwrap();
    let listed = call(&sandbox, "GET /v1/order/list", &token, "").await.json();
    assert_eq!((listed[0]["id"].as_i64(), &listed[0]["ordStatus"]), (Some(id), &json!("Working")));

    let change = json!({"orderId": id, "orderQty": 2, "orderType": "Limit", "price": 6739.5});
    assert!(post(&sandbox, &token, "order/modifyorder", &change).await.json()["commandId"].is_i64());
    assert!(sandbox.control().set_price("ESZ6", 6739.5));
    let fills = call(&sandbox, &format!("GET /v1/fill/deps?masterid={id}"), &token, "").await.json();
    assert_eq!((&fills[0]["qty"], &fills[0]["price"]), (&json!(2), &json!(6739.5)));
    let late = post(&sandbox, &token, "order/cancelorder", &json!({"orderId": id})).await.json();
    assert_eq!(late, json!({"failureReason": "TooLate", "failureText": "Order is already filled"}));

    let snapshot = json!({"accountId": 6270});
    let snapshot = post(&sandbox, &token, "cashBalance/getcashbalancesnapshot", &snapshot).await.json();
    assert_eq!(snapshot["initialMargin"], 2420.0);
    let close = json!({"accountId": 6270, "contractId": 3_570_918, "admin": false});
    assert!(post(&sandbox, &token, "order/liquidateposition", &close).await.json()["orderId"].is_i64());
    assert_eq!(sandbox.control().entities("position")[0]["netPos"], 0);
}

#[tokio::test]
async fn linked_orders_answer_all_their_ids() {
    let sandbox = sandbox().await;
    let token = token(&sandbox).await;
    let mut order = json!({"accountId": 6270, "action": "Buy", "symbol": "ESZ6", "orderQty": 1,
        "orderType": "Market", "isAutomated": true,
        "bracket1": {"action": "Sell", "orderType": "Limit", "price": 6750.0},
        "bracket2": {"action": "Sell", "orderType": "Stop", "stopPrice": 6730.0}});
    let placed = post(&sandbox, &token, "order/placeOSO", &order).await.json();
    assert!(placed["orderId"].is_i64() && placed["oso1Id"].is_i64() && placed["oso2Id"].is_i64(), "{placed}");
    order["other"] = json!({"action": "Sell", "orderType": "Stop", "stopPrice": 6730.0});
    order["orderType"] = json!("Limit");
    order["price"] = json!(6000.0);
    let placed = post(&sandbox, &token, "order/placeoco", &order).await.json();
    assert!(placed["orderId"].is_i64() && placed["ocoId"].is_i64(), "{placed}");
}

#[tokio::test]
async fn refusals_of_orders_are_200_and_malformed_orders_400() {
    let sandbox = sandbox().await;
    let token = token(&sandbox).await;
    let order =
        json!({"accountId": 6270, "action": "Buy", "symbol": "ESZ6", "orderQty": 1, "orderType": "Market"});
    let with = |field: &str, value: Value| {
        let mut order = order.clone();
        order[field] = value;
        order
    };
    for (order, field) in [
        (with("accountId", Value::Null), "violations"),
        (with("symbol", json!("XX")), "failureReason"),
        (with("orderQty", json!(0)), "failureReason"),
    ] {
        for path in ["order/placeorder", "order/dryrun"] {
            let answer = post(&sandbox, &token, path, &order).await;
            assert!(answer.status == 200 && answer.json().get(field).is_some(), "{path} {answer:?}");
        }
    }
    for order in [with("orderQty", json!("1")), with("action", json!("Hold")), json!({}), json!("x")] {
        assert_eq!(post(&sandbox, &token, "order/placeorder", &order).await.status, 400, "{order}");
    }
    assert_eq!(call(&sandbox, "POST /v1/order/placeorder", &token, "{\"a\":").await.status, 400);
    assert_eq!(post(&sandbox, &token, "order/cancelorder", &json!({"orderId": 1})).await.status, 404);
    sandbox.control().change_rules(|rules| rules.without_permission = vec!["order/placeorder".into()]);
    let denied = post(&sandbox, &token, "order/placeorder", &order).await.json();
    assert_eq!(denied, json!({"failureReason": "UnknownReason", "failureText": "Access is denied"}));
    assert!(sandbox.control().entities("order").is_empty());
}

#[tokio::test]
async fn a_sync_request_tells_everything_at_once() {
    let sandbox = sandbox().await;
    let token = token(&sandbox).await;
    let all = post(&sandbox, &token, "user/syncrequest", &json!({"users": [15460]})).await.json();
    assert_eq!(all["accounts"][0]["id"], 6270);
    assert_eq!(all["products"].as_array().unwrap().len(), 4);
    assert_eq!(all["fillPairs"], json!([]));
}

async fn post(sandbox: &Sandbox, token: &str, path: &str, body: &Value) -> Answer {
    call(sandbox, &format!("POST /v1/{path}"), token, &body.to_string()).await
}
