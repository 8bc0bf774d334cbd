//! Who may know whom.

use toml::Table;

use super::{
    settle,
    source::{self, has_word},
};

/// What a leaf may depend on: crates that turn data into data.
const OF_LEAVES: &[&str] = &["maud", "serde", "serde_json", "toml"];
/// The sandbox is a real server; it may use what servers are made of, and nothing of this product.
const OF_SANDBOX: &[&str] = &[
    "actix-multipart",
    "actix-web",
    "base64",
    "futures-util",
    "percent-encoding",
    "reqwest",
    "ring",
    "rustls",
    "serde",
    "serde_json",
    "tokio",
    "toml",
    "url",
];

pub fn leaves_and_sandbox_depend_on_data_crates_only() {
    let crates =
        [("robots", OF_LEAVES), ("placements", OF_LEAVES), ("templates", OF_LEAVES), ("tests/sandbox", OF_SANDBOX)];
    let mut foreign = Vec::new();
    for (folder, allowed) in crates {
        let manifest: Table = source::text(&format!("{folder}/Cargo.toml")).parse().unwrap();
        assert!(!manifest.contains_key("target"), "{folder}: a leaf is the same on every machine; remove [target]");
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let names = manifest.get(section).and_then(toml::Value::as_table).into_iter().flat_map(Table::keys);
            foreign
                .extend(names.filter(|name| !allowed.contains(&name.as_str())).map(|name| format!("{folder}: {name}")));
        }
    }
    settle(
        "Leaves and sandbox know nothing of the trunk and do no input or output of its kind; move the code or drop:",
        &foreign,
    );
}

pub fn diesel_is_named_under_src_db_only() {
    let folders = ["src/", "robots/", "placements/", "templates/"];
    let found: Vec<String> = source::files()
        .iter()
        .filter(|file| file.has_extension("rs") && folders.iter().any(|folder| file.path.starts_with(folder)))
        .filter(|file| !file.path.starts_with("src/db/") && has_word(&file.code(), "diesel"))
        .map(|file| file.path.clone())
        .collect();
    settle("Only src/db speaks to the database; give Db a function and call it here:", &found);
}

/// Each module of the trunk with those that it must not name.
const ABOVE: &[(&str, &[&str])] = &[
    ("src/domain/", &["app", "b24", "config", "db", "media", "messaging", "outgoing", "queue", "relay", "web"]),
    ("src/b24/", &["app", "db", "media", "messaging", "queue", "relay", "web"]),
    ("src/messaging/", &["app", "db", "media", "queue", "relay", "web"]),
    ("src/db/", &["app", "b24", "media", "outgoing", "queue", "relay", "web"]),
    ("src/media/", &["app", "b24", "db", "messaging", "queue", "relay", "web"]),
    ("src/relay/", &["web"]),
    ("src/queue/", &["b24", "messaging", "web"]),
];

pub fn modules_know_only_those_below_them() {
    let mut found = Vec::new();
    for file in source::rust_files("src/") {
        let Some((_, above)) = ABOVE.iter().find(|(folder, _)| file.path.starts_with(folder)) else { continue };
        let named = named_modules(&file.code());
        found.extend(
            above.iter().filter(|it| named.iter().any(|own| own == *it)).map(|it| format!("{} names {it}", file.path)),
        );
    }
    settle(
        "Speakers of Bitrix24 and of messengers convert, `relay` decides; move the code up or pass the value in:",
        &found,
    );
}

/// The trunk's modules that a file names after `crate::`, alone or in a group.
fn named_modules(code: &str) -> Vec<String> {
    let mut named = Vec::new();
    for (at, prefix) in code.match_indices("crate::") {
        let rest = &code[at + prefix.len()..];
        match rest.strip_prefix('{') {
            Some(group) => named.extend(members(group)),
            None => named.push(first_word(rest)),
        }
    }
    named
}

fn first_word(text: &str) -> String {
    text.trim_start().chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
}

/// First words of the members of a `use` group whose `{` is already behind us.
fn members(group: &str) -> Vec<String> {
    let mut words = vec![first_word(group)];
    let mut depth = 0_u32;
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => words.push(first_word(&group[at + 1..])),
            _ => {}
        }
    }
    words
}
