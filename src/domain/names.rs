//! A client's name as Bitrix24 takes it: letters, spaces, hyphens and apostrophes, at most 25 characters for each of `name`
//! and `last_name` (`imconnector.send.messages`). People in messengers call themselves anything.

#[cfg(test)]
mod tests;

/// Characters of one name, from the method's documentation.
pub const MAX_NAME: usize = 25;

/// What remains of a name. Both are absent if nothing did; then the caller shows the phone or «Гость».
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CleanName {
    pub first: Option<String>,
    pub last: Option<String>,
}

/// Cleans a name that a messenger gives in one piece: the first word, and the rest as last name.
pub fn clean_name(raw: &str) -> CleanName {
    let words = words(raw);
    let (first, rest) = words.split_first().map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
    CleanName { first: shortened(first), last: shortened(&rest.join(" ")) }
}

/// Cleans names that a messenger gives apart. If only the last one is usable it becomes the first.
pub fn clean_names(first: &str, last: &str) -> CleanName {
    let (first, last) = (shortened(&words(first).join(" ")), shortened(&words(last).join(" ")));
    match first {
        Some(_) => CleanName { first, last },
        None => CleanName { first: last, last: None },
    }
}

/// The title of a group where the portal wants a person's name: its words as they are, because digits tell groups apart. (The portal's
/// code takes any characters.)
pub fn title_name(title: &str) -> CleanName {
    let known = |c: char| if c.is_control() || u32::from(c) > 0xFFFF { ' ' } else { c };
    let title: String = title.chars().take(20 * MAX_NAME).map(known).collect();
    let (mut first, mut last) = (String::new(), String::new());
    for word in title.split_whitespace() {
        let word: String = word.chars().take(MAX_NAME).collect();
        let has_room = |piece: &String| piece.is_empty() || (piece.chars().count() + word.chars().count()) < MAX_NAME;
        let piece = match (last.is_empty() && has_room(&first), has_room(&last)) {
            (true, _) => &mut first,
            (false, true) => &mut last,
            (false, false) => break,
        };
        if !piece.is_empty() {
            piece.push(' ');
        }
        piece.push_str(&word);
    }
    let some = |text: String| (!text.is_empty()).then_some(text);
    CleanName { first: some(first), last: some(last) }
}

/// The words of a name: letters with hyphens and apostrophes between them; everything else separates.
fn words(raw: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    // Nobody's name is longer; what is cut off below would be read in vain.
    for c in raw.chars().take(20 * MAX_NAME).chain([' ']) {
        match c {
            _ if is_sign(c) => accent(&mut word, c),
            '\'' | '\u{2019}' | '\u{02BC}' | '\u{2018}' | '`' => word.push('\''),
            '-' | '\u{2010}'..='\u{2015}' => word.push('-'),
            _ if let Some(letter) = letter(c) => word.push(letter),
            _ => {
                let whole = word.trim_matches(['-', '\'']);
                if !whole.is_empty() {
                    words.push(whole.to_owned());
                }
                word.clear();
            }
        }
    }
    words
}

/// Signs above, below and between letters that are no letters themselves: accents, tone marks, joiners.
fn is_sign(c: char) -> bool {
    matches!(c,
        '\u{0300}'..='\u{036F}' | '\u{093C}' | '\u{094D}' | '\u{09CD}' | '\u{0A4D}' | '\u{0ACD}' | '\u{0BCD}' | '\u{0C4D}' | '\u{0CCD}'
        | '\u{0D4D}' | '\u{0DCA}' | '\u{0E47}'..='\u{0E4E}' | '\u{200B}'..='\u{200D}')
}

/// Letters written as a base and a sign above it, as Apple's devices send й and ё. Other signs are left out.
fn accent(word: &mut String, sign: char) {
    let composed = match (word.chars().next_back(), sign) {
        (Some('и'), '\u{0306}') => 'й',
        (Some('И'), '\u{0306}') => 'Й',
        (Some('е'), '\u{0308}') => 'ё',
        (Some('Е'), '\u{0308}') => 'Ё',
        (Some('і'), '\u{0308}') => 'ї',
        (Some('І'), '\u{0308}') => 'Ї',
        _ => return,
    };
    word.pop();
    word.push(composed);
}

/// A letter as the portal can store it. The bold, cursive and other Latin alphabets of mathematics, in which people like to
/// write their names, become plain letters.
fn letter(c: char) -> Option<char> {
    const FANCY: u32 = 0x1D400;
    const ALPHABETS: u32 = 13;
    let fancy = u32::from(c).wrapping_sub(FANCY);
    if fancy < ALPHABETS * 52 {
        let place = u8::try_from(fancy % 52).ok()?;
        return Some(char::from(if place < 26 { b'A' + place } else { b'a' + place - 26 }));
    }
    // Beyond the basic plane an old portal's database cuts the text off.
    (c.is_alphabetic() && u32::from(c) <= 0xFFFF).then_some(c)
}

/// At most [`MAX_NAME`] characters, whole words if possible.
fn shortened(text: &str) -> Option<String> {
    let mut short: String = text.chars().take(MAX_NAME).collect();
    let cut = short.len() < text.len() && !text.get(short.len()..).is_some_and(|rest| rest.starts_with(' '));
    if cut && let Some(space) = short.rfind(' ') {
        short.truncate(space);
    }
    let short = short.trim_matches([' ', '-', '\'']);
    (!short.is_empty()).then(|| short.to_owned())
}
