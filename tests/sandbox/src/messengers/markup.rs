//! How a received text looks on the phone: HTML that is safe to put into a page.

use super::model::{Entity, Markup, Message};

/// The text of a message as HTML: escaped, with the messenger's own formatting, lines parted by `<br>`.
pub(crate) fn html(message: &Message) -> String {
    match message.markup {
        Markup::Plain => escape(&message.text),
        Markup::WhatsApp => whatsapp(&message.text),
        Markup::Telegram => telegram(&message.text, &message.entities),
    }
}

pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        push_escaped(&mut out, c);
    }
    out
}

fn push_escaped(out: &mut String, c: char) {
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '"' => out.push_str("&quot;"),
        '\'' => out.push_str("&#39;"),
        '\r' => {}
        '\n' => out.push_str("<br>"),
        _ => out.push(c),
    }
}

/// WhatsApp's marks: at the edge of a word, closed in the same line, nothing but text between them and it.
pub(super) fn whatsapp(text: &str) -> String {
    let mut out = String::new();
    let mut pieces = text.split("```");
    // Pieces at odd places are code, if the mark that opens them is closed.
    let count = text.matches("```").count();
    let closed = count - count % 2;
    for at in 0.. {
        let Some(piece) = pieces.next() else { break };
        if at % 2 == 1 && at < closed {
            out.push_str(&format!("<pre>{}</pre>", escape(piece)));
        } else {
            if at > closed {
                out.push_str("```");
            }
            let lines: Vec<String> = piece.split('\n').map(|line| marks(line, 0)).collect();
            out.push_str(&lines.join("<br>"));
        }
    }
    out
}

/// How deep marks may stand in each other; there are only four kinds.
const DEPTH: usize = 4;

fn marks(line: &str, depth: usize) -> String {
    let chars: Vec<char> = line.chars().collect();
    let mut out = String::new();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let tag = match c {
            '*' => "b",
            '_' => "i",
            '~' => "s",
            '`' => "code",
            _ => "",
        };
        let end = if tag.is_empty() || depth == DEPTH { None } else { closing(&chars, at) };
        if let Some(end) = end {
            let inner: String = chars[at + 1..end].iter().collect();
            let inner = if tag == "code" { escape(&inner) } else { marks(&inner, depth + 1) };
            out.push_str(&format!("<{tag}>{inner}</{tag}>"));
            at = end + 1;
        } else {
            push_escaped(&mut out, c);
            at += 1;
        }
    }
    out
}

/// Where the mark that opens at `start` closes. Text must touch both marks, and no letter may touch them from outside.
fn closing(chars: &[char], start: usize) -> Option<usize> {
    let mark = chars[start];
    let letter = |at: Option<usize>| at.and_then(|at| chars.get(at)).is_some_and(|c| c.is_alphanumeric());
    let space = |at: usize| chars.get(at).is_none_or(|c| c.is_whitespace());
    if letter(start.checked_sub(1)) || space(start + 1) {
        return None;
    }
    (start + 2..chars.len()).find(|&at| chars[at] == mark && !space(at - 1) && !letter(Some(at + 1)))
}

/// A text with Telegram's entities. Offsets that point into nothing are taken as far as the text goes.
fn telegram(text: &str, entities: &[Entity]) -> String {
    let mut order: Vec<&Entity> = entities.iter().filter(|entity| entity.length > 0).collect();
    order.sort_by_key(|entity| (entity.offset, usize::MAX - entity.length));
    let mut waiting = order.into_iter().peekable();
    let mut open: Vec<&Entity> = Vec::new();
    let mut out = String::new();
    let mut position = 0;
    for c in text.chars() {
        close(&mut out, &mut open, position);
        while let Some(entity) = waiting.next_if(|entity| entity.offset <= position) {
            out.push_str(&opening(entity));
            open.push(entity);
        }
        push_escaped(&mut out, c);
        position += c.len_utf16();
    }
    close(&mut out, &mut open, usize::MAX);
    out
}

/// Closes what ends here; what must stay open but stands inside is closed and opened again.
fn close(out: &mut String, open: &mut Vec<&Entity>, position: usize) {
    let ended = |entity: &Entity| entity.offset.saturating_add(entity.length) <= position;
    let Some(first) = open.iter().position(|entity| ended(entity)) else {
        return;
    };
    let inner = open.split_off(first);
    for entity in inner.iter().rev() {
        out.push_str(&format!("</{}>", tag(entity)));
    }
    for entity in inner {
        if !ended(entity) {
            out.push_str(&opening(entity));
            open.push(entity);
        }
    }
}

fn tag(entity: &Entity) -> &'static str {
    match entity.kind.as_str() {
        "bold" => "b",
        "italic" => "i",
        "underline" => "u",
        "strikethrough" => "s",
        "code" => "code",
        "pre" => "pre",
        "blockquote" | "expandable_blockquote" => "blockquote",
        "text_link" if web_link(entity).is_some() => "a",
        _ => "span",
    }
}

fn web_link(entity: &Entity) -> Option<&str> {
    let url = entity.url.as_deref()?;
    (url.starts_with("https://") || url.starts_with("http://")).then_some(url)
}

fn opening(entity: &Entity) -> String {
    let tag = tag(entity);
    match (tag, web_link(entity)) {
        ("a", Some(url)) => format!("<a href=\"{}\" rel=\"noreferrer\" target=\"_blank\">", escape(url)),
        _ => format!("<{tag}>"),
    }
}
