//! What is not let pass, whoever asks.

use crate::config::setting::{Preset, Setting, plain};

settings! { GUARDS:
    GUARDS_MODE = plain("guards.mode", "TRADOVATE_PROXY_GUARDS_MODE", "all|cancel-only|read-only",
        Preset::Text("all"), "which kinds of requests pass: all, only reads, cancels and liquidations, or only reads");
    GUARDS_ACCOUNTS = plain("guards.accounts", "TRADOVATE_PROXY_GUARDS_ACCOUNTS", "ACCOUNT,ACCOUNT",
        Preset::Words("any"), "accounts that orders may name, each by its name and by its number (`accountSpec` and \
            `accountId`)");
    GUARDS_SYMBOLS = plain("guards.symbols", "TRADOVATE_PROXY_GUARDS_SYMBOLS", "SYMBOL,SYMBOL",
        Preset::Words("any"), "symbols that orders may name: `ESZ6`, or `ES*` for every month of ES");
    GUARDS_ORDER_TYPES = plain("guards.order-types", "TRADOVATE_PROXY_GUARDS_ORDER_TYPES", "TYPE,TYPE",
        Preset::Words("any"), "order types that may be used, as Tradovate spells them: `Limit,Stop`");
    GUARDS_MAX_QUANTITY = plain("guards.max-quantity", "TRADOVATE_PROXY_GUARDS_MAX_QUANTITY", "NUMBER",
        Preset::Words("none"), "largest quantity that an order may have, or be changed to");
    GUARDS_ORDERS_PER_MINUTE = plain("guards.orders-per-minute", "TRADOVATE_PROXY_GUARDS_ORDERS_PER_MINUTE",
        "NUMBER", Preset::Words("any number"),
        "requests that may place or change orders in any 60 s, all callers together; above it 429");
    GUARDS_KILL_FILE = plain("guards.kill-file", "TRADOVATE_PROXY_GUARDS_KILL_FILE", "FILE",
        Preset::Words("none"), "while there is something at this path, or that cannot be told, the kill switch is on");
    GUARDS_KILL_CANCELS = plain("guards.kill-cancels", "TRADOVATE_PROXY_GUARDS_KILL_CANCELS", "yes|no",
        Preset::Text("no"), "each new kill cancels all working orders too, protective stops among them");
}
