//! Telegram's HTML parse mode, with the refusals of its server; and what its clients find in a plain text.
//!
//! Custom emoji and formatted times are refused here, although the real server takes them.

use crate::messengers::model::Entity;

/// Tags that are understood, and the entity each becomes.
const TAGS: [(&str, &str); 15] = [
    ("b", "bold"),
    ("strong", "bold"),
    ("i", "italic"),
    ("em", "italic"),
    ("u", "underline"),
    ("ins", "underline"),
    ("s", "strikethrough"),
    ("strike", "strikethrough"),
    ("del", "strikethrough"),
    ("code", "code"),
    ("pre", "pre"),
    ("a", "text_link"),
    ("blockquote", "blockquote"),
    ("tg-spoiler", "spoiler"),
    ("span", "spoiler"),
];

struct Open {
    tag: String,
    /// Address of a link, language of code, class of a span.
    argument: Option<String>,
    /// Where it starts, in UTF-16 units and in bytes of the text made so far.
    offset: usize,
    start: usize,
}

/// Splits marked text into plain text and entities. The error is Telegram's text behind "can't parse entities: ".
pub(crate) fn parse(source: &str) -> Result<(String, Vec<Entity>), String> {
    let mut parser = Parser {
        source,
        at: 0,
        plain: String::with_capacity(source.len()),
        offset: 0,
        open: Vec::new(),
        entities: Vec::new(),
    };
    while let Some(c) = parser.rest().chars().next() {
        match c {
            '<' if parser.rest().starts_with("</") => parser.end_tag()?,
            '<' => parser.start_tag()?,
            '&' => parser.reference(),
            _ => {
                parser.push(c);
                parser.at += c.len_utf8();
            }
        }
    }
    if let Some(open) = parser.open.last() {
        return Err(format!("Can't find end tag corresponding to start tag \"{}\"", open.tag));
    }
    let mut entities = parser.entities;
    for entity in entities.iter_mut().filter(|entity| entity.kind == "code") {
        entity.language = None;
    }
    entities.sort_by_key(|entity| (entity.offset, usize::MAX - entity.length));
    Ok((parser.plain, entities))
}

struct Parser<'a> {
    source: &'a str,
    at: usize,
    plain: String,
    offset: usize,
    open: Vec<Open>,
    entities: Vec<Entity>,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn push(&mut self, c: char) {
        self.plain.push(c);
        self.offset += c.len_utf16();
    }

    /// `&lt;` and its like; anything else stays an ampersand.
    fn reference(&mut self) {
        if let Some((c, length)) = decode_reference(self.rest()) {
            self.push(c);
            self.at += length;
        } else {
            self.push('&');
            self.at += 1;
        }
    }

    fn start_tag(&mut self) -> Result<(), String> {
        let begin = self.at;
        let inside = &self.rest()[1..];
        let name_end = inside.find(|c: char| c == '>' || c.is_ascii_whitespace());
        let Some(name_end) = name_end else {
            return Err(format!("Unclosed start tag at byte offset {begin}"));
        };
        let tag = inside[..name_end].to_ascii_lowercase();
        if !TAGS.iter().any(|(name, _)| *name == tag) {
            return Err(format!("Unsupported start tag \"{tag}\" at byte offset {begin}"));
        }
        let (attributes, length) = attributes(&inside[name_end..])
            .ok_or_else(|| format!("Unclosed start tag \"{tag}\" at byte offset {begin}"))?;
        let argument = attributes.into_iter().find_map(|(name, value)| match (tag.as_str(), name.as_str()) {
            ("a", "href") => Some(value),
            ("code", "class") => value.strip_prefix("language-").map(str::to_owned),
            ("span", "class") => value.strip_prefix("tg-").map(str::to_owned),
            ("blockquote", "expandable") => Some("1".to_owned()),
            _ => None,
        });
        if tag == "span" && argument.as_deref() != Some("spoiler") {
            return Err(format!("Tag \"span\" must have class \"tg-spoiler\" at byte offset {begin}"));
        }
        self.open.push(Open { tag, argument, offset: self.offset, start: self.plain.len() });
        self.at += 1 + name_end + length;
        Ok(())
    }

    fn end_tag(&mut self) -> Result<(), String> {
        let begin = self.at;
        let Some(open) = self.open.pop() else {
            return Err(format!("Unexpected end tag at byte offset {begin}"));
        };
        let inside = &self.rest()[2..];
        let Some(end) = inside.find('>') else {
            return Err(format!("Unclosed end tag at byte offset {begin}"));
        };
        let name = inside[..end].trim_end().to_ascii_lowercase();
        if name.contains(|c: char| c.is_ascii_whitespace()) {
            return Err(format!("Unclosed end tag at byte offset {begin}"));
        }
        if !name.is_empty() && name != open.tag {
            return Err(format!(
                "Unmatched end tag at byte offset {begin}, expected \"</{}>\", found \"</{name}>\"",
                open.tag
            ));
        }
        self.at += 2 + end + 1;
        self.close(open);
        Ok(())
    }

    fn close(&mut self, open: Open) {
        let length = self.offset - open.offset;
        let kind = TAGS.iter().find(|(name, _)| *name == open.tag);
        let (Some((_, kind)), true) = (kind, length > 0) else {
            return;
        };
        let mut entity = Entity::new(kind, open.offset, length);
        match (open.tag.as_str(), open.argument) {
            ("a", address) => {
                let inside = &self.plain[open.start..];
                let address = address.filter(|address| !address.is_empty());
                let address = address.unwrap_or_else(|| inside.to_owned());
                let Some(address) = checked_link(&address) else {
                    return;
                };
                entity.url = Some(address);
            }
            ("blockquote", Some(_)) => "expandable_blockquote".clone_into(&mut entity.kind),
            ("code", language) => {
                // `<pre><code class="language-x">` is one block of code.
                if let Some(outer) = self.open.last()
                    && outer.tag == "pre"
                    && outer.offset == entity.offset
                {
                    entity.language = language;
                }
            }
            ("pre", _) => {
                let inner = self.entities.last();
                let code = inner.filter(|inner| {
                    inner.kind == "code"
                        && inner.offset == entity.offset
                        && inner.length == entity.length
                        && inner.language.is_some()
                });
                if code.is_some() {
                    entity.language = self.entities.pop().and_then(|inner| inner.language);
                }
            }
            _ => {}
        }
        self.entities.push(entity);
    }
}

