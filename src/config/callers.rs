//! Who may call each listener.

use crate::{
    callers::{Keys, Rules},
    config::{
        layers::{Layers, secret},
        setting::{self as s, Setting},
        value::{self, Invalid},
    },
};

/// For the proxy's listener.
pub(super) fn callers(layers: &mut Layers<'_>) -> Rules {
    Rules {
        hosts: layers.optional(&s::HOSTS, value::host_names).unwrap_or_default(),
        origins: layers.optional(&s::ALLOW_ORIGINS, value::web_origins).unwrap_or_default(),
        keys: keys(layers, &s::CALLER_KEYS),
    }
}

/// For the admin listener, on which no page has any business.
pub(super) fn operators(layers: &mut Layers<'_>) -> Rules {
    // Used by the commands that ask a running proxy; here it only must have its form.
    layers.optional(&s::ADMIN_KEY, secret);
    Rules {
        hosts: layers.optional(&s::ADMIN_HOSTS, value::host_names).unwrap_or_default(),
        origins: Vec::new(),
        keys: keys(layers, &s::ADMIN_KEYS),
    }
}

fn keys(layers: &mut Layers<'_>, setting: &'static Setting) -> Keys {
    layers.optional(setting, |text| Ok::<Keys, Invalid>(text.parse()?)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;
    use crate::{
        callers::mint,
        config::{Config, ConfigErrors, Flags, Purpose},
    };

    const LOGIN: [(&str, &str); 5] = [
        ("TRADOVATE_NAME", "n"),
        ("TRADOVATE_PASSWORD", "p"),
        ("TRADOVATE_APP_ID", "a"),
        ("TRADOVATE_CID", "1"),
        ("TRADOVATE_SEC", "s"),
    ];

    fn load(more: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
        let environment = LOGIN.iter().chain(more).copied().collect();
        Config::load(Purpose::Serve, &Flags::default(), &environment)
    }

    #[test]
    fn each_setting_reaches_its_listener() {
        let (desk, scraper) = (mint("desk").unwrap(), mint("scraper").unwrap());
        let config = load(&[
            ("TRADOVATE_PROXY_HOSTS", "proxy.internal, [fd00::5]"),
            ("TRADOVATE_PROXY_ADMIN_HOSTS", "metrics.internal"),
            ("TRADOVATE_PROXY_ALLOW_ORIGINS", "Chrome-Extension://abc,http://a.example:3000"),
            ("TRADOVATE_PROXY_CALLER_KEYS", &desk.entry),
            ("TRADOVATE_PROXY_ADMIN_KEYS", &scraper.entry),
        ])
        .unwrap();
        let keys = |minted: &str| minted.parse::<Keys>().unwrap();
        let expected = Rules {
            hosts: vec!["proxy.internal".parse().unwrap(), "fd00::5".parse().unwrap()],
            origins: vec!["chrome-extension://abc".to_owned(), "http://a.example:3000".to_owned()],
            keys: keys(&desk.entry),
        };
        assert_eq!(config.callers, expected);
        let hosts = vec!["metrics.internal".parse().unwrap()];
        assert_eq!(config.operators, Rules { hosts, origins: Vec::new(), keys: keys(&scraper.entry) });
        assert_eq!(load(&[]).unwrap().callers, Rules::default());
        assert!(!config.redacted().contains("sha256"), "{}", config.redacted());
    }

    #[test]
    fn a_file_has_a_key_a_line_and_comments_and_may_be_read_by_others() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("callers");
        let (old, new) = (mint("desk").unwrap().entry, mint("desk").unwrap().entry);
        let read = |text: &str| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            load(&[("TRADOVATE_PROXY_CALLER_KEYS_FILE", path.to_str().unwrap())])
        };
        let config = read(&format!("# of 2026\r\n{old}   # until Friday\r\n\r\n  {new}\n#{old}\n")).unwrap();
        assert_eq!(config.callers.keys, format!("{old},{new}").parse().unwrap());
        assert!(config.exposed().is_empty());
        // A list that lost its last key must not open the door.
        for empty in ["", "\n", "# nobody\n"] {
            assert!(read(empty).unwrap_err().to_string().contains("set, but empty"), "{empty:?}");
        }
    }

    #[test]
    fn mistakes_are_told_and_a_key_in_the_place_of_a_digest_is_not_repeated() {
        for (name, value, why) in [
            ("TRADOVATE_PROXY_CALLER_KEYS", "desk=tpk_canary", "not NAME=sha256:"),
            ("TRADOVATE_PROXY_ADMIN_KEYS", "local=sha256:canary", "a caller's name is"),
            ("TRADOVATE_PROXY_HOSTS", "0.0.0.0", "not a list of host names"),
            ("TRADOVATE_PROXY_HOSTS", "a:80", "not a list of host names"),
            ("TRADOVATE_PROXY_ADMIN_HOSTS", "*.example", "not a list of host names"),
            ("TRADOVATE_PROXY_ALLOW_ORIGINS", "null", "not a list of origins"),
            ("TRADOVATE_PROXY_ALLOW_ORIGINS", "*", "not a list of origins"),
            ("TRADOVATE_PROXY_ALLOW_ORIGINS", "https://a.example/", "not a list of origins"),
            ("TRADOVATE_PROXY_ALLOW_ORIGINS", "a.example", "not a list of origins"),
            ("TRADOVATE_PROXY_ALLOW_ORIGINS", "app://a,https://A.example:443", "write https://a.example"),
            ("TRADOVATE_PROXY_ALLOW_ORIGINS", "http://[::1]:80", "write http://[::1]"),
        ] {
            let text = load(&[(name, value)]).unwrap_err().to_string();
            assert!(text.contains(name) && text.contains(why), "{text}");
            assert!(!text.contains("canary"), "{text}");
        }
    }

    #[test]
    fn a_listener_beyond_loopback_needs_keys_of_its_own_or_an_unsafe_word() {
        let key = mint("desk").unwrap().entry;
        let open = [("TRADOVATE_PROXY_LISTEN", "0.0.0.0:1"), ("TRADOVATE_PROXY_ADMIN_LISTEN", "[::]:2")];
        let with = |more: &[(&str, &str)]| load(&[&open, more].concat()).map_err(|errors| errors.to_string());
        let (callers, admin) =
            (("TRADOVATE_PROXY_CALLER_KEYS", key.as_str()), ("TRADOVATE_PROXY_ADMIN_KEYS", key.as_str()));
        for (more, refused) in [
            (vec![], vec!["TRADOVATE_PROXY_LISTEN", "TRADOVATE_PROXY_ADMIN_LISTEN"]),
            (vec![callers], vec!["TRADOVATE_PROXY_ADMIN_LISTEN"]),
            (vec![admin], vec!["TRADOVATE_PROXY_LISTEN"]),
        ] {
            let text = with(&more).unwrap_err();
            assert_eq!(text.matches("can be reached from outside").count(), refused.len(), "{text}");
            assert!(refused.iter().all(|name| text.contains(&format!("- {name} "))), "{text}");
            assert!(text.contains("tradovate-proxy key") && text.contains("UNSAFE_OPEN"), "{text}");
        }
        assert!(with(&[callers, admin]).is_ok());
        assert!(with(&[("TRADOVATE_PROXY_UNSAFE_OPEN", "yes")]).is_ok());
    }
}
