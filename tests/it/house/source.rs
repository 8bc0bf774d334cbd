//! The files of this repository, and rules about each of them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::settle;

const LONGEST_FILE: usize = 500;

/// A file that is, or would be, in the repository.
pub struct File {
    /// Relative to the repository, with `/`.
    pub path: String,
    /// Nothing for what is not UTF-8.
    pub text: String,
}

impl File {
    pub fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|own| own == extension)
    }

    /// The Rust code with comments and the insides of string literals blanked.
    pub fn code(&self) -> String {
        code(&self.text)
    }
}

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The text of a file that must be there.
pub fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Everything that git keeps or would keep; without git, everything but what is built.
pub fn files() -> Vec<File> {
    let listed = Command::new("git").current_dir(root()).args(["ls-files", "-co", "--exclude-standard", "-z"]).output();
    let paths = match listed {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout)
            .split('\0')
            .filter(|path| !path.is_empty())
            .map(str::to_owned)
            .collect(),
        _no_git => walk(&root()),
    };
    paths
        .into_iter()
        .filter_map(|path| {
            let bytes = fs::read(root().join(&path)).ok()?;
            Some(File { path, text: String::from_utf8(bytes).unwrap_or_default() })
        })
        .collect()
}

pub fn rust_files(under: &str) -> Vec<File> {
    files().into_iter().filter(|file| file.path.starts_with(under) && file.has_extension("rs")).collect()
}

fn walk(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let own = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            if path.is_dir() {
                if !matches!(own.as_str(), "target" | "data" | ".git") {
                    open.push(path);
                }
            } else {
                found.push(own);
            }
        }
    }
    found.sort();
    found
}

/// True when the identifier stands in the text as a whole word.
pub fn has_word(text: &str, word: &str) -> bool {
    let part = |letter: char| letter.is_alphanumeric() || letter == '_';
    text.match_indices(word).any(|(at, _)| {
        !text[..at].chars().next_back().is_some_and(part) && !text[at + word.len()..].chars().next().is_some_and(part)
    })
}

fn code(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if letter == '"' {
            out.push('"');
            string_end(rest)
        } else if let Some(raw) = rest.strip_prefix("r#\"") {
            raw.find("\"#").map_or(rest.len(), |end| end + 5)
        } else if rest.starts_with("'\"'") || rest.starts_with("'\\\"'") {
            rest[1..].find('\'').map_or(rest.len(), |end| end + 2)
        } else {
            out.push(letter);
            letter.len_utf8()
        };
        rest = &rest[skipped..];
    }
    out
}

fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

pub fn files_stay_short() {
    let long: Vec<String> = files()
        .iter()
        .filter(|file| ["rs", "js", "css"].iter().any(|kind| file.has_extension(kind)))
        .filter_map(|file| {
            let lines = file.text.lines().count();
            (lines > LONGEST_FILE).then(|| format!("{}: {lines} lines", file.path))
        })
        .collect();
    settle("Split these files by what they are about; 500 lines is the limit:", &long);
}

pub fn no_file_names_a_machine() {
    // Written in two pieces, so that this file does not name them itself.
    let known =
        [["/ho", "me/"], ["/Use", "rs/"], ["/ro", "ot/"], ["/wo", "rk/"], ["/var/fol", "ders/"], ["C:\\Use", "rs\\"]];
    let here =
        std::env::var("HOME").ok().filter(|home| home.len() > 1).map(|home| format!("{}/", home.trim_end_matches('/')));
    let homes: Vec<String> = known.iter().map(|it| it.concat()).chain(here).collect();
    let found: Vec<String> = files()
        .iter()
        .flat_map(|file| file.text.lines().enumerate().map(move |(number, line)| (file, number, line)))
        .filter(|(_, _, line)| homes.iter().any(|home| names_path(line, home)))
        .map(|(file, number, line)| format!("{}:{}: {}", file.path, number + 1, line.trim()))
        .collect();
    settle("Paths of one machine do not belong into the repository; make them relative:", &found);
}

/// True when the folder stands at the beginning of a path, not in the middle of a URL's.
fn names_path(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        !line[..at].chars().next_back().is_some_and(|before| before.is_alphanumeric() || "/.:-_}".contains(before))
    })
}

pub fn documents_name_files_that_exist() {
    let files = files();
    let folders = ["src/", "robots/", "placements/", "templates/", "migrations/", "tests/", ".ci/"];
    let mut lost = Vec::new();
    for document in files.iter().filter(|file| file.has_extension("md")) {
        let words = document.text.split(|letter: char| letter.is_whitespace() || "`()[]|,;\"".contains(letter));
        for word in words.filter(|word| folders.iter().any(|folder| word.starts_with(folder))) {
            let path = word.split(['#', ':']).next().unwrap_or(word).trim_end_matches(['.', '/']);
            let is_pattern = path.contains(['<', '{', '*', '…']);
            if !is_pattern && !root().join(path).exists() {
                lost.push(format!("{}: {word}", document.path));
            }
        }
    }
    if !files.iter().any(|file| file.path == "README.md") {
        lost.push("README.md itself is missing".into());
    }
    settle("These documents send the reader to files that are not there:", &lost);
}
