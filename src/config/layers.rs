//! One setting's value from four places: flag, then environment, then file, then default.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fmt,
    path::{Path, PathBuf},
};

use secrecy::{SecretString, zeroize::Zeroizing};

use crate::config::{
    environment::Environment,
    file::ConfigFile,
    look::Look,
    problem::{Fault, Problem, Source, closest},
    secret_file::{self, Exposed},
    setting::{CONFIG, Kind, SETTINGS, Setting},
    value::Invalid,
};

/// Values from the command line, by flag name without its dashes.
#[derive(Clone, Debug, Default)]
pub struct Flags(BTreeMap<&'static str, String>);

impl FromIterator<(&'static str, String)> for Flags {
    fn from_iter<I: IntoIterator<Item = (&'static str, String)>>(flags: I) -> Self {
        Self(flags.into_iter().collect())
    }
}

/// Where values come from, and what was found and found wrong so far.
pub(super) struct Layers<'a> {
    flags: &'a Flags,
    environment: &'a Environment,
    file: ConfigFile,
    pub(super) problems: Vec<Problem>,
    pub(super) values: Vec<Value>,
    pub(super) exposed: Vec<Exposed>,
    pub(super) look: Look,
}

/// A setting's value as it will be shown and compared, and where it comes from. `Debug` says only the latter: the
/// value is in a field of its own already.
#[derive(Clone)]
pub(super) struct Value {
    pub(super) setting: &'static Setting,
    /// As it was written, or the default in the same form; `None` where there is no fixed one.
    pub(super) text: Option<SecretString>,
    pub(super) shown: String,
    pub(super) source: Source,
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} from {}", self.setting.key, self.source)
    }
}

/// Why a credential cannot be done without.
#[derive(Clone, Copy)]
pub(super) struct Need {
    /// What it is needed for: "to …", "by …".
    pub(super) to: &'static str,
    /// Where a user gets it.
    pub(super) whence: &'static str,
}

/// A value that somebody set.
struct Found {
    text: Zeroizing<String>,
    /// What the user called it.
    name: String,
    source: Source,
    /// The mode of the file that it is from, if others can read that.
    lax: Option<u32>,
}

impl<'a> Layers<'a> {
    /// Reads the configuration file, if one is named.
    pub(super) fn new(flags: &'a Flags, environment: &'a Environment) -> Self {
        let mut layers = Self {
            flags,
            environment,
            file: ConfigFile::default(),
            problems: Vec::new(),
            values: Vec::new(),
            exposed: Vec::new(),
            look: Look::default(),
        };
        if let Some(found) = layers.found(&CONFIG) {
            let path = PathBuf::from(found.text.as_str());
            layers.looks_at(&path);
            layers.file = ConfigFile::read(&path, &found.name, &found.source, &mut layers.problems);
            layers.note(&CONFIG, found.text.to_string(), Some(&found.text), found.source);
        } else {
            layers.note(&CONFIG, CONFIG.default.to_string(), None, Source::Default);
        }
        layers
    }

    /// With a text in the place of the configuration file: for fuzzing.
    #[cfg(any(test, fuzzing))]
    pub(super) fn with_file(mut self, text: &str) -> Self {
        self.file = ConfigFile::of_text(text, &mut self.problems);
        self
    }

    /// Reports variables that look like ours and are not: a misspelt guard would not guard.
    pub(super) fn check_names(&mut self) {
        let files: Vec<String> = SETTINGS.iter().filter_map(|setting| setting.file_env()).collect();
        let known = || SETTINGS.iter().map(|setting| setting.env).chain(files.iter().map(String::as_str));
        for name in self.environment.ours() {
            if !known().any(|known| known == name) && !is_service_link(name, self.environment.get(name)) {
                let meant = closest(name, known()).map(str::to_owned);
                let fault = Fault::Unknown { meant };
                self.problems.push(Problem { name: name.to_owned(), source: Source::Environment, fault });
            }
        }
    }

    /// A setting with a default.
    ///
    /// Where the value is wrong, that is noted and the default stands in: the whole configuration will be
    /// refused, but first the rest of it is looked at.
    pub(super) fn value<T>(
        &mut self,
        setting: &'static Setting,
        parse: impl Fn(&str) -> Result<T, Invalid>,
    ) -> T {
        if let Some(value) = self.optional(setting, &parse) {
            return value;
        }
        let default = setting.default.text().unwrap_or_default();
        parse(&default).expect("a default is a valid value: a test loads them all")
    }

