//! Telegram's entities, which point into the text by UTF-16 units, as BB-code.

use std::ops::Range;

use super::html::followable;
use super::neutral::Neutral;

/// Entities beyond are ignored: Telegram sends at most 100.
const MAX_ENTITIES: usize = 200;

/// One stretch of a text with a meaning, as Telegram sends it. Offsets that reach beyond the text are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entity<'a> {
    /// First UTF-16 unit.
    pub offset: usize,
    /// In UTF-16 units.
    pub length: usize,
    pub kind: EntityKind<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntityKind<'a> {
    Bold,
    Italic,
    Underline,
    Strike,
    Code,
    /// A text that hides an address.
    Link(&'a str),
    Quote,
}

impl<'a> EntityKind<'a> {
    /// From the Bot API's `type` and `url`. `None` for what an open line shows without help: addresses, mentions, spoilers.
    pub fn from_wire(kind: &str, url: Option<&'a str>) -> Option<Self> {
        match kind {
            "bold" => Some(Self::Bold),
            "italic" => Some(Self::Italic),
            "underline" => Some(Self::Underline),
            "strikethrough" => Some(Self::Strike),
            "code" | "pre" => Some(Self::Code),
            "text_link" => url.map(Self::Link),
            "blockquote" | "expandable_blockquote" => Some(Self::Quote),
            _ => None,
        }
    }

    fn tag(self) -> Option<&'static str> {
        match self {
            Self::Bold => Some("b"),
            Self::Italic => Some("i"),
            Self::Underline => Some("u"),
            Self::Strike => Some("s"),
            Self::Code => Some("code"),
            Self::Link(_) => Some("url"),
            Self::Quote => None,
        }
    }
}

/// Writes a client's text with its entities as BB-code. Overlapping entities are closed and opened again; nothing else stands
/// inside code; a link to anywhere but the web, mail, telephone or Telegram is only its text.
pub fn from_telegram(text: &str, entities: &[Entity<'_>]) -> String {
    let spans = spans(text, entities);
    let mut borders: Vec<usize> = spans.iter().flat_map(|span| [span.part.start, span.part.end]).collect();
    borders.extend([0, text.len()]);
    // A quote is marked line by line, and no tag reaches over the end of a quoted line.
    borders.extend(text.match_indices('\n').flat_map(|(at, _)| [at, at + 1]));
    borders.sort_unstable();
    borders.dedup();
    let mut writer = Writer { text, neutral: Neutral::new(text), out: String::new(), open: Vec::new(), quoting: false };
    for (from, to) in borders.iter().zip(borders.iter().skip(1)) {
        writer.stretch(*from..*to, &spans);
    }
    writer.close_all();
    writer.out
}

#[derive(Clone)]
struct Span<'a> {
    part: Range<usize>,
    kind: EntityKind<'a>,
}

/// The usable entities by bytes, in the order in which they open.
fn spans<'a>(text: &str, entities: &[Entity<'a>]) -> Vec<Span<'a>> {
    let usable = entities.iter().take(MAX_ENTITIES);
    let mut units: Vec<usize> = usable.clone().flat_map(|e| [e.offset, e.offset.saturating_add(e.length)]).collect();
    units.sort_unstable();
    units.dedup();
    let bytes = byte_positions(text, &units);
    let byte = |unit: usize| units.binary_search(&unit).ok().and_then(|at| bytes.get(at)).copied();
    let mut spans: Vec<_> = usable
        .filter_map(|e| {
            let part = byte(e.offset)?..byte(e.offset.saturating_add(e.length))?;
            let dead_link = matches!(e.kind, EntityKind::Link(url) if followable(url).is_none());
            (!part.is_empty() && !dead_link).then_some(Span { part, kind: e.kind })
        })
        .collect();
    spans.sort_by_key(|span| (span.part.start, std::cmp::Reverse(span.part.end)));
    spans
}

