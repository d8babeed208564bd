//! Targets: one authority, ours; and paths with one reading. What was judged is byte for byte what is sent.

use super::{Row, refuses_and_goes_on, refuses_and_hangs_up, row};

/// GETs of these targets.
fn targets<'a>(rows: impl IntoIterator<Item = &'a (&'static str, &'a str)>) -> Vec<Row> {
    let get = |target| format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    rows.into_iter().map(|(rule, target)| row(rule, get(target))).collect()
}

#[tokio::test]
async fn a_path_that_could_be_read_as_another_is_refused() {
    refuses_and_goes_on(targets(AMBIGUOUS), 400, "ambiguous-path").await;
}

const AMBIGUOUS: &[(&str, &str)] = &[
    ("RFC 3986 §3.3: an empty segment", "//v1/account/list"),
    ("RFC 3986 §3.3: an empty segment", "/v1//account/list"),
    ("RFC 3986 §3.3: an empty segment", "/v1/account//list"),
    ("RFC 3986 §3.3: an empty segment at the end", "/v1/account/list//"),
    ("RFC 3986 §4.2: a network path", "//evil.example/v1/account/list"),
    ("RFC 3986 §4.2: with userinfo", "//user@evil.example/v1/account/list"),
    ("RFC 3986 §3.3: nothing but slashes", "///"),
    ("RFC 3986 §5.2.4: a dot segment", "/v1/./account/list"),
    ("RFC 3986 §5.2.4: a dot segment", "/./v1/account/list"),
    ("RFC 3986 §5.2.4: a dot segment", "/v1/account/../auth/renewaccesstoken"),
    ("RFC 3986 §5.2.4: a dot segment", "/../v1/account/list"),
    ("RFC 3986 §5.2.4: a dot segment at the end", "/v1/account/.."),
    ("RFC 3986 §5.2.4: a dot segment at the end", "/v1/account/."),
    ("RFC 3986 §5.2.4: behind a query it would be one", "/v1/account/..?x"),
    ("Windows takes trailing dots away", "/v1/auth/renewaccesstoken."),
    ("Windows takes trailing dots away", "/v1/auth./renewaccesstoken"),
    ("Windows takes trailing dots away", "/v1/.../account/list"),
    ("Windows takes trailing blanks away", "/v1/auth/renewaccesstoken%20"),
    ("some frameworks trim segments", "/v1/%20auth/renewaccesstoken"),
    ("CVE-2021-41773: an encoded dot", "/v1/%2e%2e/v1/account/list"),
    ("CVE-2021-41773: an encoded dot", "/v1/.%2e/v1/account/list"),
    ("CVE-2021-42013: encoded twice", "/v1/%%32%65%%32%65/v1/account/list"),
    ("CVE-2021-42013: encoded twice", "/v1/%252e%252e/v1/account/list"),
    ("RFC 3986 §2.2: an encoded slash", "/v1/auth%2Frenewaccesstoken"),
    ("RFC 3986 §2.2: an encoded slash", "/v1/auth%2frenewaccesstoken"),
    ("RFC 3986 §2.2: encoded twice", "/v1/auth%252frenewaccesstoken"),
    ("a backslash is a slash to URL parsers of browsers", "/v1/auth\\renewaccesstoken"),
    ("a backslash is a slash to URL parsers of browsers", "/\\evil.example/v1"),
    ("a backslash is a slash to URL parsers of browsers", "/v1/auth%5crenewaccesstoken"),
    ("a backslash is a slash to URL parsers of browsers", "/v1/auth%5Crenewaccesstoken"),
    ("RFC 3986 §2.3: a letter needs no encoding", "/v1/%61uth/renewaccesstoken"),
    ("RFC 3986 §2.3: a letter needs no encoding", "/v1/auth/renewaccesstoke%6E"),
    ("RFC 3986 §2.3: a hyphen needs none", "/v1/a%2Db"),
    ("RFC 3986 §3.3: a path parameter", "/v1/account/list;x=1"),
    ("RFC 3986 §3.3: a path parameter", "/v1;x/account/list"),
    ("CVE-2025-54576: an encoded parameter", "/v1/account/list%3bx"),
    ("Tomcat takes a path parameter away first", "/v1/x/..;/auth/renewaccesstoken"),
    ("RFC 3986 §3.4: an encoded question mark", "/v1/account/list%3fx"),
    ("RFC 3986 §3.5: an encoded number sign", "/v1/account/list%23x"),
    ("an encoded NUL ends a string in C", "/v1/account/list%00"),
    ("an encoded NUL ends a string in C", "/v1/auth/renewaccesstoken%00.json"),
    ("CWE-93: an encoded line end", "/v1/account/list%0d%0aX-Test:%20y"),
    ("CWE-93: an encoded line end", "/v1/account/list%0A"),
    ("an encoded tab", "/v1/account/list%09"),
    ("an encoded DEL", "/v1/account/list%7f"),
    ("RFC 3986 §2.1: half an encoding", "/v1/account/list%"),
    ("RFC 3986 §2.1: half an encoding", "/v1/account/list%4"),
    ("RFC 3986 §2.1: no encoding", "/v1/account/list%zz"),
    ("RFC 3986 §2.1: no encoding", "/v1/account/list%+1"),
    ("IIS decodes %u", "/v1/auth%u002frenewaccesstoken"),
    ("RFC 3629 §10: an overlong slash", "/v1/auth%c0%afrenewaccesstoken"),
    ("RFC 3629 §10: an overlong slash", "/v1/auth%e0%80%afrenewaccesstoken"),
    ("RFC 3629 §10: an overlong slash", "/v1/auth%f0%80%80%afrenewaccesstoken"),
    ("RFC 3629 §10: an overlong dot", "/v1/%c0%ae%c0%ae/account/list"),
    ("RFC 3629 §3: half a letter", "/v1/account/list%c3"),
    ("RFC 3629 §3: a surrogate", "/v1/account/list%ed%a0%80"),
    ("RFC 3629 §3: a byte that never stands in UTF-8", "/v1/account/list%ff"),
    ("Java: equalsIgnoreCase takes U+017F for s", "/v1/u%C5%BFer/modifypassword"),
    ("Java: equalsIgnoreCase takes U+017F for s", "/v1/auth/renewacce%C5%BF%C5%BFtoken"),
    ("Java: equalsIgnoreCase takes U+212A for k", "/v1/auth/renewaccessto%E2%84%AAen"),
    ("Java: equalsIgnoreCase takes U+0131 for i", "/v1/user/mod%C4%B1fypassword"),
    ("NFKC: a full-width slash", "/v1/auth%EF%BC%8Frenewaccesstoken"),
    ("NFKC: full-width dots", "/v1/%EF%BC%8E%EF%BC%8E/account/list"),
    ("NFKC: a full-width letter", "/v1/%EF%BD%81uth/renewaccesstoken"),
    ("NFKC: a full-width percent sign", "/v1/auth%EF%BC%852frenewaccesstoken"),
    ("an invisible letter", "/v1/auth/renewaccess%E2%80%8Btoken"),
    ("a combining letter", "/v1/a%CC%88"),
    ("no path of Tradovate's is beyond ASCII", "/v1/no/such/%C3%A4"),
    ("no path of Tradovate's has a blank", "/v1/account/a%20b"),
    ("userinfo to whoever joins it to an authority", "/v1/account@evil.example/list"),
    ("userinfo to whoever joins it to an authority", "/@evil.example/v1"),
    ("userinfo, encoded", "/v1/account%40evil.example/list"),
    ("a port to whoever joins it to an authority", "/v1:443/account/list"),
    ("RFC 3986 §3.3: not a pchar", "/v1/account/{list}"),
    ("RFC 3986 §3.3: not a pchar", "/v1/account/[list]"),
    ("RFC 3986 §3.3: not a pchar", "/v1/account/list|x"),
    ("RFC 3986 §3.3: not a pchar", "/v1/account/list^x"),
    ("RFC 3986 §3.3: not a pchar", "/v1/account/list`x"),
    ("RFC 3986 §3.3: not a pchar", "/v1/account/<list>"),
    ("RFC 3986 §3.3: not a pchar", "/v1/account/\"list\""),
    ("no path of Tradovate's has one", "/v1/account/list,x"),
    ("no path of Tradovate's has one", "/v1/account/list+x"),
    ("no path of Tradovate's has one", "/v1/account/list*"),
    ("no path of Tradovate's has one", "/v1/account/list&x=y"),
    ("no path of Tradovate's has one", "/v1/account/list=x"),
    ("no path of Tradovate's has one", "/v1/account/list!"),
    ("no path of Tradovate's has one", "/v1/account/$list"),
];