    /// A setting without a fixed default: `None` when nobody set it, or when it is wrong, which is noted.
    pub(super) fn optional<T>(
        &mut self,
        setting: &'static Setting,
        parse: impl Fn(&str) -> Result<T, Invalid>,
    ) -> Option<T> {
        let Some(Found { text, name, source, lax: _ }) = self.found(setting) else {
            // A problem with its source may be why: it is shown as the default then, and never used.
            self.note(setting, setting.default.to_string(), None, Source::Default);
            return None;
        };
        match parse(&text) {
            Ok(value) => {
                self.note(setting, shown(setting, &text), Some(&text), source);
                Some(value)
            }
            Err(why) => {
                let harmless = !setting.is_credential() && !text.contains('@');
                let value = harmless.then(|| text.to_string());
                self.problems.push(Problem { name, source, fault: Fault::Invalid { value, why } });
                None
            }
        }
    }

    /// A credential; `None` after noting that it is wrong, or missing where it is needed.
    pub(super) fn credential<T>(
        &mut self,
        setting: &'static Setting,
        need: Option<Need>,
        parse: impl Fn(&str) -> Result<T, Invalid>,
    ) -> Option<T> {
        let problems = self.problems.len();
        let value = self.optional(setting, parse);
        if let (None, Some(Need { to, whence })) = (&value, need)
            && self.problems.len() == problems
        {
            self.problems.push(Problem {
                name: setting.env.to_owned(),
                source: Source::Default,
                fault: Fault::Missing { to, key: setting.key, whence },
            });
        }
        value
    }

    /// Notes a problem with a setting whose value has its form, but cannot stand.
    pub(super) fn refuse(&mut self, setting: &'static Setting, fault: Fault) {
        let source = self.source(setting);
        let name = match &source {
            Source::Flag => setting.flag.unwrap_or(setting.key),
            Source::File { .. } => setting.key,
            Source::Default | Source::Environment | Source::SecretFile(_) => setting.env,
        };
        self.problems.push(Problem { name: name.to_owned(), source, fault });
    }

    /// Notes what a setting without a fixed default came to.
    pub(super) fn settle(&mut self, setting: &'static Setting, shown: String) {
        if let Some(value) = self.values.iter_mut().find(|value| value.setting.key == setting.key) {
            value.shown = shown;
        }
    }

    /// A variable that is no setting of ours, such as `HOME`.
    pub(super) fn foreign(&self, name: &str) -> Option<PathBuf> {
        self.environment.get(name).map(PathBuf::from)
    }

    /// Whether anybody set it.
    pub(super) fn is_set(&self, setting: &'static Setting) -> bool {
        self.source(setting) != Source::Default
    }

    fn source(&self, setting: &'static Setting) -> Source {
        let value = self.values.iter().find(|value| value.setting.key == setting.key);
        value.map_or(Source::Default, |value| value.source.clone())
    }

    /// Notes a file that a value is about to be read from: it is read again when it changes.
    pub(super) fn looks_at(&mut self, path: &Path) {
        self.look.note(path);
    }

    fn note(&mut self, setting: &'static Setting, shown: String, text: Option<&str>, source: Source) {
        let text = text.map(str::to_owned).or_else(|| setting.default.text());
        self.values.push(Value { setting, text: text.map(SecretString::from), shown, source });
    }

    fn found(&mut self, setting: &'static Setting) -> Option<Found> {
        let flag = setting.flag.zip(setting.flag_name().and_then(|name| self.flags.0.get(name)));
        let outcome = if let Some((flag, text)) = flag {
            Ok(Some(Found {
                text: Zeroizing::new(text.clone()),
                name: flag.to_owned(),
                source: Source::Flag,
                lax: None,
            }))
        } else {
            match self.in_environment(setting) {
                Ok(None) => self.in_file(setting),
                outcome => outcome,
            }
        };
        match outcome.and_then(|found| found.map(checked).transpose()) {
            Ok(found) => {
                self.exposed.extend(found.as_ref().and_then(|found| exposed(setting, found)));
                found
            }
            Err(problem) => {
                self.problems.push(*problem);
                None
            }
        }
    }

    fn in_environment(&mut self, setting: &'static Setting) -> Result<Option<Found>, Box<Problem>> {
        let problem = |name: &str, fault| {
            Box::new(Problem { name: name.to_owned(), source: Source::Environment, fault })
        };
        let text = |name: &str| match self.environment.get(name).map(|value| value.to_str()) {
            None => Ok(None),
            Some(None) => Err(problem(name, Fault::NotText)),
            Some(Some(text)) => Ok(Some(Zeroizing::new(text.to_owned()))),
        };
        let value = text(setting.env)?;
        let file = setting.file_env();
        let path = file.as_deref().map_or(Ok(None), text)?;
        match (value, file.zip(path)) {
            (None, None) => Ok(None),
            (Some(text), None) => {
                let name = setting.env.to_owned();
                Ok(Some(Found { text, name, source: Source::Environment, lax: None }))
            }
            (None, Some((name, path))) if path.is_empty() => Err(problem(&name, Fault::Empty)),
            (None, Some((name, path))) => {
                from_file(setting, &mut self.look, name, PathBuf::from(path.as_str())).map(Some)
            }
            (Some(_), Some((other, _))) => Err(problem(setting.env, Fault::Both { other })),
        }
    }

