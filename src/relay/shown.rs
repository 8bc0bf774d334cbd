//! Texts of messages as the Open Channel shows them: BB-code, from the form in which their parts are kept.

use crate::{
    b24::bbcode,
    db::{MessageOrigin, Part},
    domain::capabilities::Markup,
};

/// A part's text as its author wrote it, without the signature that a line puts before operators' texts.
pub fn words(text: &str, origin: MessageOrigin, (markup, is_signed): (Markup, bool)) -> String {
    match origin {
        MessageOrigin::Operator => as_written(text, markup, is_signed),
        MessageOrigin::Automatic => as_written(text, markup, false),
        // Texts of robots and cards are kept as they were typed: BB-code, as clients' texts are.
        MessageOrigin::Client
        | MessageOrigin::Robot
        | MessageOrigin::Card
        | MessageOrigin::Phone
        | MessageOrigin::Sms => text.to_owned(),
    }
}

/// What a whole message says, a line for each of its parts, without any markup.
pub fn plain(parts: &[Part], origin: MessageOrigin, style: (Markup, bool)) -> String {
    let texts = parts.iter().map(|part| bbcode::plain(&words(&part.text, origin, style)));
    texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n")
}

/// A text of the line as it was written there, from the messenger's markup in which it is kept.
fn as_written(text: &str, markup: Markup, is_signed: bool) -> String {
    // A signature is a line of its own, a name and a colon, with the markup around it; see `to_core`.
    let signature = |line: &str| line.trim_end_matches(['*', '/', 'b', '<', '>']).ends_with(':');
    let text = match text.split_once('\n') {
        Some((name, rest)) if is_signed && signature(name) => rest,
        _unsigned => text,
    };
    match markup {
        Markup::Whatsapp => bbcode::from_whatsapp(text),
        Markup::TelegramHtml => bbcode::from_plain(&without_tags(text)),
        Markup::Plain => bbcode::from_plain(text),
    }
}

/// Our own HTML for Telegram as a person reads it.
fn without_tags(html: &str) -> String {
    let mut pieces = html.split('<');
    let first = pieces.next().unwrap_or_default().to_owned();
    let text = pieces.fold(first, |text, piece| text + piece.split_once('>').map_or("", |(_tag, after)| after));
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, markup: Markup, is_signed: bool) -> String {
        bbcode::plain(&as_written(text, markup, is_signed))
    }

    #[test]
    fn an_excerpt_is_what_the_operator_wrote() {
        assert_eq!(shown("*Anna:*\n*on its* way", Markup::Whatsapp, true), "on its way");
        assert_eq!(shown("<b>Anna:</b>\n<i>5 &lt; 6</i> &amp;amp;", Markup::TelegramHtml, true), "5 < 6 &amp;");
        assert_eq!(shown("Anna:\n[b]as typed[/b]", Markup::Plain, true), "[b]as typed[/b]");
    }

    #[test]
    fn only_a_signature_is_taken_off() {
        assert_eq!(shown("Prices:\n1", Markup::Whatsapp, false), "Prices:\n1");
        assert_eq!(shown("Good morning\nAnna", Markup::Whatsapp, true), "Good morning\nAnna");
        assert_eq!(shown("Prices:", Markup::Whatsapp, true), "Prices:");
    }
}
