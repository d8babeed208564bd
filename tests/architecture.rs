//! The house rules that no compiler holds: which module may name which, how long a file may be, and what no module
//! is called.

#![allow(
    clippy::unwrap_used,
    reason = "clippy lets tests unwrap, but not the functions beside them that tests are made of"
)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A module names only modules of lower floors and itself: that is what lets one be read, and changed, with nothing
/// above it in mind.
const FLOORS: &[(&str, usize)] = &[
    ("clock", 0),
    ("bearer", 0),
    ("hex", 0),
    ("origin", 0),
    ("problem", 0),
    ("http1", 1),
    ("auth", 1),
    ("hygiene", 2),
    ("oauth2", 2),
    ("tradovate", 2),
    ("callers", 3),
    ("idempotency", 3),
    ("upstream", 3),
    ("budget", 3),
    ("downstream", 3),
    ("guard", 3),
    ("audit", 3),
    ("proxy", 4),
    ("admin", 4),
    ("sandbox", 4),
    ("server", 5),
    ("telemetry", 6),
    ("config", 7),
    ("cli", 8),
    ("fuzzing", 8),
    ("app", 9),
];

/// Lines in a file, tests included.
const LONGEST: usize = 400;

/// Files that may be longer, each with the reason.
const LONGER: &[(&str, &str)] = &[];

/// Names that say nothing of what is inside, and so attract everything.
const NAMELESS: &[&str] =
    &["utils", "util", "helpers", "helper", "manager", "common", "misc", "shared", "types"];

#[test]
fn a_module_names_only_lower_floors() {
    let mut upward = Vec::new();
    for file in sources() {
        let own = module_of(&file);
        // lib.rs and main.rs join the modules and are named by none.
        let Some(floor) = floor_of(&own) else { continue };
        let text = code(&fs::read_to_string(&file).unwrap());
        for named in named_modules(&text) {
            let Some(other) = floor_of(&named) else {
                panic!("{} names crate::{named}, which stands on no floor", shown(&file));
            };
            if named != own && other >= floor {
                upward.push(format!("{} (floor {floor}) names crate::{named} (floor {other})", shown(&file)));
            }
        }
    }
    assert!(upward.is_empty(), "\n{}\n", upward.join("\n"));
}

#[test]
fn every_module_stands_on_a_floor() {
    let modules: BTreeSet<String> = sources()
        .iter()
        .map(|file| module_of(file))
        .filter(|name| !["lib", "main"].contains(&&**name))
        .collect();
    let floors: BTreeSet<String> = FLOORS.iter().map(|(module, _)| (*module).to_owned()).collect();
    assert_eq!(modules, floors);
}

#[test]
fn no_file_is_too_long_to_be_read_in_one_go() {
    for file in below("src").into_iter().chain(below("tests")).chain(below("benches")) {
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        let excused = LONGER.iter().any(|(path, _)| *path == shown(&file));
        assert!(
            (lines > LONGEST) == excused,
            "{}: {lines} lines; the limit is {LONGEST}, excused: {excused}",
            shown(&file)
        );
    }
}

#[test]
fn every_module_is_named_for_what_lives_in_it() {
    for file in sources() {
        let path = file.with_extension("");
        for part in path.iter().filter_map(|part| part.to_str()) {
            assert!(!NAMELESS.contains(&part), "{}", shown(&file));
        }
    }
}

#[test]
fn the_names_are_found_in_every_form_of_use() {
    let text = code(
        "use crate::{\n    auth::{self, State}, // crate::comment\n    clock::Clock,\n    upstream,\n};\n\
         use crate::hygiene::Received;\n/// [`crate::doc`]\npub(crate) fn a() -> crate::origin::Origin {}\n\
         const B: &str = \"http://crate::text\\\"\"; const C: char = '\"'; f(r#\"\" crate::raw\"#); use crate::{ proxy::{a::{b, c}, d}, server };",
    );
    let expected = ["auth", "clock", "hygiene", "origin", "proxy", "server", "upstream"];
    assert_eq!(named_modules(&text), expected.map(str::to_owned).into());
}

/// Every source file of the library and the program.
fn sources() -> Vec<PathBuf> {
    let files = below("src");
    assert!(files.len() > 50, "only {} files were found", files.len());
    files
}

/// Every Rust file below a folder of the repository; none where there is no such folder.
fn below(folder: &str) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// The path below the repository.
fn shown(file: &Path) -> String {
    file.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().display().to_string()
}

/// The module right below the crate's root that a file belongs to.
fn module_of(file: &Path) -> String {
    let below = file.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    let first = below.iter().next().unwrap();
    Path::new(first).file_stem().unwrap().to_str().unwrap().to_owned()
}

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().find(|(known, _)| *known == module).map(|(_, floor)| *floor)
}

/// The text without comments and string literals.
fn code(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if next == '"' {
            end_of_string(rest)
        } else if let Some(raw) = RAW.iter().find(|raw| rest.starts_with(*raw)) {
            let end = raw.trim_start_matches('r').chars().rev().collect::<String>();
            raw.len() + rest[raw.len()..].find(&end).unwrap() + end.len()
        } else if QUOTES.iter().any(|quote| rest.starts_with(quote)) {
            rest[1..].find('\'').unwrap() + 2
        } else {
            code.push(next);
            next.len_utf8()
        };
        rest = &rest[skipped..];
    }
    code
}

/// How long the string literal is that `text` begins with.
fn end_of_string(text: &str) -> usize {
    let mut escaped = true;
    for (at, c) in text.char_indices() {
        match c {
            '"' if !escaped => return at + 1,
            '\\' if !escaped => escaped = true,
            _ => escaped = false,
        }
    }
    panic!("a string without end: {text:.60}")
}

const RAW: &[&str] = &["r\"", "r#\"", "r##\""];
/// The character literals that look like the beginning of a string.
const QUOTES: &[&str] = &["'\"'", "'\\\"'"];

/// What follows each `crate::`, braces opened.
fn named_modules(code: &str) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    let starts_a_path =
        |before: Option<char>| before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != '$');
    for (at, _) in code.match_indices("crate::") {
        if !starts_a_path(code[..at].chars().next_back()) {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => named.extend(group_members(group)),
            None => named.extend(identifier(rest)),
        }
    }
    named
}

/// The first identifier of each member of a group, up to the brace that closes it.
fn group_members(group: &str) -> Vec<String> {
    let (mut depth, mut members, mut start) = (0_usize, Vec::new(), 0);
    for (at, c) in group.char_indices() {
        match (c, depth) {
            ('{', _) => depth += 1,
            ('}', 0) => {
                members.push(&group[start..at]);
                break;
            }
            ('}', _) => depth -= 1,
            (',', 0) => {
                members.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    members.into_iter().filter_map(|member| identifier(member.trim_start())).collect()
}

fn identifier(text: &str) -> Option<String> {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    (end > 0).then(|| text[..end].to_owned())
}
