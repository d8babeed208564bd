//! The table of settings for people: in help, in the README, and with the values of this start.

use std::fmt::Write as _;

use crate::config::{
    layers::Value,
    setting::{Kind, SETTINGS},
};

/// The settings for `--help`: variable, form, default and meaning.
pub fn help() -> String {
    let mut out = String::from(
        "Settings (flag, else environment, else TOML file, else default; credentials also as NAME_FILE):\n",
    );
    for setting in SETTINGS.iter() {
        let plain = |text: &str| text.replace('`', "");
        let flag = setting.flag.map(|flag| format!(" ({flag})")).unwrap_or_default();
        let (what, default) = (plain(setting.what), plain(&setting.default.to_string()));
        let _ = write!(out, "\n  {}={}{flag}\n      {what} [{default}]", setting.env, setting.form);
    }
    out
}

/// The settings as a markdown table, for the README. A test holds both together.
pub fn readme_table() -> String {
    let mut out = String::from("| variable | TOML key | flag | default | what |\n|---|---|---|---|---|\n");
    for setting in SETTINGS.iter() {
        let flag = setting.flag.map(|flag| format!("`{flag}`")).unwrap_or_default();
        let default =
            setting.default.text().map_or_else(|| setting.default.to_string(), |text| format!("`{text}`"));
        let file = if setting.is_credential() { " or `…_FILE`" } else { "" };
        let what = setting.what.replace('|', "\\|");
        let _ =
            writeln!(out, "| `{}`{file} | `{}` | {flag} | {default} | {what} |", setting.env, setting.key);
    }
    out
}

/// Each value and where it came from, in the order of the table.
pub(super) fn values(values: &[Value]) -> String {
    let width = values.iter().map(|value| value.setting.key.len()).max().unwrap_or(0);
    let mut out = String::new();
    let in_order =
        SETTINGS.iter().filter_map(|&setting| values.iter().find(|value| value.setting.key == setting.key));
    for Value { setting, shown, source, .. } in in_order {
        debug_assert!(
            setting.kind != Kind::Secret
                || shown.starts_with("set (")
                || *shown == setting.default.to_string()
        );
        let _ = writeln!(out, "{:width$} = {shown}  ({source})", setting.key);
    }
    out
}

#[cfg(test)]
mod tests {
    use std::{env, fs, path::Path};

    use super::*;

    /// Run with `UPDATE_README=1` to write the table instead of comparing it.
    #[test]
    fn the_readme_has_this_table() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(README);
        let readme = fs::read_to_string(&path).unwrap();
        let (before, rest) = readme.split_once(BEGIN).unwrap();
        let (table, after) = rest.split_once(END).unwrap();
        let expected = format!("\n{}", readme_table());
        if env::var_os("UPDATE_README").is_some() {
            fs::write(&path, format!("{before}{BEGIN}{expected}{END}{after}")).unwrap();
        } else {
            assert!(table == expected, "{README} is out of date: run this test with UPDATE_README=1");
        }
    }

    const README: &str = "README.md";
    const BEGIN: &str = "<!-- settings -->";
    const END: &str = "<!-- settings end -->";
}