#[tokio::test]
async fn a_target_that_names_another_place_or_none_is_refused() {
    refuses_and_goes_on(targets(ELSEWHERE), 400, "bad-target").await;
    let absolute = |target: &str, host: &str| format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let rows = [
        row(
            "RFC 9112 §3.2.2: Host names another",
            absolute("http://localhost/v1/account/list", "localhost:8080"),
        ),
        row(
            "RFC 9112 §3.2.2: Host names another",
            absolute("http://localhost:8080/v1/account/list", "localhost"),
        ),
        row(
            "RFC 9112 §3.2.2: no port is not port 80",
            absolute("http://localhost:80/v1/account/list", "localhost"),
        ),
        row("RFC 9112 §3.2.2: an empty port", absolute("http://localhost:/v1/account/list", "localhost")),
        row("RFC 9112 §3.2.2: a dot at the end", absolute("http://localhost./v1/account/list", "localhost")),
    ];
    refuses_and_goes_on(rows, 400, "bad-target").await;
}

const ELSEWHERE: &[(&str, &str)] = &[
    ("RFC 9112 §3.2.2: another authority", "http://evil.example/v1/account/list"),
    ("RFC 9112 §3.2.2: the broker's, asked of a proxy", "http://demo.tradovateapi.com/v1/account/list"),
    ("RFC 9112 §3.2.2: a prefix of it", "http://localhost.evil.example/v1/account/list"),
    ("RFC 9110 §4.2.4: userinfo", "http://localhost@evil.example/v1/account/list"),
    ("RFC 9110 §4.2.4: userinfo", "http://user:secret@localhost/v1/account/list"),
    ("RFC 9110 §4.2.4: empty userinfo", "http://@localhost/v1/account/list"),
    ("RFC 9110 §4.2.1: no authority", "http:///v1/account/list"),
    ("RFC 9110 §4.2.1: no authority", "http:/v1/account/list"),
    ("RFC 9112 §3.2.2: no path", "http://localhost"),
    ("RFC 9112 §3.2.2: a query for a path", "http://localhost?/v1/account/list"),
    ("RFC 9110 §4.2.2: not what is spoken here", "https://localhost/v1/account/list"),
    ("RFC 3986 §3.1: another scheme", "ftp://localhost/v1/account/list"),
    ("RFC 3986 §3.1: another scheme", "file:///etc/passwd"),
    ("RFC 3986 §3.1: a scheme in capitals is written by nobody", "HTTP://localhost/v1/account/list"),
    ("RFC 9112 §3.2.3: authority-form", "localhost:80"),
    ("RFC 9112 §3.2.3: authority-form", "evil.example:443"),
    ("RFC 9112 §3.2.4: asterisk-form without OPTIONS", "*"),
    ("RFC 9112 §3.2.1: no slash", "v1/account/list"),
    ("RFC 9112 §3.2.1: no slash", "?x=/v1/account/list"),
    ("peers: @host", "@evil.example/v1/account/list"),
    ("peers: @host", "@evil.example"),
    ("peers: a backslash", "\\v1\\account\\list"),
    ("RFC 3986 §3.3: an encoded slash", "%2fv1/account/list"),
    ("RFC 3986 §5.2.4: a dot segment", "../v1/account/list"),
    ("RFC 3986 §3.3: a parameter", ";/v1/account/list"),
];

