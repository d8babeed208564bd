//! Sockets, certificates, and who may come in from outside.

use std::os::unix::fs::PermissionsExt as _;

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};

use super::*;
use crate::downstream::Openness;

/// A directory with a certificate, its key, and another key, in PEM.
fn files() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    file(dir.path(), "cert.pem", &cert.pem());
    file(dir.path(), "key.pem", &signing_key.serialize_pem());
    file(dir.path(), "other.pem", &KeyPair::generate().unwrap().serialize_pem());
    file(dir.path(), "nonsense.pem", "canary of a key");
    dir
}

/// A configuration with these variables, `TRADOVATE_PROXY_` left out, and `DIR` standing for `dir`.
fn with(dir: &Path, settings: &[(&str, &str)]) -> Result<Config, String> {
    let settings: Vec<_> = settings
        .iter()
        .map(|(name, value)| (format!("TRADOVATE_PROXY_{name}"), value.replace("DIR", dir.to_str().unwrap())))
        .collect();
    let settings: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    load(&[], &environment(&settings)).map_err(|errors| errors.to_string())
}

const TLS: [(&str, &str); 2] = [("TLS_CERT", "DIR/cert.pem"), ("TLS_KEY", "DIR/key.pem")];

#[test]
fn a_socket_is_the_owners_unless_more_is_said() {
    let dir = files();
    let config = with(dir.path(), &[("LISTEN", "127.0.0.1:1, unix:/run/p.sock")]).unwrap();
    assert_eq!(config.listening.callers.to_string(), "127.0.0.1:1,unix:/run/p.sock");
    assert_eq!(config.listening.sockets.openness, Openness::Owner);
    let wider =
        with(dir.path(), &[("SOCKET_MODE", "0660"), ("SOCKET_USERS", "1000, 1001")]).unwrap().listening;
    assert_eq!((wider.sockets.openness, wider.sockets.users), (Openness::Group, vec![1000, 1001]));
    for (name, bad) in [
        ("SOCKET_MODE", "777"),
        ("SOCKET_MODE", "rw"),
        ("SOCKET_USERS", "alice"),
        ("SOCKET_USERS", "-1"),
        ("LISTEN", "unix:p.sock"),
        ("LISTEN", "unix:/a,unix:/a"),
    ] {
        assert!(with(dir.path(), &[(name, bad)]).unwrap_err().contains(name), "{name} {bad}");
    }
    let shared = [("LISTEN", "127.0.0.1:1,unix:/p.sock"), ("ADMIN_LISTEN", "unix:/p.sock")];
    assert!(with(dir.path(), &shared).unwrap_err().contains("listens on unix:/p.sock too"));
    let long = format!("unix:/{}", "x".repeat(200));
    let text = with(dir.path(), &[("LISTEN", &long)]).unwrap_err();
    assert!(text.contains("choose a shorter one"), "{text}");
}

#[test]
fn certificate_and_key_belong_together_and_each_mistake_is_said_where_it_is() {
    let dir = files();
    assert!(with(dir.path(), &TLS).unwrap().listening.tls.is_some());
    for (settings, name, says) in [
        (vec![("TLS_CERT", "DIR/cert.pem")], "TLS_CERT", "without tls.key"),
        (vec![("TLS_KEY", "DIR/key.pem")], "TLS_KEY", "without tls.cert"),
        (vec![("TLS_CLIENT_CA", "DIR/cert.pem")], "TLS_CLIENT_CA", "without tls.cert"),
        (vec![("ADMIN_TLS", "yes")], "ADMIN_TLS", "without tls.cert"),
        (vec![TLS[0], ("TLS_KEY", "DIR/other.pem")], "TLS_CERT", "cannot be used together"),
        (vec![TLS[0], ("TLS_KEY", "DIR/nonsense.pem")], "TLS_KEY", "no usable private key"),
        (vec![TLS[0], ("TLS_KEY", "DIR/cert.pem")], "TLS_KEY", "no usable private key"),
        (vec![TLS[0], ("TLS_KEY", "DIR/missing.pem")], "TLS_KEY", "cannot be read"),
        (vec![("TLS_CERT", "DIR/nonsense.pem"), TLS[1]], "TLS_CERT", "no usable PEM certificate"),
        (vec![TLS[0], TLS[1], ("TLS_CLIENT_CA", "DIR/nonsense.pem")], "TLS_CLIENT_CA", "no usable PEM"),
    ] {
        let text = with(dir.path(), &settings).unwrap_err();
        assert!(text.starts_with("1 problem"), "{settings:?}: {text}");
        assert!(
            text.contains(&format!("TRADOVATE_PROXY_{name} ")) && text.contains(says),
            "{settings:?}: {text}"
        );
        assert!(!text.contains("canary"), "{text}");
    }
}

#[test]
fn a_key_that_others_can_read_is_told() {
    let dir = files();
    assert!(with(dir.path(), &TLS).unwrap().exposed().is_empty());
    let key = dir.path().join("key.pem");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let config = with(dir.path(), &TLS).unwrap();
    let told: Vec<_> = config.exposed().iter().map(ToString::to_string).collect();
    assert!(matches!(&told[..], [one] if one.contains("tls.key") && one.contains("chmod 600")), "{told:?}");
    assert!(!format!("{config:?}").contains("PRIVATE KEY"));
}

