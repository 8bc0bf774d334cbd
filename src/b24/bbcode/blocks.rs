//! Finds the blocks of a text: `>>` lines and quoted messages. Everything else is a run of inline nodes.

use std::ops::Range;

use super::neutral::{MIN_DASHES, QUOTE_MARK};
use super::token::{Token, tokenize};
use super::tree::{inline, pairs, push_text};
use super::{Node, Reply, ReplyHeading};

/// Reads BB-code as an operator's message has it. Every text is readable; `[br]` and the kinds of line ends become `\n`.
pub fn parse(text: &str) -> Vec<Node> {
    let tokens = tokenize(text);
    let lines = Lines::of(&tokens);
    let mut nodes = Vec::new();
    let (mut line, mut run_start) = (0, 0);
    while line < lines.ranges.len() {
        let block = lines.reply_at(line).or_else(|| lines.quote_at(line));
        let Some((node, next_line)) = block else {
            line += 1;
            continue;
        };
        let start = lines.start(line);
        append(&mut nodes, inline(tokens.get(run_start..start).unwrap_or_default()));
        nodes.push(node);
        // The line break after a block belongs to the run that follows.
        run_start = lines.ranges.get(next_line - 1).map_or(tokens.len(), |range| range.end);
        line = next_line;
    }
    append(&mut nodes, inline(tokens.get(run_start..).unwrap_or_default()));
    nodes
}

fn append(nodes: &mut Vec<Node>, more: Vec<Node>) {
    for node in more {
        match node {
            Node::Text(text) => push_text(nodes, &text),
            other => nodes.push(other),
        }
    }
}

struct Lines<'t, 'a> {
    tokens: &'t [Token<'a>],
    /// Without the line breaks.
    ranges: Vec<Range<usize>>,
    /// Whether all tags are closed where the line begins; one more entry for the end of the text.
    level: Vec<bool>,
    /// For each line the next dashed line after it, so that no search is repeated.
    next_dashes: Vec<Option<usize>>,
}

impl<'t, 'a> Lines<'t, 'a> {
    fn of(tokens: &'t [Token<'a>]) -> Self {
        let (mut ranges, mut level, mut start, mut open) = (Vec::new(), vec![true], 0, 0_usize);
        for (at, (token, partner)) in tokens.iter().zip(pairs(tokens)).enumerate() {
            match token {
                Token::Newline => {
                    ranges.push(start..at);
                    level.push(open == 0);
                    start = at + 1;
                }
                Token::Open(_) if partner.is_some() => open += 1,
                Token::Close(_) if partner.is_some() => open -= 1,
                _ => {}
            }
        }
        ranges.push(start..tokens.len());
        level.push(open == 0);
        let mut lines = Self { tokens, ranges, level, next_dashes: Vec::new() };
        let (mut next, mut backwards) = (None, Vec::new());
        for line in (0..lines.ranges.len()).rev() {
            backwards.push(next);
            if lines.is_dashes(line) {
                next = Some(line);
            }
        }
        backwards.reverse();
        lines.next_dashes = backwards;
        lines
    }

    fn start(&self, line: usize) -> usize {
        self.ranges.get(line).map_or(self.tokens.len(), |range| range.start)
    }

    fn line(&self, line: usize) -> &'t [Token<'a>] {
        self.ranges.get(line).and_then(|range| self.tokens.get(range.clone())).unwrap_or_default()
    }

    fn is_level(&self, line: usize) -> bool {
        self.level.get(line).copied().unwrap_or(false)
    }

    fn is_dashes(&self, line: usize) -> bool {
        match self.line(line) {
            [Token::Text(text)] => {
                let text = text.trim_end();
                text.len() >= MIN_DASHES && text.bytes().all(|byte| byte == b'-')
            }
            _ => false,
        }
    }

    fn quoted(&self, line: usize) -> Option<&'a str> {
        match self.line(line).first() {
            Some(Token::Text(text)) => text.strip_prefix(QUOTE_MARK).map(|text| text.strip_prefix(' ').unwrap_or(text)),
            _ => None,
        }
    }

    /// The quote that begins at a line, and the line after it.
    fn quote_at(&self, line: usize) -> Option<(Node, usize)> {
        if !self.is_level(line) {
            return None;
        }
        let mut content = Vec::new();
        let mut after = line;
        // What would have to be taken back if a tag runs out of the block.
        let mut sound = (0, line);
        while let Some(text) = self.quoted(after) {
            if after > line {
                content.push(Token::Newline);
            }
            content.push(Token::Text(text));
            content.extend(self.line(after).iter().skip(1));
            after += 1;
            if self.is_level(after) {
                sound = (content.len(), after);
            }
        }
        content.truncate(sound.0);
        (sound.1 > line).then(|| (Node::Quote(inline(&content)), sound.1))
    }

    /// The quoted message that begins at a line, and the line after it.
    fn reply_at(&self, line: usize) -> Option<(Node, usize)> {
        if !self.is_level(line) || !self.is_dashes(line) {
            return None;
        }
        let end = self.next_dashes.get(line).copied().flatten()?;
        if end == line + 1 || !self.is_level(end) {
            return None;
        }
        let heading = match self.line(line + 1) {
            [Token::Text(text)] => heading(text),
            _ => None,
        };
        let body_line = if heading.is_some() { line + 2 } else { line + 1 };
        let body = if body_line < end {
            self.tokens.get(self.start(body_line)..self.start(end) - 1).unwrap_or_default()
        } else {
            &[]
        };
        Some((Node::Reply(Reply { heading, body: inline(body) }), end + 1))
    }
}

/// `Name [date]`, perhaps with ` #chat18/4711` behind.
fn heading(text: &str) -> Option<ReplyHeading> {
    let (text, context) = match text.trim().rsplit_once("] #") {
        Some((before, context)) => (before, Some(context.to_owned())),
        None => (text.trim().strip_suffix(']')?, None),
    };
    let (author, date) = text.rsplit_once('[')?;
    let author = author.trim();
    (!author.is_empty()).then(|| ReplyHeading { author: author.to_owned(), date: date.trim().to_owned(), context })
}
