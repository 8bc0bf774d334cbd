//! What stands under a message as an attachment, as BB-code: the client sees no cards, but he can read and follow.
//!
//! The documentation's "Attachments" are an object with `BLOCKS`, or the blocks alone; events bring them as a form's fields or as JSON
//! in one field, under several names. A block has one of the keys `MESSAGE`, `LINK`, `RICH_LINK`, `IMAGE`, `FILE`, `USER`, `GRID`,
//! `DELIMITER`, and under it one thing or a list. What is not understood is left out.

use super::super::form::{self, Limits, Value};

/// Characters of all attachments of a message: as much as a messenger takes at once.
const LONGEST: usize = 4000;
const MOST_BLOCKS: usize = 100;
/// JSON in JSON; lists in lists.
const DEEPEST: usize = 4;
const JSON: Limits = Limits { body_bytes: 256 * 1024, pairs: 2000, depth: 8, key_bytes: 100 };

const PLACES: [&[&str]; 4] =
    [&["message", "attachments"], &["attachments"], &["message", "attachments_old"], &["attachments_old"]];

/// The text of a message with what stands under it. The same attachments may come under two names: the first is read. A link that
/// stands in the text has no card of its own: portals attach previews to what people type.
pub(super) fn with_attachments(item: &Value, text: &str) -> String {
    let attached = PLACES.iter().filter_map(|place| item.get(place)).map(|found| lines(found, text));
    let attached = attached.into_iter().find(|lines| !lines.is_empty()).unwrap_or_default();
    let text = Some(text.to_owned()).filter(|text| !text.trim().is_empty());
    text.into_iter().chain(attached).collect::<Vec<_>>().join("\n")
}

fn lines(attachments: &Value, text: &str) -> Vec<String> {
    let mut reader = Reader { text, lines: Vec::new(), blocks: 0 };
    reader.read(attachments, 0);
    let mut left = LONGEST;
    let fits = |line: &String| {
        let length = line.chars().count();
        let fits = length <= left;
        left = if fits { left - length } else { 0 };
        fits
    };
    reader.lines.into_iter().take_while(fits).collect()
}

struct Reader<'a> {
    text: &'a str,
    lines: Vec<String>,
    blocks: usize,
}

impl Reader<'_> {
    fn read(&mut self, value: &Value, depth: usize) {
        if depth > DEEPEST || self.blocks >= MOST_BLOCKS {
            return;
        }
        match value {
            Value::Text(json) => {
                if let Ok(read) = form::parse_json(json.as_bytes(), &JSON) {
                    self.read(&read, depth + 1);
                }
            }
            Value::Map(fields) => {
                if let Some(blocks) = field(value, "BLOCKS") {
                    self.read(blocks, depth + 1);
                } else if is_list(value) {
                    for item in value.items(&[]) {
                        self.read(item, depth + 1);
                    }
                } else {
                    self.blocks += 1;
                    for (kind, content) in fields {
                        self.block(&kind.to_ascii_uppercase(), content);
                    }
                }
            }
        }
    }

    fn block(&mut self, kind: &str, content: &Value) {
        let all = if is_list(content) { content.items(&[]) } else { vec![content] };
        for one in all.into_iter().take(MOST_BLOCKS) {
            match kind {
                "MESSAGE" => self.say(one.text(&[]).unwrap_or_default().trim().to_owned()),
                "LINK" | "RICH_LINK" => self.link("", one),
                "IMAGE" | "FILE" => self.link("📎 ", one),
                "USER" => self.link("👤 ", one),
                "GRID" => self.row(one),
                _decoration => {}
            }
        }
    }

    fn say(&mut self, line: String) {
        if !line.is_empty() && !self.text.contains(&line) {
            self.lines.push(line);
        }
    }

    /// Something that leads somewhere: its name, its address, and what is told of it.
    fn link(&mut self, sign: &str, one: &Value) {
        let address = one.text(&[]).or_else(|| word(one, "LINK")).unwrap_or_default().trim();
        if !address.is_empty() && self.text.contains(address) {
            return;
        }
        let name = word(one, "NAME").unwrap_or_default();
        let shown = linked(name, address);
        if !shown.is_empty() {
            self.say(format!("{sign}{shown}"));
        }
        self.say(word(one, "DESC").unwrap_or_default().to_owned());
    }

    fn row(&mut self, one: &Value) {
        let value = linked(word(one, "VALUE").unwrap_or_default(), word(one, "LINK").unwrap_or_default());
        match (word(one, "NAME"), value.as_str()) {
            (Some(name), "") => self.say(name.to_owned()),
            (Some(name), value) => self.say(format!("{name}: {value}")),
            (None, value) => self.say(value.to_owned()),
        }
    }
}