/// Byte positions of ascending UTF-16 positions; inside a surrogate pair the next character counts.
fn byte_positions(text: &str, units: &[usize]) -> Vec<usize> {
    let mut wanted = units.iter().peekable();
    let mut bytes = Vec::with_capacity(units.len());
    let mut unit = 0;
    for (at, c) in text.char_indices() {
        while wanted.next_if(|next| **next <= unit).is_some() {
            bytes.push(at);
        }
        unit += c.len_utf16();
    }
    bytes.resize(units.len(), text.len());
    bytes
}

struct Writer<'a> {
    text: &'a str,
    neutral: Neutral<'a>,
    out: String,
    /// Tags that are open, outermost first.
    open: Vec<EntityKind<'a>>,
    /// The line being written has its quote mark.
    quoting: bool,
}

impl<'a> Writer<'a> {
    /// Writes a stretch in which no entity begins or ends.
    fn stretch(&mut self, part: Range<usize>, spans: &[Span<'a>]) {
        let over = || spans.iter().filter(|span| span.part.start <= part.start && part.end <= span.part.end);
        let quoted = over().any(|span| span.kind == EntityKind::Quote);
        let line_break = self.text.get(part.clone()) == Some("\n");
        if line_break && (quoted || self.quoting) {
            self.close_all();
            let empty_line = quoted && !self.quoting && self.at_line_start();
            self.out.push_str(if empty_line { ">>\n" } else { "\n" });
            self.quoting = false;
            return;
        }
        if quoted != self.quoting {
            self.close_all();
            self.out.push_str(match (quoted, self.at_line_start()) {
                (true, true) => ">>",
                (true, false) => "\n>>",
                (false, _) => "\n",
            });
            self.quoting = quoted;
        }
        let mut wanted = wanted(over().map(|span| span.kind));
        // Nothing begins at white space: a link with nothing to see in it would show its address.
        if self.text.get(part.clone()).is_some_and(|text| text.trim().is_empty()) {
            wanted.truncate(self.common(&wanted));
        }
        self.switch(wanted);
        self.neutral.write(&mut self.out, part);
    }

    /// How many of the open tags go on.
    fn common(&self, wanted: &[EntityKind<'a>]) -> usize {
        self.open.iter().zip(wanted).take_while(|(open, want)| open == want).count()
    }

    fn at_line_start(&self) -> bool {
        self.out.is_empty() || self.out.ends_with('\n')
    }

    /// Closes what ends and opens what begins; what goes on inside something that ends is opened again.
    fn switch(&mut self, wanted: Vec<EntityKind<'a>>) {
        let common = self.common(&wanted);
        self.close_to(common);
        for kind in wanted.into_iter().skip(common) {
            let Some(tag) = kind.tag() else { continue };
            self.out.extend(["[", tag]);
            if let EntityKind::Link(url) = kind {
                self.out.push('=');
                self.out.push_str(&link_target(url));
            }
            self.out.push(']');
            self.open.push(kind);
        }
    }

    fn close_all(&mut self) {
        self.close_to(0);
    }

    fn close_to(&mut self, depth: usize) {
        while self.open.len() > depth {
            if let Some(tag) = self.open.pop().and_then(EntityKind::tag) {
                self.out.extend(["[/", tag, "]"]);
            }
        }
    }
}

/// The tags for a stretch: each kind once, one link, code alone.
fn wanted<'a>(kinds: impl Iterator<Item = EntityKind<'a>>) -> Vec<EntityKind<'a>> {
    let mut tags: Vec<EntityKind<'a>> = Vec::new();
    for kind in kinds {
        if kind == EntityKind::Code {
            return vec![kind];
        }
        if kind.tag().is_some() && !tags.iter().any(|tag| tag.tag() == kind.tag()) {
            tags.push(kind);
        }
    }
    tags
}

/// An address that cannot end the tag it stands in.
fn link_target(url: &str) -> String {
    url.trim().chars().fold(String::new(), |mut out, c| {
        match c {
            '[' => out.push_str("%5B"),
            ']' => out.push_str("%5D"),
            '"' => out.push_str("%22"),
            '\'' => out.push_str("%27"),
            _ => out.push(c),
        }
        out
    })
}
