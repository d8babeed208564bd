//! The configuration file: TOML, flattened to the keys of the [table](super::setting::SETTINGS).

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use secrecy::zeroize::Zeroizing;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

#[cfg(any(test, fuzzing))]
use crate::config::setting::UPSTREAM_CA;
use crate::config::{
    problem::{Fault, Problem, Source, closest},
    secret_file::READABLE_BY_OTHERS,
    setting::{CONFIG, Kind, SETTINGS},
};

/// What a configuration file says, by key.
#[derive(Default)]
pub(super) struct ConfigFile {
    path: PathBuf,
    entries: BTreeMap<String, Entry>,
}

/// A value as text, and the line that its key stands in.
pub(super) struct Entry {
    pub(super) value: Zeroizing<String>,
    line: usize,
}

impl ConfigFile {
    /// Reads the file that `name`, found in `source`, names. What is wrong with it goes to `problems`; what is
    /// right is kept, so that the other settings can still be judged.
    pub(super) fn read(path: &Path, name: &str, source: &Source, problems: &mut Vec<Problem>) -> Self {
        let mut file = Self { path: path.to_owned(), entries: BTreeMap::new() };
        match contents(path) {
            Ok((text, mode)) => {
                file.parse(&text, problems);
                file.check_names(problems);
                file.check_exposure(mode, problems);
            }
            Err(error) => problems.push(Problem {
                name: name.to_owned(),
                source: source.clone(),
                fault: Fault::Unreadable { path: path.to_owned(), error },
            }),
        }
        file
    }

    /// The same of a text, without what it would have read from other files: for fuzzing.
    #[cfg(any(test, fuzzing))]
    pub(super) fn of_text(text: &str, problems: &mut Vec<Problem>) -> Self {
        let mut file = Self::default();
        file.parse(text, problems);
        file.entries.retain(|key, _| !key.ends_with("-file") && key != UPSTREAM_CA.key);
        file.check_names(problems);
        file
    }

    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.get(key)
    }

    pub(super) fn source(&self, entry: &Entry) -> Source {
        self.at(entry.line)
    }

    fn parse(&mut self, text: &str, problems: &mut Vec<Problem>) {
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            problems.push(Problem {
                name: "configuration file".to_owned(),
                source: self.at(line_of(text, error.span().map_or(0, |span| span.start))),
                fault: Fault::Syntax { message: error.message().to_owned() },
            });
        }
        self.flatten(text, "", table.get_ref(), problems);
    }

    fn flatten(&mut self, text: &str, prefix: &str, table: &DeTable<'_>, problems: &mut Vec<Problem>) {
        for (key, value) in table {
            let name = format!("{prefix}{}", key.get_ref());
            let line = line_of(text, key.span().start);
            match as_text(value) {
                Leaf::Text(value) => {
                    self.entries.insert(name, Entry { value: Zeroizing::new(value), line });
                }
                Leaf::Table(inner) => self.flatten(text, &format!("{name}."), inner, problems),
                Leaf::Other(found) => {
                    problems.push(Problem { name, source: self.at(line), fault: Fault::Type { found } });
                }
            }
        }
    }

    fn check_names(&self, problems: &mut Vec<Problem>) {
        // A file that names another file would be read never.
        let settings = || SETTINGS.iter().filter(|setting| setting.key != CONFIG.key);
        let files: Vec<String> = settings().filter_map(|setting| setting.file_key()).collect();
        let known = || settings().map(|setting| setting.key).chain(files.iter().map(String::as_str));
        for (key, entry) in &self.entries {
            if !known().any(|known| known == key) {
                let meant = closest(key, known()).map(str::to_owned);
                problems.push(Problem {
                    name: key.clone(),
                    source: self.source(entry),
                    fault: Fault::Unknown { meant },
                });
            }
        }
    }

    fn check_exposure(&self, mode: u32, problems: &mut Vec<Problem>) {
        if mode & READABLE_BY_OTHERS == 0 {
            return;
        }
        for setting in SETTINGS.iter().filter(|setting| setting.kind == Kind::Secret) {
            if let Some(entry) = self.entries.get(setting.key) {
                problems.push(Problem {
                    name: setting.key.to_owned(),
                    source: self.source(entry),
                    fault: Fault::Exposed { path: self.path.clone(), mode: mode & 0o777 },
                });
            }
        }
    }

    fn at(&self, line: usize) -> Source {
        Source::File { path: self.path.clone(), line }
    }
}

