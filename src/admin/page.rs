//! `/`: the status, for a person with a browser. No script, nothing from elsewhere, nothing to click that changes
//! anything: a page must not be able to give orders, and this is one.

use std::fmt::{self, Write as _};

use crate::admin::status::Report;

/// What the page may do, enforced by the browser: be styled, and be looked at.
pub(super) const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; \
                                 form-action 'none'; frame-ancestors 'none'";

/// The page for `report`.
pub(super) fn html(report: &Report) -> String {
    let mut rows = String::new();
    for (label, text) in report.rows() {
        // Writing to a String cannot fail.
        let _ = writeln!(rows, "<tr><th>{}<td>{}", Escaped(label), Escaped(&text));
    }
    let (state, class) = (&report.session.state, if report.ready { "ready" } else { "down" });
    format!(
        "<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n\
         <meta name=viewport content=\"width=device-width\">\n<meta http-equiv=refresh content={REFRESH}>\n\
         <title>{state} · tradovate-proxy</title>\n<style>{STYLE}</style>\n\
         <h1>tradovate-proxy <b class={class}>{state}</b></h1>\n<table>\n{rows}</table>\n{FOOT}",
        state = Escaped(state),
    )
}

/// Text that is no markup.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '&' => f.write_str("&amp;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            c => f.write_char(c),
        })
    }
}

/// In seconds.
const REFRESH: u32 = 5;

const STYLE: &str = "
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }
body { max-width: 52rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.3rem }
b { padding: .1em .6em; border-radius: 1em; color: #fff }
.ready { background: #187a3d } .down { background: #b3261e }
th { text-align: left; vertical-align: top; padding-right: 2rem; font-weight: normal; opacity: .7; white-space: nowrap }
td { overflow-wrap: anywhere }
";

const FOOT: &str = "<p><a href=/status>status</a> · <a href=/metrics>metrics</a> · <a href=/readyz>readyz</a> · \
<a href=/livez>livez</a>\n<p>To change anything: <code>tradovate-proxy session renew | acquire | pause | resume</code>, or <code>tradovate-proxy kill | \
release</code>\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_markup() {
        let text = "<script>alert('1')</script> & \"";
        let escaped = "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; &quot;";
        assert_eq!(Escaped(text).to_string(), escaped);
    }
}
