//! An operator's quotation becomes the messenger's own reply. The portal tells no id of what he answers: it writes the quoted words
//! before his own, as a block between dashed lines or as `>>` lines. They are looked for among the chat's last messages, of both
//! directions; the newest that says the same is the one. Of words that are not found, the quotation stays in the text.

use crate::{
    app::App,
    b24::bbcode::{self, Node, Reply},
    db::{DbError, Direction, Message, Part},
    domain::{
        capabilities::Markup,
        ids::{ChatId, PortalId},
    },
};

use super::shown;

/// Who answers something, looks a few screens back at most.
const RECENT: i64 = 50;
/// Characters that must be left of words that the portal has cut.
const ENOUGH: usize = 20;
/// Before a correction, and before what a message said when it was changed; see `changes`.
const CHANGED: &str = "✏️";

/// The messenger's id of the message that a text answers; its quotation is taken off the text then.
pub async fn take(
    app: &App,
    portal: &PortalId,
    chat: ChatId,
    nodes: &mut Vec<Node>,
    style: (Markup, bool),
) -> Result<Option<String>, DbError> {
    let mut rest = nodes.clone();
    let Some(reply) = bbcode::take_quotation(&mut rest) else { return Ok(None) };
    // Whoever only quotes has nothing that could go instead.
    if bbcode::to_plain(&rest, bbcode::Options::default()).trim().is_empty() {
        return Ok(None);
    }
    let recent = app.db.message_list(portal, chat, RECENT).await?;
    let found = answered(&recent, &reply, style);
    if found.is_some() {
        *nodes = rest;
    }
    Ok(found)
}

fn answered(recent: &[(Message, Vec<Part>)], reply: &Reply, style: (Markup, bool)) -> Option<String> {
    let named = reply.heading.as_ref().and_then(|heading| heading.context.as_deref()?.rsplit_once('/')?.1.parse().ok());
    let body = bbcode::to_plain(&reply.body, bbcode::Options::default());
    // Before what we have brought there ourselves stands a name of its own.
    let without_name = body.split_once('\n').filter(|(name, _)| name.trim_end().ends_with(':')).map(|(_, rest)| rest);
    let words: Vec<String> = std::iter::once(body.as_str()).chain(without_name).map(said).collect();
    // What the messenger does not have cannot be answered there.
    let there: Vec<_> =
        recent.iter().filter_map(|(message, parts)| Some((id(message, parts)?, message, parts))).collect();
    let says_it = |message: &Message, parts: &[Part]| {
        let theirs = said(&shown::plain(parts, message.origin, style));
        words.iter().any(|words| is_same(words, &theirs))
    };
    let by_name =
        named.and_then(|number: i64| there.iter().find(|(_, message, _)| message.b24_message == Some(number)));
    let found = by_name.or_else(|| there.iter().find(|(_, message, parts)| says_it(message, parts)));
    found.map(|(id, ..)| id.clone())
}

/// How the messenger names a message.
fn id(message: &Message, parts: &[Part]) -> Option<String> {
    let by_part = parts.iter().flat_map(Part::core_ids).next().map(str::to_owned);
    by_part.or_else(|| (message.direction == Direction::In).then(|| message.source_key.clone()))
}

/// The words of a text alone: without what it quotes itself, what it said before a change, and how it is broken into lines.
fn said(text: &str) -> String {
    let text = text.replace('\u{200b}', "");
    let text = text.strip_prefix(CHANGED).unwrap_or(&text);
    let own = text.lines().filter(|line| !line.starts_with('>') && !line.starts_with(CHANGED));
    own.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}