/// The text of a file and its mode, from one open file, so that both belong together.
fn contents(path: &Path) -> io::Result<(Zeroizing<String>, u32)> {
    let mut file = File::open(path)?;
    let mode = file.metadata()?.mode();
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text)?;
    Ok((text, mode))
}

enum Leaf<'t> {
    Text(String),
    Table(&'t DeTable<'t>),
    Other(&'static str),
}

fn as_text<'t>(value: &'t Spanned<DeValue<'t>>) -> Leaf<'t> {
    match value.get_ref() {
        DeValue::String(text) => Leaf::Text(text.to_string()),
        // With its underscores gone; another radix than ten is nobody's need.
        DeValue::Integer(number) if number.radix() == 10 => Leaf::Text(number.as_str().to_owned()),
        DeValue::Boolean(yes) => Leaf::Text(if *yes { "yes" } else { "no" }.to_owned()),
        DeValue::Array(entries) => {
            let texts: Option<Vec<_>> = entries.iter().map(|entry| entry.get_ref().as_str()).collect();
            texts.map_or(Leaf::Other("a list with other things than texts"), |texts| {
                Leaf::Text(texts.join(","))
            })
        }
        DeValue::Table(table) => Leaf::Table(table),
        DeValue::Integer(_) => Leaf::Other("a number in another base than ten"),
        DeValue::Float(_) => Leaf::Other("a fraction"),
        DeValue::Datetime(_) => Leaf::Other("a date or time"),
    }
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text.as_bytes().iter().take(at).filter(|&&byte| byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    fn read(text: &str, mode: u32) -> (ConfigFile, Vec<Problem>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("proxy.toml");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let mut problems = Vec::new();
        let file = ConfigFile::read(&path, "--config", &Source::Flag, &mut problems);
        (file, problems)
    }

    #[test]
    fn tables_dots_and_types_flatten_to_keys() {
        let (file, problems) = read(
            "listen = '127.0.0.1:1'\nupstream-http2 = true\ntimeouts.connect = '2s'\ncontent-types = ['a/b', 'c/d']\n\
             [limits]\nconnections = 1_000\n",
            0o644,
        );
        assert!(problems.is_empty(), "{problems:?}");
        for (key, value) in [
            ("listen", "127.0.0.1:1"),
            ("upstream-http2", "yes"),
            ("timeouts.connect", "2s"),
            ("content-types", "a/b,c/d"),
            ("limits.connections", "1000"),
        ] {
            assert_eq!(file.get(key).unwrap().value.as_str(), value, "{key}");
        }
        assert!(matches!(file.source(file.get("limits.connections").unwrap()), Source::File { line: 6, .. }));
    }

    #[test]
    fn every_mistake_is_reported_with_its_line() {
        let (file, problems) = read(
            "lisen = 'x'\n[timeouts]\nconnect = 1.5\n[credentials]\npassword = 'canary'\nx = = 1\n[log]\na = 1\n",
            0o640,
        );
        let text = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        for expected in [
            "lisen (",
            ":1): unknown; did you mean listen?",
            "timeouts.connect (",
            ":3): a fraction",
            "credentials.password (",
            ":5): a secret in a file that others may read (its mode is 640)",
            "chmod 600 ",
            ":6): not valid TOML",
            "log.a (",
        ] {
            assert!(text.contains(expected), "no {expected:?} in:\n{text}");
        }
        assert!(!text.contains("canary"), "{text}");
        assert_eq!(file.get("credentials.password").unwrap().value.as_str(), "canary");
    }

    #[test]
    fn a_file_for_its_owner_alone_may_hold_secrets() {
        let (_, problems) = read("[credentials]\npassword = 'p'\nsec = 's'\n", 0o600);
        assert!(problems.is_empty(), "{problems:?}");
        let (_, problems) = read("config = 'other.toml'\n", 0o600);
        assert!(matches!(problems[..], [Problem { fault: Fault::Unknown { .. }, .. }]));
    }
}
