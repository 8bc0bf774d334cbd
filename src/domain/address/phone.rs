//! Telephone numbers.

use std::fmt;

use super::is_ignored;

/// E.164 allows 15 digits; shorter ones than 8 exist only inside a country.
const DIGITS: std::ops::RangeInclusive<usize> = 8..=15;

/// A telephone number in international form, 8 to 15 digits, the first of which is no zero.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct E164(String);

impl E164 {
    /// Reads one number in any of the forms that people use, see [`super`].
    pub fn parse(text: &str) -> Option<Self> {
        parse(text)
    }

    /// The form of messengers: `79001234567`.
    pub fn digits(&self) -> &str {
        &self.0
    }

    /// The form of Bitrix24 and of the standard: `+79001234567`.
    pub fn e164(&self) -> String {
        format!("+{}", self.0)
    }

    /// For logs: `+7900***4567`.
    pub fn masked(&self) -> String {
        // Short numbers give less of themselves.
        let shown = if self.0.len() < 11 { 2 } else { 4 };
        let (first, rest) = self.0.split_at_checked(shown).unwrap_or_default();
        let (_, last) = rest.split_at_checked(rest.len().saturating_sub(shown)).unwrap_or_default();
        format!("+{first}***{last}")
    }
}

impl fmt::Debug for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

/// For people: Russian and Kazakh numbers in groups, others as they are.
impl fmt::Display for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups = || {
            let national = self.0.strip_prefix('7').filter(|national| national.len() == 10)?;
            let (code, number) = national.split_at_checked(3)?;
            let (first, rest) = number.split_at_checked(3)?;
            let (second, third) = rest.split_at_checked(2)?;
            Some((code, first, second, third))
        };
        match groups() {
            Some((code, first, second, third)) => write!(f, "+7 {code} {first}-{second}-{third}"),
            None => write!(f, "+{}", self.0),
        }
    }
}

/// Words before a number, with or without a dot or colon.
const LABELS: &[&str] = &["телефон", "тел", "моб", "phone", "tel", "mob", "т"];
/// What begins an extension. `ext` and `доб` also stand for their longer forms.
const EXTENSIONS: &[&str] = &["доб", "вн", "ext", "extension", "добавочный", "внутр", "внутренний", "x", "#"];

pub(super) fn parse(text: &str) -> Option<E164> {
    let text = without_label(text.trim_matches(is_ignored));
    let (digits, plus) = number(text)?;
    international(digits, plus).filter(|digits| DIGITS.contains(&digits.len()) && !digits.starts_with('0')).map(E164)
}

fn without_label(text: &str) -> &str {
    let word_end = text.find(|c: char| !c.is_alphabetic()).unwrap_or(text.len());
    let (word, rest) = text.split_at(word_end);
    let word = word.to_lowercase();
    if LABELS.contains(&word.as_str()) {
        rest.trim_start_matches(|c| c == '.' || c == ':' || is_ignored(c))
    } else {
        text
    }
}

/// The digits of a number without its extension, and whether a plus stands before them. `None` if there is anything that does
/// not belong to a number.
fn number(text: &str) -> Option<(String, bool)> {
    let (mut digits, mut plus) = (String::new(), false);
    for (at, c) in text.char_indices() {
        if let Some(digit) = ascii_digit(c) {
            digits.push(digit);
        } else if matches!(c, '+' | '＋') && digits.is_empty() && !plus {
            plus = true;
        } else if !is_punctuation(c) {
            let rest = text.get(at..).unwrap_or_default();
            if digits.len() >= 5 && is_extension(rest) {
                break;
            }
            return None;
        }
    }
    (digits.len() <= 24).then_some((digits, plus))
}

fn international(digits: String, plus: bool) -> Option<String> {
    let with_code = |national: &str| Some(format!("7{national}"));
    if let Some(rest) = digits.strip_prefix("00") {
        return Some(rest.to_owned());
    }
    match (digits.strip_prefix('8'), digits.len()) {
        (Some(national), 11) if !plus || national.starts_with('9') => return with_code(national),
        (Some(_), 13..) if !plus && digits.starts_with("810") => {
            return digits.get(3..).map(str::to_owned);
        }
        _ => {}
    }
    if !plus && digits.len() == 10 && digits.starts_with('9') {
        return with_code(&digits);
    }
    Some(digits)
}

/// Whether a text is nothing but an extension: `доб. 12`, `ext=5`, `#3`.
pub(super) fn is_extension(text: &str) -> bool {
    let word_end = text.find(|c: char| !c.is_alphabetic() && c != '#').unwrap_or(text.len());
    let (word, rest) = text.split_at(word_end);
    let known = EXTENSIONS.contains(&word.to_lowercase().as_str());
    let number = rest.trim_matches(|c| matches!(c, '.' | ':' | '=' | '№' | ')') || is_ignored(c));
    known && (1..=8).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// Numbers that only spaces separate, `+7900… +7901…`: a new one begins at every plus behind a space.
pub(super) fn split_joined(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let part = rest?;
        let next = part
            .match_indices('+')
            .map(|(at, _)| at)
            .find(|at| part.get(..*at).is_some_and(|before| before.ends_with(is_ignored) && number_before(before)));
        let Some((first, second)) = next.and_then(|at| part.split_at_checked(at)) else {
            return rest.take();
        };
        rest = Some(second);
        Some(first)
    })
}

fn number_before(text: &str) -> bool {
    text.starts_with('+') || text.chars().next().and_then(ascii_digit).is_some()
}

/// Digits as other keyboards write them.
fn ascii_digit(c: char) -> Option<char> {
    let zero = match c {
        '0'..='9' => return Some(c),
        '\u{FF10}'..='\u{FF19}' => '\u{FF10}',
        '\u{0660}'..='\u{0669}' => '\u{0660}',
        '\u{06F0}'..='\u{06F9}' => '\u{06F0}',
        _ => return None,
    };
    char::from_digit(u32::from(c) - u32::from(zero), 10)
}

fn is_punctuation(c: char) -> bool {
    is_ignored(c) || matches!(c, '(' | ')' | '[' | ']' | '-' | '.' | '/' | '\'' | '_' | '\u{2010}'..='\u{2015}' | '−')
}