#[tokio::test]
async fn a_target_that_no_uri_can_be_is_not_read() {
    let mut rows = targets(&[
        ("RFC 9112 §3.2: no fragment", "/v1/account/list#x"),
        ("RFC 9112 §3.2: no fragment", "/#/v1/account/list"),
        ("RFC 9112 §3.2: no fragment", "#"),
        ("RFC 9112 §3.2: no fragment in the query", "/v1/account/list?a=b#c"),
        ("RFC 9112 §3.2: a blank", "/v1/account/list x"),
        ("RFC 9112 §3.2: a blank", "/v1/account /list"),
        ("RFC 9112 §3: two blanks", " /v1/account/list"),
        ("RFC 9112 §3: two blanks", "/v1/account/list "),
        ("RFC 3986 §2: no letter beyond ASCII", "/v1/\u{e4}"),
        ("RFC 3986 §2: no letter beyond ASCII", "/v1/account/list?\u{e4}"),
        ("RFC 3986 §2: no tab", "/v1/account\t/list"),
        ("RFC 3986 §2: no tab", "/v1/account/list\t"),
        ("RFC 3986 §2: no NUL", "/v1/account\0/list"),
        ("RFC 3986 §2: no DEL", "/v1/account\u{7f}/list"),
        ("RFC 3986 §2: no vertical tab", "/v1/account\u{b}/list"),
        ("RFC 3986 §2: no form feed", "/v1/account/list?\u{c}"),
        ("RFC 3986 §2: no escape", "/v1/account/list?\u{1b}[2J"),
        ("RFC 9112 §2.2: no bare CR", "/v1/account\r/list"),
        ("RFC 9112 §3: an empty one", ""),
    ]);
    let start = b"GET /v1/account/list";
    for byte in [0x80, 0xa0, 0xc0, 0xff] {
        let request = [&start[..], &[byte], b" HTTP/1.1\r\nHost: localhost\r\n\r\n"].concat();
        rows.push(row("RFC 3986 §2: no byte beyond ASCII", request));
    }
    refuses_and_hangs_up(rows, 400, "bad-request").await;
}