#[test]
fn beyond_loopback_a_listener_needs_client_certificates_or_to_be_open_on_purpose() {
    let dir = files();
    let outside = ("LISTEN", "0.0.0.0:1");
    let admin_outside = ("ADMIN_LISTEN", "0.0.0.0:2");
    let mutual = [TLS[0], TLS[1], ("TLS_CLIENT_CA", "DIR/cert.pem")];
    let of = |more: &[(&'static str, &'static str)]| [&mutual[..], more].concat();
    for (settings, refused) in [
        (vec![outside], Some("LISTEN")),
        // TLS alone proves who we are, not who they are.
        (vec![outside, TLS[0], TLS[1]], Some("LISTEN")),
        (of(&[outside]), None),
        (of(&[admin_outside]), Some("ADMIN_LISTEN")),
        (of(&[outside, admin_outside, ("ADMIN_TLS", "yes")]), None),
        (vec![outside, ("UNSAFE_OPEN", "yes")], None),
        (vec![("LISTEN", "127.0.0.1:1,0.0.0.0:1")], Some("LISTEN")),
    ] {
        match (with(dir.path(), &settings), refused) {
            (Ok(config), None) => {
                assert_eq!(config.listening.requires_client_certificates(), settings.len() > 2);
            }
            (Err(text), Some(name)) => {
                let named = format!("- TRADOVATE_PROXY_{name} (environment): 0.0.0.0:");
                assert!(text.contains(&named) && text.starts_with("1 problem"), "{settings:?}: {text}");
                assert!(text.contains("TRADOVATE_PROXY_TLS_CLIENT_CA"), "{text}");
            }
            (outcome, _) => panic!("{settings:?}: {outcome:?}"),
        }
    }
}

#[test]
fn another_certificate_is_taken_at_once_and_tls_itself_at_a_restart() {
    let (dir, other) = (files(), files());
    let loaded = |settings: &[(&str, &str)]| with(dir.path(), settings).unwrap();
    let between =
        |running: &Config, new: &Config| Difference::between(running, new).settings().collect::<Vec<_>>();
    let mut running = loaded(&TLS);
    assert_eq!(between(&running, &loaded(&TLS)), []);
    // Other content under the same names.
    for name in ["cert.pem", "key.pem"] {
        fs::copy(other.path().join(name), dir.path().join(name)).unwrap();
    }
    let new = loaded(&TLS);
    let difference = Difference::between(&running, &new);
    assert_eq!(between(&running, &new), [("tls.cert", Applies::ToTls)]);
    running.adopt(new.clone(), &difference);
    assert_eq!(between(&running, &new), []);
    // An authority for clients where there was none; and none where there was one, which would open the door.
    let mutual = loaded(&[TLS[0], TLS[1], ("TLS_CLIENT_CA", "DIR/cert.pem")]);
    let expected = [("tls.cert", Applies::AtRestart), ("tls.client-ca", Applies::AtRestart)];
    assert_eq!(between(&running, &mutual), expected);
    assert_eq!(between(&mutual, &running), expected);
    let plain = loaded(&[]);
    let expected = [("tls.cert", Applies::AtRestart), ("tls.key", Applies::AtRestart)];
    assert_eq!(between(&running, &plain), expected);
    assert_eq!(between(&plain, &running), expected);
}

#[test]
fn the_commands_ask_by_a_socket_if_there_is_one() {
    let asked = |settings: &[(&str, &str)]| {
        Desk::find(&Flags::default(), &environment(settings)).map(|desk| desk.address.to_string())
    };
    let both = ("TRADOVATE_PROXY_ADMIN_LISTEN", "127.0.0.1:1,unix:/run/admin.sock");
    let tls = ("TRADOVATE_PROXY_ADMIN_TLS", "yes");
    assert_eq!(asked(&[both]).unwrap(), "unix:/run/admin.sock");
    assert_eq!(asked(&[both, tls]).unwrap(), "unix:/run/admin.sock");
    let text = asked(&[("TRADOVATE_PROXY_ADMIN_LISTEN", "127.0.0.1:1"), tls]).unwrap_err().to_string();
    assert!(text.contains("add a Unix socket"), "{text}");
}

#[test]
fn a_slip_in_the_file_keeps_nobody_from_the_kill_switch() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("proxy.toml");
    let found = |text: &str, address: Option<&str>| {
        fs::write(&path, text).unwrap();
        let file = ("TRADOVATE_PROXY_CONFIG", path.to_str().unwrap());
        let named = address.map(|address| ("TRADOVATE_PROXY_ADMIN_LISTEN", address));
        let environment = [file].into_iter().chain(named).collect();
        Desk::find(&Flags::default(), &environment).map(|desk| (desk.address.to_string(), desk.mistakes > 0))
    };
    let at = |address: &str| Ok::<_, String>((address.to_owned(), true));
    let shown = |found: Result<_, ConfigErrors>| found.map_err(|errors| errors.to_string());
    assert_eq!(shown(found("workrs = 3\nadmin-listen = '127.0.0.1:7'", None)), at("127.0.0.1:7"));
    assert_eq!(shown(found("workrs = 3", None)), at("127.0.0.1:9464"));
    assert_eq!(shown(found("admin-listen = '127.0.0.1:7'\nworkers = = 3", None)), at("127.0.0.1:7"));
    assert_eq!(shown(found("workers = = 3", Some("127.0.0.1:8"))), at("127.0.0.1:8"));
    // It may have named another one.
    for text in ["workers = = 3", "admin-listn = '127.0.0.1:7'", "admin-listen = 7"] {
        found(text, None).expect_err(text);
    }
    fs::remove_file(&path).unwrap();
    let missing = [("TRADOVATE_PROXY_CONFIG", path.to_str().unwrap())].into_iter().collect();
    assert!(Desk::find(&Flags::default(), &missing).is_err());
}