    fn in_file(&mut self, setting: &'static Setting) -> Result<Option<Found>, Box<Problem>> {
        let value = self.file.get(setting.key);
        let file = setting.file_key();
        let path = file.as_deref().and_then(|key| self.file.get(key));
        match (value, file.zip(path)) {
            (None, None) => Ok(None),
            (Some(entry), None) => Ok(Some(Found {
                text: entry.value.clone(),
                name: setting.key.to_owned(),
                source: self.file.source(entry),
                lax: None,
            })),
            (None, Some((key, entry))) => {
                from_file(setting, &mut self.look, key, PathBuf::from(entry.value.as_str())).map(Some)
            }
            (Some(entry), Some((other, _))) => Err(Box::new(Problem {
                name: setting.key.to_owned(),
                source: self.file.source(entry),
                fault: Fault::Both { other },
            })),
        }
    }
}

/// The value that stands in a file of its own.
fn from_file(setting: &Setting, look: &mut Look, name: String, path: PathBuf) -> Result<Found, Box<Problem>> {
    look.note(&path);
    match secret_file::read(&path) {
        Ok((text, mode)) => {
            let text = if setting.kind == Kind::Digests { secret_file::entries(&text) } else { text };
            let lax = (mode & secret_file::READABLE_BY_OTHERS != 0).then_some(mode);
            Ok(Found { text, name, source: Source::SecretFile(path), lax })
        }
        Err(fault) => {
            // The other faults name the file themselves.
            let source =
                if matches!(fault, Fault::NotText) { Source::SecretFile(path) } else { Source::Environment };
            Err(Box::new(Problem { name, source, fault }))
        }
    }
}

/// That others can read the file of a secret.
fn exposed(setting: &Setting, found: &Found) -> Option<Exposed> {
    let Source::SecretFile(path) = &found.source else { return None };
    let mode = found.lax.filter(|_| setting.kind == Kind::Secret)?;
    Some(Exposed { name: found.name.clone(), path: path.clone(), mode })
}

/// No setting is empty, and none has control characters.
fn checked(found: Found) -> Result<Found, Box<Problem>> {
    let fault = if found.text.is_empty() {
        Fault::Empty
    } else if found.text.contains(char::is_control) {
        Fault::NotALine
    } else {
        return Ok(found);
    };
    Err(Box::new(Problem { name: found.name, source: found.source, fault }))
}

fn shown(setting: &Setting, text: &str) -> String {
    match setting.kind {
        Kind::Plain | Kind::Credential => text.to_owned(),
        Kind::Digests | Kind::Secret => "set (hidden)".to_owned(),
    }
}

/// Whether Kubernetes made this variable: in a namespace with a Service called `tradovate…`, every container
/// gets `<SERVICE>_SERVICE_HOST`, `<SERVICE>_PORT_8080_TCP_ADDR` and their kin, and must start all the same.
fn is_service_link(name: &str, value: Option<&OsStr>) -> bool {
    // `<SERVICE>_PORT` holds `tcp://address:port`; with a bare number it is somebody's guess at a setting.
    let is_url = value.and_then(OsStr::to_str).is_some_and(|value| value.contains("://"));
    let is_link = |at: usize| {
        let rest = &name[at + PORT.len()..];
        rest.is_empty() && is_url
            || rest.strip_prefix('_').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    name.contains("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.match_indices(PORT).any(|(at, _)| is_link(at))
}

const PORT: &str = "_PORT";

/// A secret's parser: anything goes.
#[expect(clippy::unnecessary_wraps, reason = "the form of every parser")]
pub(super) fn secret(text: &str) -> Result<SecretString, Invalid> {
    Ok(SecretString::from(text))
}

/// The parser of free text.
#[expect(clippy::unnecessary_wraps, reason = "the form of every parser")]
pub(super) fn text(text: &str) -> Result<String, Invalid> {
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubernetes_service_links_are_not_ours() {
        for link in [
            "TRADOVATE_PROXY_SERVICE_HOST",
            "TRADOVATE_PROXY_SERVICE_PORT",
            "TRADOVATE_PROXY_SERVICE_PORT_HTTP",
            "TRADOVATE_PROXY_PORT",
            "TRADOVATE_PROXY_PORT_8080_TCP",
            "TRADOVATE_PROXY_PORT_8080_TCP_ADDR",
        ] {
            assert!(is_service_link(link, Some(OsStr::new("tcp://10.0.0.7:8080"))), "{link}");
        }
        for own in ["TRADOVATE_PROXY_PORTS", "TRADOVATE_PROXY_PORT_X", "TRADOVATE_PASWORD"] {
            assert!(!is_service_link(own, None), "{own}");
        }
        assert!(!is_service_link("TRADOVATE_PROXY_PORT", Some(OsStr::new("9000"))));
        assert!(!SETTINGS.iter().any(|setting| is_service_link(setting.env, None)));
    }
}