/// The attributes up to the closing `>` and the length of all that, the `>` included.
fn attributes(text: &str) -> Option<(Vec<(String, String)>, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    loop {
        at += text[at..].len() - text[at..].trim_start().len();
        if text[at..].starts_with('>') {
            return Some((found, at + 1));
        }
        let stop = |c: char| c.is_ascii_whitespace() || "=>/\"'".contains(c);
        let name_end = at + text[at..].find(stop)?;
        let name = text[at..name_end].to_ascii_lowercase();
        if name.is_empty() {
            return None;
        }
        let behind = text[name_end..].trim_start();
        if !behind.starts_with('=') {
            found.push((name, String::new()));
            at = name_end;
            continue;
        }
        let value = behind[1..].trim_start();
        let value_at = text.len() - value.len();
        let (value, length) = match value.chars().next()? {
            quote @ ('"' | '\'') => {
                let end = value[1..].find(quote)?;
                (decode(&value[1..=end]), end + 2)
            }
            _ => {
                let plain = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
                let end = value.find(|c| !plain(c))?;
                (value[..end].to_ascii_lowercase(), end)
            }
        };
        found.push((name, value));
        at = value_at + length;
    }
}

fn decode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let reference = (c == '&').then(|| decode_reference(rest)).flatten();
        let (c, length) = reference.unwrap_or((c, c.len_utf8()));
        out.push(c);
        rest = &rest[length..];
    }
    out
}

/// The four named references that Telegram knows, and numbers.
fn decode_reference(text: &str) -> Option<(char, usize)> {
    for (name, c) in [("&lt;", '<'), ("&gt;", '>'), ("&amp;", '&'), ("&quot;", '"')] {
        if text.starts_with(name) {
            return Some((c, name.len()));
        }
    }
    let number = text.strip_prefix("&#")?;
    let end = number.find(';').filter(|end| *end <= 8)?;
    let code = match number[..end].strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
        None => number[..end].parse().ok()?,
    };
    let c = char::from_u32(code).filter(|c| *c != '\0')?;
    Some((c, end + 3))
}

/// Addresses that Telegram makes a link of; of others only the text stays.
fn checked_link(address: &str) -> Option<String> {
    let address = address.trim();
    if address.is_empty() || address.contains(char::is_whitespace) {
        return None;
    }
    let known = ["http://", "https://", "tg://", "ton://"];
    if known.iter().any(|scheme| address.starts_with(scheme)) {
        return Some(address.to_owned());
    }
    let host = address.split(['/', '?', '#']).next().unwrap_or_default();
    let dotted = host.contains('.') && !host.starts_with('.') && !host.ends_with('.');
    (dotted && !host.contains(':')).then(|| format!("http://{address}/"))
}

/// Entities that Telegram finds by itself in a text that somebody typed: commands, addresses, names.
pub(crate) fn found_in(text: &str) -> Vec<Entity> {
    let mut found = Vec::new();
    let mut offset = 0;
    for piece in text.split_inclusive(char::is_whitespace) {
        let word = piece.trim_end();
        let kind = match word.chars().next() {
            Some('/') if name(&word[1..]) => Some("bot_command"),
            Some('@') if name(&word[1..]) && word.len() > 4 => Some("mention"),
            _ if word.starts_with("https://") || word.starts_with("http://") => Some("url"),
            _ if is_email(word) => Some("email"),
            _ => None,
        };
        let length = word.encode_utf16().count();
        found.extend(kind.map(|kind| Entity::new(kind, offset, length)));
        offset += piece.encode_utf16().count();
    }
    found
}

fn name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '@')
}

fn is_email(word: &str) -> bool {
    word.split_once('@').is_some_and(|(left, right)| {
        !left.is_empty() && right.contains('.') && !right.starts_with('.') && !right.ends_with('.')
    })
}
