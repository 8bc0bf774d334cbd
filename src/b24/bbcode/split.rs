//! Cuts a message that is too long for a messenger into several that are not.
//!
//! The nodes are walked as a stream of openings, closings and units (a character, or a node that cannot be cut). A piece takes
//! as many units as fit, is then shortened to the best border in its second half, and repeats the openings that the cut went
//! through. Fitting is measured on the piece as it will be sent, found by halving: a handful of renderings a piece.

use std::ptr;

use super::Node;
use super::border::{Border, Previous};
use super::loosen::{literal, loosened, shows_nothing, with_children};
use super::tree::push_text;

/// Smaller limits are taken for this one: marks of nested styles need some room. The smallest limit of a messenger is 1000.
pub const MIN_LIMIT: usize = 64;

/// What a messenger counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Chars,
    /// As Telegram and JavaScript count: most emoji are two.
    Utf16,
    Bytes,
}

impl Unit {
    pub fn count(self, text: &str) -> usize {
        match self {
            Self::Chars => text.chars().count(),
            Self::Utf16 => text.encode_utf16().count(),
            Self::Bytes => text.len(),
        }
    }
}

/// Cuts a plain text at paragraphs, lines or words, and inside a word only where it must be; never inside what is read as one
/// character, unless that alone is longer than the limit. Only white space at the cuts is lost. A text that fits is one piece;
/// an empty text gives none.
pub fn split_text(text: &str, limit: usize, unit: Unit) -> Vec<String> {
    let mut nodes = Vec::new();
    push_text(&mut nodes, text);
    let measure = |piece: &[Node]| piece.iter().map(|node| unit.count(literal(node))).sum();
    let pieces = split_nodes(&nodes, limit, &measure);
    pieces.iter().map(|piece| piece.iter().map(literal).collect()).collect()
}

/// Cuts parsed nodes in the same way; styles, links and quotes that a cut goes through are on in both pieces, only a quoted
/// message's heading is not repeated. `measure` gives the length of a piece as it will be sent, at least one for every
/// character shown. An address that cannot fit beside its label stands behind it as text.
pub fn split_nodes(nodes: &[Node], limit: usize, measure: &dyn Fn(&[Node]) -> usize) -> Vec<Vec<Node>> {
    let limit = limit.max(MIN_LIMIT);
    if measure(nodes) <= limit {
        return if nodes.is_empty() { Vec::new() } else { vec![nodes.to_vec()] };
    }
    let loose = loosened(nodes, limit / 2, measure);
    let mut splitter = Splitter { stream: Vec::new(), at: Place::default(), open: Vec::new(), limit, measure };
    flatten(&loose, &mut splitter.stream);
    let mut pieces = Vec::new();
    while let Some(piece) = splitter.next_piece() {
        if !piece.is_empty() {
            pieces.push(piece);
        }
    }
    pieces
}

enum Event<'a> {
    Open(&'a Node),
    Close,
    Text(&'a str),
    Whole(&'a Node),
}

fn flatten<'a>(nodes: &'a [Node], stream: &mut Vec<Event<'a>>) {
    for node in nodes {
        match node {
            Node::Text(text) => stream.push(Event::Text(text)),
            Node::Code(text) => stream.extend([Event::Open(node), Event::Text(text), Event::Close]),
            _ if node.children().is_empty() => stream.push(Event::Whole(node)),
            _ => {
                stream.push(Event::Open(node));
                flatten(node.children(), stream);
                stream.push(Event::Close);
            }
        }
    }
}

/// A place in the stream: an event, and a byte if that is a text.
#[derive(Clone, Copy, Default)]
struct Place {
    event: usize,
    byte: usize,
}

/// A place after a unit.
struct Cut {
    place: Place,
    border: Border,
    /// The unit before is white space.
    blank: bool,
}

#[derive(Clone, Copy)]
struct OpenNode<'a> {
    node: &'a Node,
    /// A piece before has something of it, and so its heading.
    shown: bool,
}

struct Splitter<'a> {
    stream: Vec<Event<'a>>,
    at: Place,
    /// Nodes that are open where the next piece begins, outermost first.
    open: Vec<OpenNode<'a>>,
    limit: usize,
    measure: &'a dyn Fn(&[Node]) -> usize,
}

