//! Everything that a configuration is read from, kept so that it can be read again.

use crate::config::{Config, ConfigErrors, Environment, Flags, Purpose, layers::Layers, look::Look};

/// Where a configuration comes from. The files that these name are read each time; the rest is as it was when the
/// process started.
#[derive(Clone, Debug)]
pub struct Sources {
    /// What the configuration is for.
    pub purpose: Purpose,
    /// The command line.
    pub flags: Flags,
    /// The environment, with the secrets that have left it since.
    pub environment: Environment,
}

impl Sources {
    /// Reads everything. Asks the disk.
    pub fn read(&self) -> Reading {
        Reading::of(self.purpose, Layers::new(&self.flags, &self.environment))
    }
}

/// A configuration as it was read once.
#[derive(Debug)]
pub struct Reading {
    /// What came of it.
    pub config: Result<Config, ConfigErrors>,
    /// The files that it was read from, or should have been, as they stood just before.
    pub look: Look,
}

impl Reading {
    pub(super) fn of(purpose: Purpose, mut layers: Layers<'_>) -> Self {
        layers.check_names();
        let config = Config::read(purpose, &mut layers);
        let Layers { problems, values, exposed, look, .. } = layers;
        let config = if problems.is_empty() {
            Ok(Config { values, exposed, ..config })
        } else {
            Err(ConfigErrors(problems))
        };
        Self { config, look }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::config::TokenSource;

    #[test]
    fn what_was_read_can_be_read_again_and_every_file_of_it_is_looked_at() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let write = |name: &str, text: &str| {
            fs::write(path(name), text).unwrap();
            fs::set_permissions(path(name), fs::Permissions::from_mode(0o600)).unwrap();
        };
        let ca = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert.pem();
        write("ca.pem", &ca);
        write("password", "first");
        write("sec", "s");
        let toml = format!(
            "upstream-ca = '{}'\n[credentials]\npassword-file = '{}'\n",
            path("ca.pem"),
            path("password")
        );
        write("proxy.toml", &toml);
        let sources = Sources {
            purpose: Purpose::Serve,
            flags: [("config", path("proxy.toml"))].into_iter().collect(),
            environment: [
                ("TRADOVATE_NAME", "n"),
                ("TRADOVATE_APP_ID", "a"),
                ("TRADOVATE_CID", "1"),
                ("TRADOVATE_SEC_FILE", &path("sec")),
            ]
            .into_iter()
            .collect(),
        };

        let password = |reading: Reading| match reading.config.unwrap().source {
            Some(TokenSource::Tradovate(credentials)) => credentials.password,
            other => panic!("{other:?}"),
        };
        let first = sources.read();
        let look = first.look.clone();
        assert_eq!(password(first).expose_secret(), "first");
        assert_eq!(look.again(), look);
        for (name, text) in [
            ("password", "second"),
            ("sec", "t2"),
            ("ca.pem", &ca.repeat(2)),
            ("proxy.toml", &format!("{toml}\n")),
        ] {
            let before = sources.read().look;
            write(name, text);
            assert_ne!(before.again(), before, "{name}");
            assert!(sources.read().config.is_ok(), "{name}");
        }
        assert_eq!(password(sources.read()).expose_secret(), "second");
        // A configuration that cannot be used has files too: it is read again when they are mended.
        write("proxy.toml", "= broken");
        fs::remove_file(path("sec")).unwrap();
        let broken = sources.read();
        assert!(broken.config.is_err());
        for name in ["sec", "proxy.toml"] {
            let before = broken.look.again();
            write(name, "s");
            assert_ne!(before.again(), before, "{name}");
        }
    }
}
