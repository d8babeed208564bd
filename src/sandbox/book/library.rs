//! What never changes while the sandbox runs: the user, the contracts, and what they hang on.

use serde_json::{Value, json};

/// The user's id at the broker.
pub(crate) const USER_ID: i64 = 15_460;
/// The one account's id.
pub(crate) const ACCOUNT_ID: i64 = 6_270;
/// The one account's name.
pub(crate) const ACCOUNT_NAME: &str = "DEMO15460";
/// The user's name, with which it logs in.
pub(crate) const USER_NAME: &str = "sim_trader";

/// A contract that can be traded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contract {
    pub(crate) id: i64,
    pub(crate) symbol: &'static str,
    pub(crate) product: &'static Product,
    pub(crate) maturity: &'static Maturity,
    /// What it trades at when the sandbox starts.
    pub(crate) opening_price: f64,
}

/// What a contract is a contract on.
#[derive(Debug)]
pub(crate) struct Product {
    id: i64,
    name: &'static str,
    description: &'static str,
    pub(crate) value_per_point: f64,
    pub(crate) tick: f64,
    pub(crate) initial_margin: f64,
    pub(crate) maintenance_margin: f64,
}

/// When a contract ends.
#[derive(Debug)]
pub(crate) struct Maturity {
    offset: i64,
    month: i64,
    date: &'static str,
    is_front: bool,
}

impl Contract {
    /// Every contract.
    pub(crate) const ALL: &[Self] = &[
        Self::new(3_570_918, "ESZ6", &ES, &DECEMBER, 6_741.25),
        Self::new(3_570_919, "NQZ6", &NQ, &DECEMBER, 25_012.5),
        Self::new(3_570_920, "MESZ6", &MES, &DECEMBER, 6_741.25),
        Self::new(3_570_921, "MNQZ6", &MNQ, &DECEMBER, 25_012.5),
        Self::new(3_570_928, "ESH7", &ES, &MARCH, 6_805.0),
        Self::new(3_570_929, "NQH7", &NQ, &MARCH, 25_260.0),
        Self::new(3_570_930, "MESH7", &MES, &MARCH, 6_805.0),
        Self::new(3_570_931, "MNQH7", &MNQ, &MARCH, 25_260.0),
    ];

    const fn new(
        id: i64,
        symbol: &'static str,
        product: &'static Product,
        maturity: &'static Maturity,
        opening_price: f64,
    ) -> Self {
        Self { id, symbol, product, maturity, opening_price }
    }

    /// The contract of that name.
    pub(crate) fn named(symbol: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|contract| contract.symbol == symbol)
    }

    /// The contract of that id.
    pub(crate) fn of_id(id: i64) -> Option<&'static Self> {
        Self::ALL.iter().find(|contract| contract.id == id)
    }

    /// The next contract on the same product.
    pub(crate) fn next(&self) -> Option<&'static Self> {
        Self::ALL
            .iter()
            .filter(|other| other.product.id == self.product.id && other.maturity.month > self.maturity.month)
            .min_by_key(|other| other.maturity.month)
    }

    /// As `contract/item` answers it.
    pub(crate) fn json(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.symbol,
            "contractMaturityId": self.maturity_id(),
            "status": "DefinitionChecked",
            "providerTickSize": self.product.tick,
        })
    }

    fn maturity_id(&self) -> i64 {
        51_134 + self.product.id + self.maturity.offset
    }

    fn maturity_json(&self) -> Value {
        json!({
            "id": self.maturity_id(),
            "productId": self.product.id,
            "expirationMonth": self.maturity.month,
            "expirationDate": self.maturity.date,
            "isFront": self.maturity.is_front,
        })
    }
}

impl Product {
    fn json(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "currencyId": 1,
            "productType": "Futures",
            "description": self.description,
            "exchangeId": 1,
            "contractGroupId": 20,
            "status": "Verified",
            "months": "HMUZ",
            "valuePerPoint": self.value_per_point,
            "priceFormatType": "Decimal",
            "priceFormat": -2,
            "tickSize": self.tick,
        })
    }
}

/// The entities of `kind` that never change.
pub(crate) fn entities(kind: &str) -> Vec<Value> {
    match kind {
        "user" => vec![json!({
            "id": USER_ID,
            "name": USER_NAME,
            "timestamp": "2026-02-12T14:11:00.000Z",
            "email": "sim.trader@example.invalid",
            "status": "Active",
            "professional": false,
        })],
        "contract" => Contract::ALL.iter().map(Contract::json).collect(),
        "contractMaturity" => Contract::ALL.iter().map(Contract::maturity_json).collect(),
        "product" => [&ES, &MES, &NQ, &MNQ].map(Product::json).into(),
        "exchange" => vec![json!({"id": 1, "name": "CME"})],
        "contractGroup" => vec![json!({"id": 20, "name": "Index"})],
        "currency" => vec![
            json!({"id": 1, "name": "USD", "symbol": "$"}),
            json!({"id": 2, "name": "EUR", "symbol": "€"}),
        ],
        "currencyRate" => vec![json!({"id": 2, "currencyId": 2, "rate": 1.16})],
        "clearingHouse" => vec![json!({"id": 2, "name": "Sandbox Clearing"})],
        "property" => vec![
            json!({"id": 31, "name": "hourRequestLimit", "propertyType": "Integer"}),
            json!({"id": 40, "name": "platformTheme", "propertyType": "String"}),
        ],
        "userProperty" => {
            vec![json!({"id": 4001, "userId": USER_ID, "propertyId": 40, "value": "dark"})]
        }
        "userPlugin" => vec![json!({
            "id": 5001,
            "userId": USER_ID,
            "timestamp": "2026-02-12T14:11:00.000Z",
            "planPrice": 25.0,
            "pluginName": "apiAccess",
            "approval": false,
        })],
        _ => Vec::new(),
    }
}

static ES: Product = Product {
    id: 100,
    name: "ES",
    description: "E-mini S&P 500",
    value_per_point: 50.0,
    tick: 0.25,
    initial_margin: 1_210.0,
    maintenance_margin: 1_100.0,
};
static MES: Product = Product {
    id: 101,
    name: "MES",
    description: "Micro E-mini S&P 500",
    value_per_point: 5.0,
    tick: 0.25,
    initial_margin: 121.0,
    maintenance_margin: 110.0,
};
static NQ: Product = Product {
    id: 102,
    name: "NQ",
    description: "E-mini NASDAQ-100",
    value_per_point: 20.0,
    tick: 0.25,
    initial_margin: 1_870.0,
    maintenance_margin: 1_700.0,
};
static MNQ: Product = Product {
    id: 103,
    name: "MNQ",
    description: "Micro E-mini NASDAQ-100",
    value_per_point: 2.0,
    tick: 0.25,
    initial_margin: 187.0,
    maintenance_margin: 170.0,
};
static DECEMBER: Maturity =
    Maturity { offset: 0, month: 202_612, date: "2026-12-18T14:30:00.000Z", is_front: true };
static MARCH: Maturity =
    Maturity { offset: 10, month: 202_703, date: "2027-03-19T13:30:00.000Z", is_front: false };
