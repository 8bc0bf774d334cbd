//! What the process is told: the two results of a sending robot, and the comment in the card.

use serde_json::{Value, json};

use crate::manifest::Localized;

/// Longest `send_result`, in bytes: 4 KB, so that a long list of recipients cannot swell the process log. Own limit.
pub const RESULT_LIMIT_BYTES: usize = 4096;

/// Longest reason of one recipient, in characters, so that one talkative error leaves room for the others.
const REASON_LIMIT_CHARS: usize = 300;

/// Longest name of one recipient, in characters.
const LABEL_LIMIT_CHARS: usize = 120;

/// Room kept for the note about entries that did not fit, in bytes.
const OVERFLOW_RESERVE_BYTES: usize = 24;

/// How it ended for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipientOutcome {
    /// The recipient as results name it: [`crate::Address::label`], or the chat id the messenger answered with.
    pub label: String,
    /// Nothing when it was sent; otherwise code and text of the reason.
    pub failure: Option<(String, String)>,
}

impl RecipientOutcome {
    /// It was sent.
    pub fn sent(label: impl Into<String>) -> Self {
        Self { label: label.into(), failure: None }
    }

    /// It was not sent, for a reason of this crate's table.
    pub fn refused(label: impl Into<String>, code: ErrorCode, language: &str) -> Self {
        let reason = (code.code().to_owned(), code.text(language).to_owned());
        Self { label: label.into(), failure: Some(reason) }
    }

    /// It was not sent, for a reason that the core or the messenger gave.
    pub fn failed(label: impl Into<String>, code: impl Into<String>, text: impl Into<String>) -> Self {
        Self { label: label.into(), failure: Some((code.into(), text.into())) }
    }
}

/// The results of a sending robot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returns {
    /// `Y` only if every recipient got it, `N` otherwise and also when there was no recipient.
    pub status: &'static str,
    /// `79000000000: Y; 79000000001: N: [code] text;` at most [`RESULT_LIMIT_BYTES`] long.
    pub result: String,
}

impl Returns {
    /// `RETURN_VALUES` of `bizproc.event.send` for the robots that return `send_status` and `send_result`.
    pub fn values(&self) -> Value {
        json!({ "send_status": self.status, "send_result": self.result })
    }
}

/// The answer to the process. `language` is the portal's; it chooses only the words for "no recipient".
pub fn summary(outcomes: &[RecipientOutcome], language: &str) -> Returns {
    if outcomes.is_empty() {
        let code = ErrorCode::NoRecipient;
        return Returns { status: "N", result: format!("[{}] {};", code.code(), code.text(language)) };
    }
    let all_sent = outcomes.iter().all(|outcome| outcome.failure.is_none());
    Returns { status: if all_sent { "Y" } else { "N" }, result: joined(outcomes) }
}

fn joined(outcomes: &[RecipientOutcome]) -> String {
    let mut result = String::new();
    for (position, outcome) in outcomes.iter().enumerate() {
        let entry = entry(outcome);
        if result.len() + entry.len() + OVERFLOW_RESERVE_BYTES > RESULT_LIMIT_BYTES {
            result += &overflow(" ", outcomes.len() - position);
            break;
        }
        if position > 0 {
            result.push(' ');
        }
        result.push_str(&entry);
    }
    result
}

/// Entries that did not fit are at least counted.
fn overflow(separator: &str, left_out: usize) -> String {
    format!("{separator}…+{left_out}")
}

fn entry(outcome: &RecipientOutcome) -> String {
    let label = one_line(&outcome.label, LABEL_LIMIT_CHARS);
    match &outcome.failure {
        None => format!("{label}: Y;"),
        Some((code, text)) => {
            let code = one_line(code, LABEL_LIMIT_CHARS).replace(['[', ']'], "");
            format!("{label}: N: [{code}] {};", one_line(text, REASON_LIMIT_CHARS))
        }
    }
}

