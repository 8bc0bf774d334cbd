//! What a client wrote, as BB-code for the open line.

use std::ops::Range;

use super::neutral::Neutral;

/// Text without markup. The operator sees it exactly as the client typed it: [`super::parse`] finds only texts in it.
pub fn from_plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    Neutral::new(text).write(&mut out, 0..text.len());
    out
}

/// WhatsApp's marks: `*bold*`, `_italic_`, `~strike~`, `` `code` ``, three backticks around several lines, `> ` before quoted
/// lines. What WhatsApp would show as typed stays as typed.
pub fn from_whatsapp(text: &str) -> String {
    let mut reader = Reader { text, neutral: Neutral::new(text), out: String::with_capacity(text.len()) };
    let mut from = 0;
    while let Some((block, content)) = fenced(text, from) {
        reader.lines(from..block.start);
        reader.tag("code", content);
        from = block.end;
    }
    reader.lines(from..text.len());
    reader.out
}

/// The next block in three backticks, with and without them.
fn fenced(text: &str, from: usize) -> Option<(Range<usize>, Range<usize>)> {
    const FENCE: &str = "```";
    let mut start = from;
    loop {
        start += text.get(start..)?.find(FENCE)?;
        let inside = start + FENCE.len();
        let length = text.get(inside..)?.find(FENCE)?;
        let content = text.get(inside..inside + length)?;
        if !content.trim().is_empty() {
            let lead = content.len() - content.trim_start_matches('\n').len();
            let kept = content.trim_matches('\n').len();
            return Some((start..inside + length + FENCE.len(), inside + lead..inside + lead + kept));
        }
        start = inside + length;
    }
}

struct Reader<'a> {
    text: &'a str,
    neutral: Neutral<'a>,
    out: String,
}

/// Marks that are on, in the order of [`MARKS`].
type Marks = [bool; 3];
const MARKS: [(u8, &str); 3] = [(b'*', "b"), (b'_', "i"), (b'~', "s")];

impl Reader<'_> {
    fn raw(&mut self, part: Range<usize>) {
        self.neutral.write(&mut self.out, part);
    }

    fn open(&mut self, tag: &str) {
        self.out.extend(["[", tag, "]"]);
    }

    fn close(&mut self, tag: &str) {
        self.out.extend(["[/", tag, "]"]);
    }

    fn tag(&mut self, tag: &str, part: Range<usize>) {
        self.open(tag);
        self.raw(part);
        self.close(tag);
    }

    fn lines(&mut self, part: Range<usize>) {
        let mut at = part.start;
        for line in self.text.get(part).unwrap_or_default().split_inclusive('\n') {
            let end = at + line.trim_end_matches('\n').len();
            let line_start = self.text.get(..at).is_none_or(|before| before.is_empty() || before.ends_with('\n'));
            let quote = line.starts_with("> ") && line_start;
            if quote {
                self.out.push_str(">>");
            }
            self.inline(if quote { at + 2 } else { at }..end, [false; 3]);
            self.raw(end..at + line.len());
            at += line.len();
        }
    }

    /// A part of a line. Inside a mark the part is read once more, with that mark on: at most as often as there are marks.
    fn inline(&mut self, part: Range<usize>, on: Marks) {
        // Signs that close nowhere further on: every sign is searched in vain only once.
        let mut hopeless = [false; 256];
        let (mut at, mut pending) = (part.start, part.start);
        while at < part.end {
            let Some(sign) = self.text.as_bytes().get(at).copied() else {
                break;
            };
            let mark = MARKS.iter().position(|(mark, _)| *mark == sign);
            let active = mark.is_some_and(|mark| on.get(mark) == Some(&true));
            let dead = hopeless.get(usize::from(sign)) == Some(&true);
            if (mark.is_none() && sign != b'`') || active || dead || !self.may_open(at, &part) {
                at += 1;
                continue;
            }
            let Some(end) = self.closing(sign, at + 1..part.end) else {
                if let Some(flag) = hopeless.get_mut(usize::from(sign)) {
                    *flag = true;
                }
                at += 1;
                continue;
            };
            self.raw(pending..at);
            match mark {
                Some(mark) => self.marked(mark, at + 1..end, on),
                None => self.tag("code", at + 1..end),
            }
            at = end + 1;
            pending = at;
        }
        self.raw(pending..part.end);
    }

    fn marked(&mut self, mark: usize, part: Range<usize>, on: Marks) {
        let Some((_, tag)) = MARKS.get(mark) else {
            return;
        };
        let mut inside = on;
        if let Some(flag) = inside.get_mut(mark) {
            *flag = true;
        }
        self.open(tag);
        self.inline(part, inside);
        self.close(tag);
    }

    /// A sign opens at the beginning of a word: not after a letter, not before a space or itself.
    fn may_open(&self, at: usize, part: &Range<usize>) -> bool {
        let before = self.text.get(part.start..at).and_then(|text| text.chars().next_back());
        let after = self.text.get(at + 1..part.end).and_then(|text| text.chars().next());
        let sign = self.text.get(at..).and_then(|text| text.chars().next());
        !before.is_some_and(char::is_alphanumeric) && after.is_some_and(|c| !c.is_whitespace()) && after != sign
    }

    /// Where a sign closes: after something that is no space, not before a letter.
    fn closing(&self, sign: u8, part: Range<usize>) -> Option<usize> {
        let text = self.text.get(part.clone())?;
        text.match_indices(char::from(sign))
            .filter(|(at, _)| *at > 0)
            .find(|(at, _)| {
                let (before, after) = text.split_at(*at);
                !before.ends_with(char::is_whitespace) && !after.chars().nth(1).is_some_and(char::is_alphanumeric)
            })
            .map(|(at, _)| part.start + at)
    }
}