#[tokio::test]
async fn what_is_no_path_of_the_api_is_refused() {
    let rows = targets(&[
        ("the admin listener has a port of its own", "/"),
        ("the admin listener has a port of its own", "/metrics"),
        ("the admin listener has a port of its own", "/status"),
        ("nothing but the API", "/v1"),
        ("nothing but the API", "/v2/account/list"),
        ("nothing but the API", "/v1x/account/list"),
        ("nothing but the API", "/v1.0/account/list"),
        ("nothing but the API", "/x/v1/account/list"),
        ("the sandbox has a port of its own", "/sandbox/reset"),
    ]);
    refuses_and_goes_on(rows, 404, "not-the-api").await;
    let rows = targets(&[
        ("K1: credentials", "/v1/auth/oauthgrant"),
        ("K1: credentials", "/v1/auth/never-heard-of"),
        ("K1: credentials in capitals", "/V1/AUTH/OAUTHGRANT"),
        ("K1: credentials behind a slash", "/v1/auth/never-heard-of/"),
        ("K1: credentials with a query", "/v1/user/modifypassword?x=y"),
        ("K1: credentials in capitals", "/V1/User/ModifyPassword"),
        ("K1: credentials behind a slash", "/v1/user/modifyCredentials/"),
    ]);
    refuses_and_goes_on(rows, 403, "credentials-endpoint").await;
}
