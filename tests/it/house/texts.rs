//! Words that nobody reads, and failures that nobody tells, are taken out.

use std::fmt::Write as _;

use super::{
    settle,
    source::{self, has_word},
};

/// Enums of codes: where each is defined, its name, and where its variants must be used.
const CODES: &[(&str, &str, &[&str])] = &[
    ("src/domain/failure.rs", "Told", &["src/"]),
    ("robots/outcome.rs", "ErrorCode", &["robots/", "src/"]),
];

pub fn every_error_code_is_used() {
    let files = source::files();
    let used_in = |folders: &[&str], but: &str, path: &str| {
        files
            .iter()
            .filter(|file| file.has_extension("rs") && file.path != but && !file.path.contains("test"))
            .filter(|file| folders.iter().any(|folder| file.path.starts_with(folder)))
            .any(|file| has_word(&file.code(), path))
    };
    let mut unused = Vec::new();
    for (file, name, folders) in CODES {
        for variant in variants(&source::text(file), name) {
            let path = format!("{name}::{variant}");
            if !used_in(folders, file, &path) {
                unused.push(path);
            }
        }
    }
    for problem in templates::Problem::ALL {
        let path = format!("Problem::{problem:?}");
        if !used_in(&["src/"], "", &path) {
            unused.push(path);
        }
    }
    settle("Nothing ever answers these; use each where it happens, or take it out with its texts:", &unused);
}

/// Names of the variants of an enum without data.
fn variants(text: &str, name: &str) -> Vec<String> {
    let start = text.find(&format!("pub enum {name} {{")).unwrap_or_else(|| panic!("no enum {name}"));
    let body = &text[start..];
    let body = &body[..body.find("\n}").unwrap()];
    let lines = body.lines().skip(1).map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('/') && !line.starts_with('#'))
        .map(|line| line.trim_end_matches(',').to_owned())
        .collect()
}

pub fn every_sentence_is_shown() {
    let mut pages = String::new();
    for file in source::rust_files("templates/").iter().filter(|file| !file.path.contains("/texts/")) {
        if !file.path.contains("/tests/") && !file.path.contains("/examples/") {
            let _ = write!(pages, "{}", file.code());
        }
    }
    let script = source::text("templates/frame.js");
    let mut unread = Vec::new();
    for (table, field) in fields(&source::text("templates/texts/mod.rs")) {
        let (text, path) = if table == "ScriptTexts" {
            (&script, format!("texts.{field}"))
        } else {
            (&pages, format!(".{field}"))
        };
        // Chains are broken before the dot at times.
        if !text.match_indices(&path).any(|(at, found)| {
            !text[at + found.len()..].chars().next().is_some_and(|next| next.is_alphanumeric() || next == '_')
        }) {
            unread.push(format!("{table}.{field}"));
        }
    }
    settle("No page shows these sentences; show them or take them out of every language:", &unread);
}

/// Struct and field of every text.
fn fields(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut table = String::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("pub struct ") {
            name.trim_end_matches(" {").clone_into(&mut table);
        } else if let Some((field, _)) = line.trim().strip_prefix("pub ").and_then(|line| line.split_once(':')) {
            found.push((table.clone(), field.to_owned()));
        }
    }
    found
}