/// The comment for the card: plain words, one line per recipient, under the robot's name.
pub fn comment(robot: &Localized, outcomes: &[RecipientOutcome], language: &str) -> String {
    let ru = language.eq_ignore_ascii_case("ru");
    let mut text = format!("ChatApp: {}", robot.get(language));
    if outcomes.is_empty() {
        text.push('\n');
        text.push_str(ErrorCode::NoRecipient.text(language));
    }
    for (position, outcome) in outcomes.iter().enumerate() {
        let label = bracketless(&one_line(&outcome.label, LABEL_LIMIT_CHARS));
        let line = match &outcome.failure {
            None if ru => format!("\n{label}: отправлено"),
            None => format!("\n{label}: sent"),
            Some((_, reason)) => {
                let reason = bracketless(&one_line(reason, REASON_LIMIT_CHARS));
                if ru {
                    format!("\n{label}: не отправлено. {reason}")
                } else {
                    format!("\n{label}: not sent. {reason}")
                }
            }
        };
        if text.len() + line.len() + OVERFLOW_RESERVE_BYTES > RESULT_LIMIT_BYTES {
            text += &overflow("\n", outcomes.len() - position);
            break;
        }
        text.push_str(&line);
    }
    text
}

/// Separators of the grammar and line breaks would make one entry look like two.
fn one_line(text: &str, limit_chars: usize) -> String {
    let flat: String = text.chars().map(|c| if c.is_control() || c == ';' { ' ' } else { c }).collect();
    let words: Vec<&str> = flat.split_whitespace().collect();
    let mut short: String = words.join(" ");
    if let Some((cut, _)) = short.char_indices().nth(limit_chars) {
        short.truncate(cut);
        short.push('…');
    }
    short
}

/// A card comment is read as BB-code: text from outside must not become a tag.
fn bracketless(text: &str) -> String {
    text.replace('[', "(").replace(']', ")")
}

macro_rules! error_codes {
    ($($(#[$doc:meta])* $name:ident, $code:literal, $en:literal, $ru:literal;)*) => {
        /// Why a recipient gets nothing: one table of code and text, used by plans and by the trunk.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $($(#[$doc])* $name,)* }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// What stands in the square brackets of a detailed result.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// A sentence for the person; English for every language but Russian.
            pub fn text(self, language: &str) -> &'static str {
                let ru = language.eq_ignore_ascii_case("ru");
                match self { $(Self::$name => if ru { $ru } else { $en },)* }
            }
        }
    };
}

error_codes! {
    /// No recipient field had a value.
    NoRecipient, "no_recipient", "No recipient is given", "Не указан получатель";
    /// The text is empty after the process evaluated it.
    EmptyMessage, "empty_message", "The message is empty", "Текст сообщения пуст";
    /// More recipients than one firing may write to.
    TooManyRecipients, "too_many_recipients", "More than 50 recipients in one run", "Больше 50 получателей за один запуск";
    /// Not a phone number.
    InvalidPhone, "invalid_phone", "This is not a phone number", "Это не номер телефона";
    /// Not a username, e-mail address or chat id.
    InvalidAddress, "invalid_address", "This is not an address of a messenger", "Это не адрес в мессенджере";
    /// The chosen Open Channel has none of our channels.
    LineNotFound, "line_not_found", "The Open Channel has no ChatApp channel", "К Открытой линии не подключён канал ChatApp";
    /// Several channels fit and none was chosen.
    ChannelRequired, "channel_required", "Choose a channel in the robot", "Выберите канал в настройках робота";
    /// The channel is gone or cannot send.
    ChannelNotConnected, "channel_not_connected", "The channel is not connected", "Канал не подключён";
    /// The channel cannot write first by this kind of address.
    ChannelUnsupported, "channel_unsupported", "This channel cannot write first to such an address", "Этот канал не может написать первым по такому адресу";
    /// The chat belongs to another channel than the chosen one.
    ChatNotFound, "chat_not_found", "The chosen channel has no such chat", "В выбранном канале нет такого чата";
}
