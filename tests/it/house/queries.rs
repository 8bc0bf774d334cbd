//! Tenant data is reached through the tenant.

use super::{settle, source};

/// What holds a portal, so that its functions need no other.
const HOLDERS: &[&str] = &[
    "channel: &Channel",
    "ended: &Delivery",
    "portal: &PortalId",
    "portal: Portal",
    "installation: &Installation",
    "login: &Login",
];

/// Functions over all portals, each with its reason.
const ACROSS: &[(&str, &str)] = &[
    ("attempt_forget", "what is old is deleted, whoever's it is"),
    ("bucket_all", "what a restart begins with, whoever's it is"),
    ("bucket_begin", "the same"),
    ("bucket_put", "every row names its portal; they are written in one go"),
    ("channel_any", "a webhook's address names only its channel; the secret in it is checked against that channel"),
    ("channel_polled", "the asking tasks of this node serve every portal of its own"),
    ("close", "stops the writer; no data"),
    ("dead_list", "the operators of the server look at what was given up, of one portal or of all"),
    ("dead_put_back", "the same"),
    ("delivery_claim", "the worker takes what is due, whoever's it is"),
    ("delivery_counts", "numbers for health, without anybody's data"),
    ("delivery_next_due", "a time for the worker, without anybody's data"),
    ("hearing_begin_due", "channels whose time has come are looked at, whoever's they are"),
    ("hearing_expect_all", "after a start every channel is looked at"),
    ("inbox_forget", "what is old is deleted, whoever's it is"),
    ("inbox_due", "the worker expands what came, whoever's it is"),
    ("login_any", "a core knows a login only by its number; it comes from a row of the portal"),
    ("login_any_now", "the same"),
    ("login_begin_due", "logins whose time has come are read, whoever's they are"),
    ("look_begin_due", "chats whose time has come are looked at, whoever's they are"),
    ("look_last_alive", "a time for the start, without anybody's data"),
    ("look_portals", "after a start every portal's chats are looked at"),
    ("node_beat", "nodes are nobody's data"),
    ("node_end", "the same; what a dead node was doing is looked at, whoever's it is"),
    ("node_join", "the same"),
    ("node_list", "the same"),
    ("node_share", "a count of portals"),
    ("node_yield", "which portals are whose"),
    ("probe", "proves that a commit is possible; no data"),
    ("queue_gauges", "numbers for the metrics, without anybody's data"),
    ("read", "the way of all queries"),
    ("spool_drain", "what lies in the spool names its own portals"),
    ("write", "the way of all queries"),
];

pub fn every_query_takes_the_portal_first() {
    let mut wrong = Vec::new();
    let mut across = Vec::new();
    for file in source::rust_files("src/db/")
        .iter()
        .filter(|file| !["src/db/writer.rs", "src/db/spool.rs"].contains(&file.path.as_str()))
    {
        for (name, first) in functions(&file.code()) {
            if HOLDERS.iter().any(|holder| first.starts_with(holder)) {
                continue;
            }
            if ACROSS.iter().any(|(known, _)| *known == name) {
                across.push(name);
            } else {
                wrong.push(format!("{}: {name}({first})", file.path));
            }
        }
    }
    settle(
        "A query on tenant data takes `portal: &PortalId` first; one over all portals is listed here with its reason:",
        &wrong,
    );
    let stale: Vec<String> = ACROSS
        .iter()
        .filter(|(known, _)| !across.iter().any(|name| name == known) && !matches!(*known, "read" | "write"))
        .map(|(known, _)| (*known).to_owned())
        .collect();
    settle("These exceptions are not needed any more; take them out of the list:", &stale);
}

/// Name and first parameter after `&self` of every public async function.
fn functions(code: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (at, prefix) in code.match_indices("pub async fn ") {
        let rest = &code[at + prefix.len()..];
        let Some(open) = rest.find('(') else { continue };
        let name = rest[..open].split('<').next().unwrap_or_default().trim();
        let arguments = rest[open + 1..].trim_start().trim_start_matches("&self").trim_start_matches([',', ' ', '\n']);
        let first = arguments.split([',', ')']).next().unwrap_or_default().trim();
        found.push((name.to_owned(), first.to_owned()));
    }
    found
}