impl<'a> Splitter<'a> {
    fn next_piece(&mut self) -> Option<Vec<Node>> {
        let cuts = self.cuts();
        let last = cuts.last()?;
        let end = Place { event: self.stream.len(), byte: 0 };
        if !self.has_units_after(last.place) {
            let piece = self.piece(end).0;
            if (self.measure)(&piece) <= self.limit {
                self.at = end;
                return Some(piece);
            }
        }
        let mut count = self.fitting(&cuts);
        loop {
            let head = cuts.get(..best(cuts.get(..count)?)).filter(|head| !head.is_empty())?;
            let kept = head.iter().rfind(|cut| !cut.blank);
            let (piece, seen) = kept.map(|cut| self.piece(cut.place)).unwrap_or_default();
            // A shorter piece can be longer when sent: a link whose label is no longer its address, a mark that now applies.
            if (self.measure)(&piece) > self.limit && head.len() > 1 {
                count = head.len() - 1;
                continue;
            }
            let cut = head.last()?.place;
            self.go_to(cut, &seen);
            return Some(piece);
        }
    }

    /// How many cuts fit; at least one, so that every piece goes on.
    fn fitting(&self, cuts: &[Cut]) -> usize {
        let (mut fits, mut too_many) = (1, cuts.len() + 1);
        while too_many - fits > 1 {
            let middle = usize::midpoint(fits, too_many);
            let piece = cuts.get(middle - 1).map(|cut| self.piece(cut.place).0).unwrap_or_default();
            if (self.measure)(&piece) <= self.limit {
                fits = middle;
            } else {
                too_many = middle;
            }
        }
        fits
    }

    /// The next places to cut at, as many as could fit.
    fn cuts(&self) -> Vec<Cut> {
        let mut window = Window { cuts: Vec::new(), previous: Previous::default(), limit: self.limit };
        let mut nested: Vec<bool> = self.open.iter().map(|open| is_tight(open.node)).collect();
        let mut tight = nested.iter().filter(|tight| **tight).count();
        let mut place = self.at;
        while let Some(event) = self.stream.get(place.event).filter(|_| !window.is_full()) {
            match event {
                Event::Open(node) => {
                    nested.push(is_tight(node));
                    tight += usize::from(is_tight(node));
                }
                Event::Close => tight -= usize::from(nested.pop().unwrap_or(false)),
                Event::Whole(_) => window.whole(Place { event: place.event + 1, byte: 0 }),
                Event::Text(text) => window.text(place, text, tight > 0),
            }
            place = Place { event: place.event + 1, byte: 0 };
        }
        window.cuts
    }

    fn has_units_after(&self, place: Place) -> bool {
        let rest = self.stream.get(place.event..).unwrap_or_default();
        rest.iter().enumerate().any(|(index, event)| match event {
            Event::Text(text) => text.len() > if index == 0 { place.byte } else { 0 },
            Event::Whole(_) => true,
            Event::Open(_) | Event::Close => false,
        })
    }

    /// The nodes from here to a place, and what is open there. Openings at the very end belong to the next piece.
    fn piece(&self, end: Place) -> (Vec<Node>, Vec<&'a Node>) {
        let mut levels = vec![Level { shell: None, repeated: false, nodes: Vec::new() }];
        levels.extend(self.open.iter().map(|open| Level::of(open.node, open.shown)));
        let mut place = self.at;
        while place.event < end.event || (place.event == end.event && place.byte < end.byte) {
            let Some(event) = self.stream.get(place.event) else {
                break;
            };
            match event {
                Event::Open(node) => levels.push(Level::of(node, false)),
                Event::Close => close(&mut levels),
                Event::Whole(node) => add(&mut levels, (*node).clone()),
                Event::Text(text) => {
                    let to = if place.event == end.event { end.byte } else { text.len() };
                    if let Some(level) = levels.last_mut() {
                        push_text(&mut level.nodes, text.get(place.byte..to).unwrap_or_default());
                    }
                }
            }
            place = Place { event: place.event + 1, byte: 0 };
        }
        let open = levels.iter().filter_map(|level| level.shell).collect();
        while levels.len() > 1 {
            close(&mut levels);
        }
        (levels.pop().map(|level| level.nodes).unwrap_or_default(), open)
    }

