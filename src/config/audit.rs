//! Whether, where and how orders are written down.

use std::path::{Path, PathBuf};

use crate::{
    audit::{AuditKey, Fsync, OnFailure, Options},
    auth::Store,
    config::{
        ConfigErrors, Environment, Flags,
        layers::Layers,
        setting as s, state_dir,
        value::{self, Invalid},
    },
};

/// Where the log is and what it is linked with, and nothing else: for looking at it.
pub fn audit_place(
    flags: &Flags,
    environment: &Environment,
) -> Result<(PathBuf, Option<AuditKey>), ConfigErrors> {
    let mut layers = Layers::new(flags, environment);
    let state_dir = state_dir(&mut layers);
    let place = (directory(&mut layers, &state_dir), key(&mut layers));
    if layers.problems.is_empty() { Ok(place) } else { Err(ConfigErrors(layers.problems)) }
}

/// Each is looked at, whether there is a log or not.
pub(super) fn read(layers: &mut Layers<'_>, state_dir: &Path, store: &Store) -> Option<Options> {
    let options = Options {
        directory: directory(layers, state_dir),
        key: key(layers),
        fsync: layers.value(&s::AUDIT_FSYNC, |text| match text {
            "always" => Ok(Fsync::Always),
            "interval" => Ok(Fsync::Interval),
            "never" => Ok(Fsync::Never),
            _ => Err(Invalid::Choice { of: "always, interval, never" }),
        }),
        on_failure: layers.value(&s::AUDIT_ON_FAILURE, |text| match text {
            "refuse" => Ok(OnFailure::Refuse),
            "go-on" => Ok(OnFailure::GoOn),
            _ => Err(Invalid::Choice { of: "refuse, go-on" }),
        }),
        // The newest file is read whole at each start.
        rotate_bytes: layers.value(&s::AUDIT_ROTATE_SIZE, |text| value::size(text, 64 << 10..=256 << 20))
            as u64,
        keep: layers.value(&s::AUDIT_KEEP, |text| value::count(text, 2..=100_000)),
    };
    let wanted = layers.optional(&s::AUDIT_LOG, |text| match text {
        "file" => Ok(true),
        "none" => Ok(false),
        _ => Err(Invalid::Choice { of: "file, none" }),
    });
    // Who keeps no session on the disk has perhaps none.
    let is_wanted = wanted.unwrap_or_else(|| {
        let is_wanted = matches!(store, Store::File { .. });
        layers.settle(&s::AUDIT_LOG, if is_wanted { "file" } else { "none" }.to_owned());
        is_wanted
    });
    is_wanted.then_some(options)
}

fn directory(layers: &mut Layers<'_>, state_dir: &Path) -> PathBuf {
    layers.optional(&s::AUDIT_DIR, |text| Ok(PathBuf::from(text))).unwrap_or_else(|| {
        let directory = state_dir.join("audit");
        layers.settle(&s::AUDIT_DIR, directory.display().to_string());
        directory
    })
}

fn key(layers: &mut Layers<'_>) -> Option<AuditKey> {
    layers.optional(&s::AUDIT_KEY, |text| AuditKey::parse(text).ok_or(Invalid::Key))
}
