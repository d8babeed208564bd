//! Web pages against the proxy and its admin listener, in a real Chromium.
//!
//! One [`Site`] is the attacker's web server, one page tries everything that a page can send, from three places: another
//! site, another port of this machine, and the proxy's own origin, as DNS rebinding makes it. It tries each on three
//! targets at once: the proxy, its admin listener, and a server that checks nothing. That the last one gets it all shows
//! that the test is awake; that the first two count so many strangers shows that the attempts arrived there too; and at
//! the broker and of the session nothing may be seen.

mod chromium;
mod site;

use std::net::SocketAddr;

use serde_json::Value;

use self::site::Site;
use crate::support::{
    api::address_in,
    http,
    patience::until,
    process::{Process, program},
};

/// What a page in `from` sends to a server that checks nothing: a form, an image and so on by the names that `page.html`
/// gives them.
const OTHER_SITE: &[&str] = &[
    "fetch-cors-get",
    "fetch-cors-get-header",
    "fetch-cors-post-text",
    "fetch-cors-post-json",
    "fetch-cors-post-header",
    "fetch-cors-post-key",
    "fetch-no-cors-get",
    "fetch-no-cors-post-text",
    "fetch-no-cors-post-blob",
    "fetch-no-cors-post-form",
    "xhr-post-text",
    "xhr-put-json",
    "form-urlencoded",
    "form-text",
    "form-multipart",
    "form-get",
    "image",
    "script",
    "module",
    "style",
    "frame",
    "sandboxed-frame",
    "beacon-text",
    "beacon-json",
    "websocket",
    "events",
];

/// What its own origin can send besides.
const OWN_ORIGIN: &[&str] = &["fetch-same-origin-get", "fetch-same-origin-post-json"];

/// A simulated broker, and the proxy in front of it.
struct Stage {
    proxy: SocketAddr,
    admin: SocketAddr,
    api: SocketAddr,
    _process: Process,
}

impl Stage {
    fn start() -> Self {
        let any = "127.0.0.1:0";
        let flags = ["sandbox", "--listen", any, "--admin-listen", any, "--api-listen", any];
        let process = Process::start(program(&flags));
        let proxy = address_in(&process.line("proxy  "), "http://");
        let admin = address_in(&process.line("admin  "), "http://");
        let api = address_in(&process.line("simulated API"), "control: http://");
        until("a token", || (http::get(admin, "/readyz").status == 200).then_some(()));
        Self { proxy, admin, api, _process: process }
    }

    /// How many requests were turned away there.
    fn strangers(&self, listener: &str) -> usize {
        let metrics = http::get(self.admin, "/metrics").text();
        let prefix = format!("tradovate_proxy_strangers_total{{listener=\"{listener}\"");
        let counts = metrics.lines().filter(|line| line.starts_with(&prefix));
        counts.map(|line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap()).sum()
    }

    /// What the broker has seen that is no session call, and the session's state.
    fn harm(&self) -> (Vec<String>, Value) {
        let requests = http::get(self.api, "/sandbox/requests").json();
        let targets = requests.as_array().unwrap().iter().map(|record| record["target"].as_str().unwrap());
        let seen = targets.filter(|target| !target.contains("/auth/")).map(str::to_owned).collect();
        (seen, http::get(self.admin, "/status").json()["session"]["state"].clone())
    }

    /// The page has tried everything: what came through, and where.
    fn withstands(&self, site: &Site, expected: &[&[&str]]) {
        let expected: Vec<&str> = expected.concat();
        // The server without checks.
        for name in &expected {
            until(format_args!("{name} to arrive where nothing is checked"), || {
                site.recorded().contains(*name).then_some(())
            });
        }
        for listener in ["proxy", "admin"] {
            until(format_args!("every attempt to be refused by the {listener}"), || {
                (self.strangers(listener) >= expected.len()).then_some(())
            });
        }
        assert_eq!(self.harm(), (Vec::new(), Value::from("live")));
        // A page that can read an answer says so.
        assert_eq!(site.read_from(), Vec::<String>::new());
    }
}

#[test]
fn a_page_of_another_site_gets_nothing_through() {
    if !chromium::is_there() {
        return;
    }
    let (stage, site) = (Stage::start(), Site::start());
    site.attack("http://evil.example", stage.proxy, stage.admin);
    stage.withstands(&site, &[OTHER_SITE]);
}

#[test]
fn a_page_of_another_port_of_this_machine_gets_nothing_through() {
    if !chromium::is_there() {
        return;
    }
    let (stage, site) = (Stage::start(), Site::start());
    site.attack("http://localhost", stage.proxy, stage.admin);
    stage.withstands(&site, &[OTHER_SITE]);
}

/// The site passes on what is not its own to the proxy and the admin listener, byte for byte: to the browser and to them
/// that is what happens when its name is made to resolve to them.
#[test]
fn a_page_whose_name_is_made_to_resolve_to_the_proxy_gets_nothing_through() {
    if !chromium::is_there() {
        return;
    }
    let (stage, site) = (Stage::start(), Site::start());
    site.attack_rebound("http://evil.example", stage.proxy, stage.admin);
    stage.withstands(&site, &[OTHER_SITE, OWN_ORIGIN]);
}

#[test]
fn the_name_of_another_typed_into_the_address_bar_shows_nothing_and_our_own_does() {
    if !chromium::is_there() {
        return;
    }
    let stage = Stage::start();
    let (proxy, admin) = (stage.proxy.port(), stage.admin.port());
    for (url, shown) in [
        (format!("http://evil.example:{proxy}/v1/account/list"), "unknown-host"),
        (format!("http://evil.example:{admin}/status"), "unknown-host"),
        (format!("http://localhost:{proxy}/v1/account/list"), "DEMO15460"),
        (format!("http://127.0.0.1:{admin}/"), "tradovate-proxy"),
    ] {
        let page = chromium::dump(&url);
        assert!(page.contains(shown), "no {shown} at {url}: {page}");
        assert_eq!(page.contains("DEMO15460"), shown == "DEMO15460", "{page}");
    }
    // Of all these, the one that was meant.
    assert_eq!(stage.harm(), (vec!["/v1/account/list".to_owned()], Value::from("live")));
}