/// A name that leads to an address; an address that no tag can hold is left out.
fn linked(name: &str, address: &str) -> String {
    let is_usable = !address.is_empty() && !address.contains(|c: char| c.is_whitespace() || "[]".contains(c));
    match (is_usable, name) {
        (false, name) => name.to_owned(),
        (true, "") => address.to_owned(),
        (true, name) if name == address => address.to_owned(),
        (true, name) => format!("[url={address}]{name}[/url]"),
    }
}

fn is_list(value: &Value) -> bool {
    matches!(value, Value::Map(fields) if fields.first().is_some_and(|(key, _)| key.bytes().all(|b| b.is_ascii_digit())))
}

fn field<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value.get(&[name]).or_else(|| value.get(&[name.to_ascii_lowercase().as_str()]))
}

/// A text that is there, without blank edges.
fn word<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    field(value, name)?.text(&[]).map(str::trim).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(item: &serde_json::Value, text: &str) -> String {
        let item = form::parse_json(item.to_string().as_bytes(), &Limits::default()).unwrap();
        with_attachments(&item, text)
    }

    #[test]
    fn every_kind_of_block_is_something_to_read() {
        let blocks = json!([
            {"USER": {"NAME": "Ann", "AVATAR": "https://a.example/a.png", "LINK": "https://a.example/"}},
            {"LINK": {"NAME": "Ticket 5", "DESC": "Due on Friday", "LINK": "https://b.example/5", "PREVIEW": "https://b.example/p.png"}},
            {"DELIMITER": {"SIZE": 200, "COLOR": "#c6c6c6"}},
            {"GRID": [
                {"NAME": "Project", "VALUE": "BUGS", "DISPLAY": "LINE"},
                {"NAME": "Header", "VALUE": "", "DISPLAY": "ROW"},
                {"VALUE": "[b]Alone[/b]", "LINK": "https://c.example/", "DISPLAY": "ROW"},
            ]},
            {"MESSAGE": "Colleagues"},
            {"IMAGE": {"LINK": "https://d.example/win.jpg"}},
            {"FILE": [{"NAME": "a.pdf", "LINK": "https://d.example/a.pdf"}]},
            {"NEW_KIND": {"X": 1}},
        ]);
        let expected = "Look\n👤 [url=https://a.example/]Ann[/url]\n[url=https://b.example/5]Ticket 5[/url]\nDue on Friday\n\
                        Project: BUGS\nHeader\n[url=https://c.example/][b]Alone[/b][/url]\nColleagues\n\
                        📎 https://d.example/win.jpg\n📎 [url=https://d.example/a.pdf]a.pdf[/url]";
        let whole = json!({"ID": 1, "COLOR": "#29619b", "BLOCKS": blocks});
        for attached in [json!(whole.to_string()), json!([whole.to_string()]), json!([whole]), whole, blocks] {
            for item in [json!({"message": {"attachments": attached}}), json!({"attachments_old": attached})] {
                assert_eq!(read(&item, "Look"), expected, "{item}");
            }
        }
    }

    #[test]
    fn what_stands_in_the_text_is_not_said_twice() {
        let preview =
            json!([{"LINK": {"NAME": "Shop", "DESC": "A shop", "LINK": "https://a.example/x"}}, {"MESSAGE": "see"}]);
        let item = json!({"message": {"attachments": preview}, "attachments_old": [preview.to_string()]});
        assert_eq!(read(&item, "see https://a.example/x"), "see https://a.example/x");
        assert_eq!(read(&item, ""), "[url=https://a.example/x]Shop[/url]\nA shop\nsee", "read once");
    }

    #[test]
    fn hostile_attachments_cost_little_and_break_nothing() {
        let long = json!([{"MESSAGE": "word ".repeat(700)}, {"MESSAGE": "more ".repeat(700)}]);
        assert_eq!(read(&json!({"attachments": long}), "").chars().count(), 3499, "one is enough");
        let many: Vec<_> = (0..500).map(|at| json!({"MESSAGE": format!("line {at}")})).collect();
        assert_eq!(read(&json!({"attachments": many}), "").lines().count(), MOST_BLOCKS);
        let nested = (0..9).fold(json!({"MESSAGE": "deep"}), |inner, _| json!([inner]));
        let in_text = (0..9).fold(json!({"MESSAGE": "deep"}).to_string(), |inner, _| json!([inner]).to_string());
        for attached in [nested, json!(in_text), json!("{"), json!(""), json!([[], {}, null]), json!({"LINK": []})] {
            assert_eq!(read(&json!({"attachments": attached}), "text"), "text", "{attached}");
        }
        let address = json!([{"LINK": {"NAME": "Here", "LINK": "https://a.example/][b]"}}]);
        assert_eq!(read(&json!({"attachments": address}), ""), "Here");
    }
}
