//! Cuts a text into tags, line breaks and the texts between them.

use super::time::timestamp;
use super::{PortalTag, Style, Timestamp, strip_prefix_ci};

/// Longest tag that is recognised, in bytes: an address of the usual 2000 characters and its brackets.
const MAX_TAG: usize = 2100;
/// Brackets inside an address, `?filter[a][]=1`. The limit also bounds how often a byte is looked at.
const MAX_URL_BRACKETS: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Text(&'a str),
    Newline,
    Open(Tag<'a>),
    Close(Tag<'a>),
    Leaf(Leaf<'a>),
}

/// A tag that needs its counterpart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag<'a> {
    pub kind: Kind,
    /// What stands after `=`.
    pub arg: &'a str,
    /// The whole tag as written, for the case that it turns out to be none.
    pub raw: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Style(Style),
    Url,
    Portal(PortalTag),
}

/// Complete in itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaf<'a> {
    Code(&'a str),
    Image(&'a str),
    Icon(&'a str),
    Timestamp(Timestamp),
    Disk(&'a str),
    Symbol(&'static str),
}

pub(super) fn tokenize(text: &str) -> Vec<Token<'_>> {
    let mut scanner = Scanner { text, tokens: Vec::new(), code_ends: true };
    scanner.run();
    scanner.tokens
}

struct Scanner<'a> {
    text: &'a str,
    tokens: Vec<Token<'a>>,
    /// False once no `[/code]` was found: there is none further on either.
    code_ends: bool,
}

impl<'a> Scanner<'a> {
    fn run(&mut self) {
        let (mut pending, mut at) = (0, 0);
        while let Some(step) = self.text.get(at..).and_then(|rest| rest.find(['[', '\n', '\r'])) {
            at += step;
            let Some(rest) = self.text.get(at..) else {
                break;
            };
            let Some((token, length)) = self.special(rest) else {
                at += 1;
                continue;
            };
            self.push_text(pending, at);
            self.tokens.push(token);
            at += length;
            pending = at;
        }
        self.push_text(pending, self.text.len());
    }

    fn push_text(&mut self, from: usize, to: usize) {
        if let Some(text) = self.text.get(from..to).filter(|text| !text.is_empty()) {
            self.tokens.push(Token::Text(text));
        }
    }

    /// The line break or tag at the beginning of `rest`, with its length in bytes.
    fn special(&mut self, rest: &'a str) -> Option<(Token<'a>, usize)> {
        if rest.starts_with("\r\n") {
            return Some((Token::Newline, 2));
        }
        let Some(inside) = rest.strip_prefix('[') else {
            return Some((Token::Newline, 1));
        };
        let (inside, closing) = match inside.strip_prefix('/') {
            Some(inside) => (inside, true),
            None => (inside, false),
        };
        let name_end = inside.find(|c: char| !c.is_ascii_alphabetic())?;
        let (name, after) = inside.split_at_checked(name_end)?;
        let name = Name::of(name)?;
        let (arg, length) = argument(after, name == Name::Pair(Kind::Url))?;
        let length = length + name_end + if closing { 2 } else { 1 };
        let raw = rest.get(..length)?;
        if closing {
            let Name::Pair(kind) = name else { return None };
            return matches!(arg, Arg::None).then_some((Token::Close(Tag { kind, arg: "", raw }), length));
        }
        self.open(name, arg, raw, rest)
    }

    fn open(&mut self, name: Name, arg: Arg<'a>, raw: &'a str, rest: &'a str) -> Option<(Token<'a>, usize)> {
        let leaf = |leaf| Some((Token::Leaf(leaf), raw.len()));
        match (name, arg) {
            (Name::Pair(kind), arg) => {
                let arg = match (arg, Needs::of(kind)) {
                    (Arg::None, Needs::Nothing | Needs::Maybe) => "",
                    (Arg::Value(value), Needs::Maybe | Needs::Value) => value,
                    _ => return None,
                };
                Some((Token::Open(Tag { kind, arg, raw }), raw.len()))
            }
            (Name::Br, Arg::None) => Some((Token::Newline, raw.len())),
            (Name::Symbol(symbol), Arg::None) => leaf(Leaf::Symbol(symbol)),
            (Name::Code, Arg::None) => self.code(raw, rest),
            (Name::Img, Arg::None | Arg::Attributes) => image(raw, rest),
            (Name::Icon, Arg::Value(value)) => leaf(Leaf::Icon(attribute(value, "title").unwrap_or_default())),
            (Name::Timestamp, Arg::Value(value)) => {
                let (unix, _) = value.split_once(' ').unwrap_or((value, ""));
                leaf(Leaf::Timestamp(timestamp(unix, attribute(value, "format").unwrap_or_default())?))
            }
            (Name::Disk, Arg::Value(id)) if !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric()) => {
                leaf(Leaf::Disk(id))
            }
            _ => None,
        }
    }

    fn code(&mut self, raw: &'a str, rest: &'a str) -> Option<(Token<'a>, usize)> {
        const END: &str = "[/code]";
        if !self.code_ends {
            return None;
        }
        let content = rest.get(raw.len()..)?;
        let end = content
            .match_indices('[')
            .find(|(at, _)| content.get(*at..).and_then(|tail| strip_prefix_ci(tail, END)).is_some())
            .map(|(at, _)| at);
        let Some(end) = end else {
            self.code_ends = false;
            return None;
        };
        Some((Token::Leaf(Leaf::Code(content.get(..end)?)), raw.len() + end + END.len()))
    }
}

fn image<'a>(raw: &'a str, rest: &'a str) -> Option<(Token<'a>, usize)> {
    const END: &str = "[/img]";
    let content = rest.get(raw.len()..)?;
    let end = content.find('[')?;
    strip_prefix_ci(content.get(end..)?, END)?;
    let url = content.get(..end)?.trim();
    let one_word = !url.is_empty() && !url.contains(char::is_whitespace);
    one_word.then_some((Token::Leaf(Leaf::Image(url)), raw.len() + end + END.len()))
}

/// The value of `name=` among the space-separated attributes after a tag's own value. It reaches to the next attribute, so
/// that a title may have several words.
fn attribute<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (mut at, mut from) = (0, None);
    for word in text.split(' ') {
        let start = at;
        at += word.len() + 1;
        let key = word.split_once('=').map_or("", |(key, _)| key);
        let is_key = start > 0 && !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphabetic());
        match from {
            Some(from) if is_key => return text.get(from..start).map(str::trim),
            None if is_key && key.eq_ignore_ascii_case(name) => from = Some(start + key.len() + 1),
            _ => {}
        }
    }
    text.get(from?..).map(str::trim)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arg<'a> {
    /// `[b]`
    None,
    /// `[url=…]`
    Value(&'a str),
    /// `[img size=…]`
    Attributes,
}

/// What stands between a tag's name and its `]`, with the length including the `]`.
fn argument(after: &str, brackets: bool) -> Option<(Arg<'_>, usize)> {
    let first = *after.as_bytes().first()?;
    if first == b']' {
        return Some((Arg::None, 1));
    }
    if first != b'=' && first != b' ' {
        return None;
    }
    let (mut open, mut seen) = (0_usize, 0_usize);
    for (at, byte) in after.bytes().enumerate().skip(1).take(MAX_TAG) {
        match byte {
            b']' if open == 0 => {
                let value = after.get(1..at)?;
                let arg = if first == b'=' { Arg::Value(value.trim()) } else { Arg::Attributes };
                return Some((arg, at + 1));
            }
            b']' => open -= 1,
            b'[' if brackets && seen < MAX_URL_BRACKETS => {
                open += 1;
                seen += 1;
            }
            b'[' | b'\n' | b'\r' => return None,
            _ => {}
        }
    }
    None
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Pair(Kind),
    Code,
    Img,
    Icon,
    Timestamp,
    Disk,
    Br,
    Symbol(&'static str),
}

/// Every tag that is one for us. `neutral` asks for names only.
const NAMES: &[(&str, Name)] = &[
    ("b", Name::Pair(Kind::Style(Style::Bold))),
    ("i", Name::Pair(Kind::Style(Style::Italic))),
    ("u", Name::Pair(Kind::Style(Style::Underline))),
    ("s", Name::Pair(Kind::Style(Style::Strike))),
    ("url", Name::Pair(Kind::Url)),
    ("user", Name::Pair(Kind::Portal(PortalTag::User))),
    ("chat", Name::Pair(Kind::Portal(PortalTag::Chat))),
    ("context", Name::Pair(Kind::Portal(PortalTag::Context))),
    ("put", Name::Pair(Kind::Portal(PortalTag::Put))),
    ("send", Name::Pair(Kind::Portal(PortalTag::Send))),
    ("call", Name::Pair(Kind::Portal(PortalTag::Call))),
    ("size", Name::Pair(Kind::Portal(PortalTag::Size))),
    ("color", Name::Pair(Kind::Portal(PortalTag::Color))),
    ("quote", Name::Pair(Kind::Portal(PortalTag::Pasted))),
    ("list", Name::Pair(Kind::Portal(PortalTag::Pasted))),
    ("code", Name::Code),
    ("img", Name::Img),
    ("icon", Name::Icon),
    ("timestamp", Name::Timestamp),
    ("disk", Name::Disk),
    ("br", Name::Br),
    ("like", Name::Symbol("\u{1F44D}")),
    ("dislike", Name::Symbol("\u{1F44E}")),
];

impl Name {
    fn of(text: &str) -> Option<Self> {
        NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, name)| *name)
    }
}

pub(super) fn is_tag_name(text: &str) -> bool {
    Name::of(text).is_some()
}

enum Needs {
    Nothing,
    Maybe,
    Value,
}

impl Needs {
    fn of(kind: Kind) -> Self {
        match kind {
            Kind::Style(_) => Self::Nothing,
            Kind::Url | Kind::Portal(PortalTag::Put | PortalTag::Send | PortalTag::Call | PortalTag::Pasted) => {
                Self::Maybe
            }
            Kind::Portal(
                PortalTag::User | PortalTag::Chat | PortalTag::Context | PortalTag::Size | PortalTag::Color,
            ) => Self::Value,
        }
    }
}