    /// Makes a place the beginning of the next piece. `seen` nodes are open there and were in the last piece.
    fn go_to(&mut self, place: Place, seen: &[&'a Node]) {
        let was_shown = |node: &Node| {
            seen.iter().any(|seen| ptr::eq(*seen, node))
                || self.open.iter().any(|open| open.shown && ptr::eq(open.node, node))
        };
        let open = self.piece(place).1.into_iter().map(|node| OpenNode { node, shown: was_shown(node) });
        self.open = open.collect();
        self.at = place;
        self.skip_blanks();
    }

    fn skip_blanks(&mut self) {
        while let Some(event) = self.stream.get(self.at.event) {
            match event {
                Event::Text(text) => {
                    let rest = text.get(self.at.byte..).unwrap_or_default();
                    let word = rest.trim_start();
                    if !word.is_empty() {
                        self.at.byte += rest.len() - word.len();
                        return;
                    }
                }
                Event::Open(node) => self.open.push(OpenNode { node, shown: false }),
                Event::Close => {
                    self.open.pop();
                }
                Event::Whole(_) => return,
            }
            self.at = Place { event: self.at.event + 1, byte: 0 };
        }
    }
}

/// Collects places to cut at: one more than could fit.
struct Window {
    cuts: Vec<Cut>,
    previous: Previous,
    limit: usize,
}

impl Window {
    fn is_full(&self) -> bool {
        self.cuts.len() > self.limit
    }

    /// Takes in a node that cannot be cut, which ends at a place.
    fn whole(&mut self, place: Place) {
        self.previous = Previous::default();
        self.cuts.push(Cut { place, border: Border::Character, blank: false });
    }

    /// Takes in a text from a place on.
    fn text(&mut self, from: Place, text: &str, tight: bool) {
        for (at, c) in text.get(from.byte..).unwrap_or_default().char_indices() {
            if let Some(last) = self.cuts.last_mut().filter(|_| self.previous.joins(c)) {
                last.border = Border::Never;
            }
            if self.is_full() {
                return;
            }
            let place = Place { event: from.event, byte: from.byte + at + c.len_utf8() };
            let border = self.previous.push(c, tight);
            self.cuts.push(Cut { place, border, blank: c.is_whitespace() });
        }
    }
}

/// Links and code are better not cut.
fn is_tight(node: &Node) -> bool {
    matches!(node, Node::Link { .. } | Node::Code(_))
}

/// A node that is being built; without a shell the piece itself.
struct Level<'a> {
    shell: Option<&'a Node>,
    /// A piece before has its beginning.
    repeated: bool,
    nodes: Vec<Node>,
}

impl<'a> Level<'a> {
    fn of(shell: &'a Node, repeated: bool) -> Self {
        Self { shell: Some(shell), repeated, nodes: Vec::new() }
    }
}

/// Ends the innermost level; one without content leaves nothing.
fn close(levels: &mut Vec<Level<'_>>) {
    let Some(Level { shell: Some(shell), repeated, nodes }) = levels.pop() else {
        return;
    };
    if nodes.is_empty() {
        return;
    }
    let node = match shell {
        Node::Reply(_) if repeated => Node::Quote(nodes),
        // Without its label a link would show its address.
        Node::Link { label, .. } if shows_nothing(&nodes) && !shows_nothing(label) => {
            return nodes.into_iter().for_each(|node| add(levels, node));
        }
        _ => with_children(shell, nodes),
    };
    add(levels, node);
}

fn add(levels: &mut [Level<'_>], node: Node) {
    if let Some(level) = levels.last_mut() {
        level.nodes.push(node);
    }
}

/// How many cuts to take: the last of the best kind in the second half, or the last word border in the second quarter, or the
/// last place between characters.
fn best(cuts: &[Cut]) -> usize {
    let last_of = |from: usize, least: Border| {
        let best = cuts.get(from..)?.iter().map(|cut| cut.border).max().filter(|best| *best >= least)?;
        cuts.iter().rposition(|cut| cut.border == best).map(|index| index + 1)
    };
    last_of(cuts.len() / 2, Border::Word)
        .or_else(|| last_of(cuts.len() / 4, Border::Word))
        .or_else(|| last_of(0, Border::Character))
        .unwrap_or(cuts.len())
}
