//! The README's table of what crosses, made from the capabilities.

use super::{chatapp, embedded};
use crate::domain::{
    capabilities::{Capabilities, Groups, Window, WriteFirst},
    connector::Connector,
};

fn row(connector: Connector, core: &str, can: Capabilities) -> String {
    let yes = |can: bool| if can { "yes" } else { "–" };
    let window = |window: Window| match window {
        Window::Never => "–".to_owned(),
        Window::For(time) => format!("{} h", time.as_secs() / 3600),
        Window::Always => "yes".to_owned(),
    };
    let first = match can.write_first {
        WriteFirst::Never => "–",
        WriteFirst::ByPhone => "phone",
        WriteFirst::ByPhoneOrUsername => "phone, username",
        WriteFirst::ByEmail => "e-mail",
    };
    let groups = match can.groups {
        Groups::No => "–",
        Groups::Joined => "joined",
        Groups::Founded => "joined, founded",
    };
    format!(
        "| {} | {core} | {} | {first}{} | {} MB | {} | {} | {} | {} | {} | {groups} | {} | {} |",
        connector.title(),
        can.text_limit,
        if can.templates { ", by template" } else { "" },
        can.upload_limit / (1024 * 1024),
        window(can.edit),
        window(can.delete),
        yes(can.client_edit),
        yes(can.quotes),
        yes(can.reactions),
        yes(can.delivered),
        yes(can.read),
    )
}

#[test]
fn the_readme_shows_what_each_messenger_can() {
    let mut table = vec![
        "| messenger | core | text | write first | file | edit | delete | client's edits | quotes | reactions | groups | delivered | read |"
            .to_owned(),
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|".to_owned(),
    ];
    for connector in Connector::ALL.iter().copied() {
        if chatapp::messenger_type_of(connector).is_some() {
            table.push(row(connector, "ChatApp", chatapp::capabilities(connector)));
        }
        if embedded::Embedded::serves(connector) {
            table.push(row(connector, "embedded", embedded::capabilities(connector)));
        }
    }
    let table = table.join("\n");
    assert!(include_str!("../../README.md").contains(&table), "the README's table is to be:\n{table}");
}
