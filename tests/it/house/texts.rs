//! Words that nobody reads, and failures that nobody tells, are taken out.

use std::fmt::Write as _;

use super::{
    settle,
    source::{self, has_word},
};

pub fn every_error_code_is_used() {
    let code: Vec<(String, String)> = source::files()
        .iter()
        .filter(|file| file.has_extension("rs") && !file.path.contains("test"))
        .map(|file| (file.path.clone(), file.code()))
        .collect();
    let used_in = |folders: &[&str], path: &str| {
        let own = code.iter().filter(|(file, _)| folders.iter().any(|folder| file.starts_with(folder)));
        own.into_iter().any(|(_, code)| has_word(code, path))
    };
    // `code()` matches on `Self::…`, so a path with the enum's name is a use.
    let told = variants(&source::text("src/domain/failure.rs"), "Told");
    let told = told.iter().map(|it| (format!("Told::{it}"), vec!["src/"]));
    let refused = robots::ErrorCode::ALL.iter().map(|it| (format!("ErrorCode::{it:?}"), vec!["robots/", "src/"]));
    let problems = templates::Problem::ALL.iter().map(|it| (format!("Problem::{it:?}"), vec!["src/"]));
    let all = told.chain(refused).chain(problems);
    let unused: Vec<String> = all.filter(|(path, folders)| !used_in(folders, path)).map(|(path, _)| path).collect();
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
    // What a form's answer says is chosen where the answer is made.
    for file in source::rust_files("src/web/") {
        let _ = write!(pages, "{}", file.code());
    }
    let script = source::text("templates/frame.js");
    let mut unread = Vec::new();
    for (table, field) in fields(&source::text("templates/texts/mod.rs")) {
        let (text, path) =
            if table == "ScriptTexts" { (&script, format!("texts.{field}")) } else { (&pages, format!(".{field}")) };
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
        } else if let Some((field, _)) = line.strip_prefix("    pub ").and_then(|line| line.split_once(':')) {
            found.push((table.clone(), field.to_owned()));
        }
    }
    found
}