fn is_same(quoted: &str, theirs: &str) -> bool {
    let cut = quoted.strip_suffix('…').or_else(|| quoted.strip_suffix("..."));
    let is_beginning = |cut: &str| cut.chars().count() >= ENOUGH && theirs.starts_with(cut.trim_end());
    !quoted.is_empty() && (quoted == theirs || cut.is_some_and(is_beginning))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::Millis,
        db::{MessageOrigin, MessageProgress},
        domain::ids::{MessageId, PartId},
    };

    fn message(id: i64, origin: MessageOrigin, texts: &[&str]) -> (Message, Vec<Part>) {
        let direction = if origin == MessageOrigin::Client { Direction::In } else { Direction::Out };
        let message = Message {
            id: MessageId(id),
            chat: ChatId(1),
            direction,
            origin,
            source_key: format!("m{id}"),
            author: None,
            b24_message: Some(100 + id),
            b24_chat: None,
            progress: MessageProgress::Sent,
            sent_at: Millis(id),
            retried_at: None,
        };
        let part = |(position, text): (usize, &&str)| Part {
            id: PartId(id),
            position: i32::try_from(position).unwrap(),
            text: (*text).to_owned(),
            media: None,
            core_id: (direction == Direction::Out).then(|| format!("c{id}.{position}")),
        };
        (message, texts.iter().enumerate().map(part).collect())
    }

    /// The answered message among these (the newest first), and what is left of the text.
    fn found(recent: &[(Message, Vec<Part>)], text: &str) -> Option<String> {
        let reply = bbcode::take_quotation(&mut bbcode::parse(text)).expect("a quotation");
        answered(recent, &reply, (Markup::TelegramHtml, true))
    }

    fn block(heading: &str, words: &str) -> String {
        let dashes = "-".repeat(54);
        format!("{dashes}\n{heading}\n{words}\n{dashes}\nAnswer")
    }

    #[test]
    fn quoted_words_are_found_however_they_are_kept() {
        let recent = [
            message(4, MessageOrigin::Phone, &["By car"]),
            message(3, MessageOrigin::Operator, &["<b>Ann:</b>\nIt <i>costs</i> 5 &lt; 6", "and more"]),
            message(2, MessageOrigin::Client, &[">>Earlier\n[b]How[/b]  much\nis it?"]),
            message(1, MessageOrigin::Client, &["How much is it?"]),
        ];
        let quoted = |words: &str| found(&recent, &block("Anna [22.11.2026 10:00]", words));
        assert_eq!(quoted("How much is it?").as_deref(), Some("m2"), "the newest");
        assert_eq!(quoted("It [i]costs[/i] 5 < 6 and more").as_deref(), Some("c3.0"));
        assert_eq!(quoted("[b]From the phone:[/b][br]By car").as_deref(), Some("c4.0"));
        assert_eq!(found(&recent, ">>How much\n>>is it?\nFive").as_deref(), Some("m2"));
        assert_eq!(quoted("How much is that?"), None);
        assert_eq!(quoted("> "), None, "no words say nothing");
    }

    #[test]
    fn a_message_that_the_portal_names_is_that_one() {
        let recent = [message(2, MessageOrigin::Operator, &["Yes"]), message(1, MessageOrigin::Operator, &["Yes"])];
        assert_eq!(found(&recent, &block("Ann [now] #chat7/101", "Yes")).as_deref(), Some("c1.0"));
        assert_eq!(found(&recent, &block("Ann [now]", "Yes")).as_deref(), Some("c2.0"));
    }

    #[test]
    fn cut_and_changed_words_are_the_same_words() {
        let recent = [
            message(2, MessageOrigin::Client, &["We shall come on Thursday at five"]),
            message(1, MessageOrigin::Operator, &["✏️ <b>Ann:</b>\n200"]),
        ];
        let quoted = |words: &str| found(&recent, &block("Anna [22.11.2026 10:00]", words));
        assert_eq!(quoted("We shall come on Thursday…").as_deref(), Some("m2"));
        assert_eq!(quoted("We shall…"), None);
        let changed = "We shall come on Thursday at five\n✏️ [s]We shall come on Friday[/s]";
        assert_eq!(quoted(changed).as_deref(), Some("m2"));
    }
}
