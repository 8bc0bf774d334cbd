//! Where a text may be cut.

/// How good it is to cut at a place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Border {
    /// Inside what is read as one character.
    Never,
    Character,
    Word,
    Line,
    Paragraph,
}

/// The characters before a place, as far as they matter.
#[derive(Default)]
pub(super) struct Previous {
    last: Option<char>,
    before_last: Option<char>,
    /// Letters of flags come in pairs.
    odd_regional: bool,
}

impl Previous {
    /// Takes a character in; gives the border after it if nothing follows that belongs to it.
    pub(super) fn push(&mut self, c: char, tight: bool) -> Border {
        self.odd_regional = is_regional(c) && !self.odd_regional;
        self.before_last = self.last;
        self.last = Some(c);
        match c {
            _ if tight => Border::Character,
            '\n' if self.before_last == Some('\n') => Border::Paragraph,
            '\n' => Border::Line,
            _ if c.is_whitespace() => Border::Word,
            _ => Border::Character,
        }
    }

    /// Whether the next character belongs to the last one.
    pub(super) fn joins(&self, next: char) -> bool {
        is_extending(next)
            || self.last == Some('\u{200D}')
            || (self.last == Some('\r') && next == '\n')
            || (self.odd_regional && is_regional(next))
    }
}

fn is_regional(c: char) -> bool {
    ('\u{1F1E6}'..='\u{1F1FF}').contains(&c)
}

/// Signs that belong to the character before them: accents, vowel signs, variation selectors, skin tones, joiners.
fn is_extending(c: char) -> bool {
    matches!(c,
        '\u{0300}'..='\u{036F}' | '\u{0483}'..='\u{0489}' | '\u{0591}'..='\u{05BD}' | '\u{0610}'..='\u{061A}'
        | '\u{064B}'..='\u{065F}' | '\u{0900}'..='\u{0903}' | '\u{093A}'..='\u{094F}' | '\u{0E31}' | '\u{0E34}'..='\u{0E3A}'
        | '\u{0E47}'..='\u{0E4E}' | '\u{1AB0}'..='\u{1AFF}' | '\u{1DC0}'..='\u{1DFF}' | '\u{200C}'..='\u{200D}'
        | '\u{20D0}'..='\u{20FF}' | '\u{FE00}'..='\u{FE0F}' | '\u{FE20}'..='\u{FE2F}' | '\u{1F3FB}'..='\u{1F3FF}'
        | '\u{E0020}'..='\u{E007F}' | '\u{E0100}'..='\u{E01EF}')
}
