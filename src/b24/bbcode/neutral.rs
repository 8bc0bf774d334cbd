//! Takes the meaning out of what a client typed: a zero-width space where BB-code would begin. The portal has no escape sign.
//! [`restore`] takes the spaces out again when an operator quotes the client.

use std::borrow::Cow;
use std::ops::Range;

use super::token::is_tag_name;

const ZERO_WIDTH: char = '\u{200B}';
/// At the beginning of a line.
pub(super) const QUOTE_MARK: &str = ">>";
/// Dashes that frame a quoted message. Portals write 54; a few less are forgiven, a drawn line is not taken for it.
pub(super) const MIN_DASHES: usize = 50;
/// A run of dashes is broken after so many.
const KEPT_DASHES: usize = 40;
/// Names that are no tags for us and may be ones for some version of the portal.
const STRANGE: &[&str] = &[
    "attach", "rating", "audio", "video", "youtube", "p", "table", "tr", "td", "left", "right", "center", "font",
    "user_id",
];

/// Where a text needs zero-width spaces.
pub(super) struct Neutral<'a> {
    text: &'a str,
    /// Ascending byte positions.
    inserts: Vec<usize>,
}

impl<'a> Neutral<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let (mut inserts, mut dashes, mut line_start) = (Vec::new(), 0_usize, true);
        for (at, c) in text.char_indices() {
            let rest = text.get(at..).unwrap_or_default();
            if line_start && rest.starts_with(QUOTE_MARK) {
                inserts.push(at);
            }
            dashes = if c == '-' { dashes + 1 } else { 0 };
            if dashes > KEPT_DASHES {
                inserts.push(at);
                dashes = 1;
            }
            if c == '[' && begins_tag(rest.get(1..).unwrap_or_default()) {
                inserts.push(at + 1);
            }
            line_start = c == '\n' || c == '\r';
        }
        Self { text, inserts }
    }

    /// Writes a part of the text; its ends must be character borders.
    pub(super) fn write(&self, out: &mut String, part: Range<usize>) {
        let first = self.inserts.partition_point(|insert| *insert < part.start);
        let mut from = part.start;
        for insert in self.inserts.iter().skip(first).copied().take_while(|insert| *insert < part.end) {
            out.push_str(self.text.get(from..insert).unwrap_or_default());
            out.push(ZERO_WIDTH);
            from = insert;
        }
        out.push_str(self.text.get(from..part.end).unwrap_or_default());
    }
}

/// Whether text after a `[` could make a tag. More is suspected than [`super::parse`] understands.
fn begins_tag(inside: &str) -> bool {
    let inside = inside.trim_start_matches(' ');
    let inside = inside.strip_prefix('/').unwrap_or(inside);
    let end = inside.find(|c: char| !(c.is_ascii_alphabetic() || c == '_')).unwrap_or(inside.len());
    let (name, after) = inside.split_at(end);
    let known = is_tag_name(name) || STRANGE.iter().any(|strange| strange.eq_ignore_ascii_case(name));
    known && !after.starts_with(char::is_alphanumeric)
}

/// A text without the spaces that [`Neutral`] puts in.
pub(super) fn restore(text: &str) -> Cow<'_, str> {
    if !text.contains(ZERO_WIDTH) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.strip_prefix(ZERO_WIDTH).filter(|after| after.starts_with(QUOTE_MARK)).unwrap_or(text);
    while let Some((before, after)) = rest.split_once(ZERO_WIDTH) {
        out.push_str(before);
        let ours = before.ends_with('[') || (before.ends_with('-') && after.starts_with('-'));
        if !ours {
            out.push(ZERO_WIDTH);
        }
        rest = after;
    }
    out.push_str(rest);
    Cow::Owned(out)
}
