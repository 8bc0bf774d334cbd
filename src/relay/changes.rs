//! What was edited, deleted or reacted to after it was sent. Each change follows its message in the chat's lane.
//!
//! An operator's edit changes the messenger's message where the messenger can still do that; elsewhere the client gets the new text
//! as a message of its own. A deletion that comes too late is told to the operator. A client's edit changes the message in the Open
//! Channel; where that is not found any more, the operator reads the new text as a note.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    ExpandError, carried, channel_of, db_failure, grant, groups, lang_of, notes::Note, part_of, payload, shown, status,
    status::Written, through, to_core, to_portal,
};
use crate::{
    app::App,
    b24::{
        bbcode::{self, Node},
        incoming::{LineItems, OperatorMessage},
        methods::messages::{LineChat, LineMessage, LineText, LineUser, UpdateMessages},
    },
    db::{
        Binding, Carried, Channel, CorePlace, DbResult, Delivery, DeliveryKind, DeliveryState, Direction, Expansion,
        InboxItem, Lane, Message, MessageOrigin, MessageProgress, NewDelivery, NewMessage, NewPart, Part, Settled,
    },
    domain::{
        capabilities::Capabilities,
        failure::{Failure, Told},
        ids::PortalId,
    },
    messaging::{Author, IncomingMessage, Reaction, SentRef},
};

/// Stands before the new text of a message that could not be changed, and before the former text of one that was.
const CORRECTION: &str = "✏️ ";

/// Characters of a message that others refer to.
const BEGINNING: usize = 80;
/// Characters of what a message said before it was changed.
const FORMER: usize = 200;

/// What a part says now, and where that was written.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Edit {
    text: String,
    #[serde(flatten)]
    written: Written,
}

/// An operator's message that we have sent.
struct Known {
    channel: Channel,
    binding: Binding,
    peer: String,
    message: Message,
    parts: Vec<Part>,
}

async fn known(
    app: &App,
    item: &InboxItem,
    (written, message): (&Written, &OperatorMessage),
) -> Result<Option<Known>, ExpandError> {
    let Some((channel, binding, peer)) = to_core::target(app, &item.portal, (written, message)).await? else {
        return Ok(None);
    };
    let number = message.im.message_id.to_string();
    let found = app.db.message_find(&item.portal, (&channel.id, &peer), (Direction::Out, &number)).await?;
    Ok(found.map(|(message, parts)| Known { channel, binding, peer, message, parts }))
}

pub async fn edited_by_operators(
    app: &App,
    item: &InboxItem,
    items: LineItems<OperatorMessage>,
) -> Result<Expansion, ExpandError> {
    let mut expansion = Expansion::default();
    let written = Written::through(&items.connector, items.line);
    for edited in &items.messages {
        let Some(known) = known(app, item, (&written, edited)).await? else { continue };
        let can = app.core(known.channel.core).capabilities(known.channel.connector);
        let composed = to_core::compose(app, &known.channel, (&known.peer, &edited.text), &known.binding).await?;
        let pieces = to_core::pieces_of(&composed.nodes, can);
        let is_open = can.edit.is_open(known.message.sent_at, app.clock.now());
        let changes = changes(&known.parts, &pieces, can).filter(|changes| changes.is_empty() || is_open);
        let Some(changes) = changes else {
            expansion.messages.extend(correction(app, (item, &written), &known, composed.nodes, can));
            continue;
        };
        let lane = Lane::OutOf(known.message.chat);
        expansion.deliveries.extend(changes.into_iter().map(|(part, text)| {
            NewDelivery {
                part: Some(part.id),
                ..NewDelivery::new(lane.clone(), DeliveryKind::EditToCore, app.clock.now())
                    .payload(&Edit { text, written: written.clone() })
                    .message(known.message.id)
            }
        }));
    }
    expansion.relevant = !(expansion.messages.is_empty() && expansion.deliveries.is_empty());
    Ok(expansion)
}

/// Which parts say something else now; None when the new text does not fall into the parts that were sent.
fn changes<'a>(parts: &'a [Part], pieces: &[String], can: Capabilities) -> Option<Vec<(&'a Part, String)>> {
    let texts: Vec<&Part> = parts.iter().filter(|part| part.media.is_none()).collect();
    let changed: Vec<(&Part, String)> = match (texts.as_slice(), parts.first(), pieces) {
        ([], Some(file), []) => vec![(file, String::new())],
        ([], Some(file), [caption]) if bbcode::Unit::Utf16.count(caption) <= can.caption_limit => {
            vec![(file, caption.clone())]
        }
        (texts, _, pieces) if !texts.is_empty() && texts.len() == pieces.len() => {
            texts.iter().copied().zip(pieces.iter().cloned()).collect()
        }
        _other => return None,
    };
    Some(changed.into_iter().filter(|(part, text)| part.text != *text).collect())
}

/// The new text as a message of its own; nothing when nothing is left of it.
fn correction(
    app: &App,
    (item, written): (&InboxItem, &Written),
    known: &Known,
    mut nodes: Vec<Node>,
    can: Capabilities,
) -> Option<NewMessage> {
    let now = app.clock.now();
    let to_core = NewDelivery::new(Lane::ChatOut, DeliveryKind::ToCore, now).payload(written);
    if to_core::pieces_of(&nodes, can).is_empty() {
        return None;
    }
    nodes.insert(0, Node::Text(CORRECTION.to_owned()));
    let pieces = to_core::pieces_of(&nodes, can).into_iter();
    Some(NewMessage {
        channel: known.channel.id.clone(),
        peer: known.peer.clone(),
        group: None,
        who: None,
        direction: Direction::Out,
        origin: MessageOrigin::Operator,
        source_key: format!("{}/{}", known.message.source_key, item.id),
        author: known.message.author,
        b24_message: None,
        b24_chat: None,
        progress: MessageProgress::Waiting,
        sent_at: item.received_at,
        parts: pieces.map(|text| NewPart { text, delivery: Some(to_core.clone()), ..NewPart::default() }).collect(),
        delivery: None,
        hook: None,
    })
}

pub async fn deleted_by_operators(
    app: &App,
    item: &InboxItem,
    items: &LineItems<OperatorMessage>,
) -> Result<Expansion, ExpandError> {
    let mut expansion = Expansion::default();
    // One element comes for each id of the messenger.
    let mut seen = BTreeSet::new();
    for deleted in items.messages.iter().filter(|message| seen.insert(message.im)) {
        let written = Written::through(&items.connector, items.line);
        let Some(known) = known(app, item, (&written, deleted)).await? else { continue };
        let Known { channel, binding, message, parts, .. } = known;
        let now = app.clock.now();
        let can = app.core(channel.core).capabilities(channel.connector);
        let follows = if can.delete.is_open(message.sent_at, now) {
            NewDelivery::new(Lane::OutOf(message.chat), DeliveryKind::DeleteToCore, now)
        } else {
            let still = known_by(app, (&channel, binding.shows_name()), &message, &parts);
            Note::NotDeleted { told: Told::Unsupported.code().into(), still }.in_chat(message.chat, now)
        };
        expansion.deliveries.push(follows.message(message.id));
    }
    expansion.relevant = !expansion.deliveries.is_empty();
    Ok(expansion)
}

/// A client has changed a message; one that we never had is a new one.
pub async fn edited_by_client(
    app: &App,
    item: &InboxItem,
    channel: &Channel,
    edited: IncomingMessage,
) -> Result<Expansion, ExpandError> {
    let chat = (edited.peer.as_str(), edited.group.is_some());
    let found = named(app, &item.portal, channel, (chat, &edited.id)).await?;
    let by_client = |(message, _): &(Message, Vec<Part>)| message.direction == Direction::In;
    let Some((message, parts)) = found.filter(by_client).filter(|_| edited.author == Author::Client) else {
        return to_portal::expand_message(app, item, channel, edited).await;
    };
    let text = to_portal::said(app, &item.portal, channel, &edited).await?;
    let is_it = |part: &&Part| part.media.is_none() && part.core_ids().all(|id| id == edited.id);
    let part = parts.iter().find(is_it).filter(|part| part.text != text);
    let chats = (&channel.id, edited.group.is_some());
    let (Some(part), Some(_bound)) = (part, app.db.binding_of_chats(&item.portal, chats).await?) else {
        return Ok(Expansion::default());
    };
    let delivery = NewDelivery::new(Lane::InOf(message.chat), DeliveryKind::EditToPortal, app.clock.now());
    let delivery = delivery.payload(&Edit { text, written: Written::default() }).message(message.id);
    let deliveries = vec![NewDelivery { part: Some(part.id), ..delivery }];
    Ok(Expansion { relevant: true, deliveries, ..Expansion::default() })
}

/// The message, of whomever, that the messenger names so in a chat.
async fn named(
    app: &App,
    portal: &PortalId,
    channel: &Channel,
    ((peer, is_group), id): ((&str, bool), &str),
) -> DbResult<Option<(Message, Vec<Part>)>> {
    match app.db.message_find(portal, (&channel.id, peer), (Direction::In, id)).await? {
        // What the business wrote, and a piece of a client's album, is known by its part.
        None => app.db.message_by_core(portal, (&CorePlace::of(&channel.id, peer, is_group), id)).await,
        found => Ok(found),
    }
}

/// Shows which message the client has put an emoji on; of a group also who did it.
pub async fn reacted(
    app: &App,
    item: &InboxItem,
    channel: &Channel,
    reaction: Reaction,
) -> Result<Expansion, ExpandError> {
    let Reaction { peer, group, person, message: id, emoji } = reaction;
    let found = named(app, &item.portal, channel, ((&peer, group), &id)).await?;
    let binding = app.db.binding_of_chats(&item.portal, (&channel.id, group)).await?;
    let (Some((message, parts)), Some(binding)) = (found, binding) else { return Ok(Expansion::default()) };
    let lang = lang_of(app, &item.portal).await?;
    let who = group.then(|| groups::person_name(&lang, &person, binding.settings.group_phones));
    let about = known_by(app, (channel, binding.shows_name()), &message, &parts);
    let note = Note::Reaction { emoji: bbcode::from_plain(&emoji), about, who };
    let deliveries = vec![note.in_chat(message.chat, app.clock.now()).message(message.id)];
    Ok(Expansion { relevant: true, deliveries, ..Expansion::default() })
}

/// The first line of a text, at most so long that one knows it again.
fn beginning(text: &str) -> String {
    let plain = bbcode::plain(text);
    let line = own_lines(&plain).next().unwrap_or_default();
    bbcode::from_plain(&cut(line, BEGINNING))
}

/// A client's changed text with what it said before, struck through on a line of its own: the portal shows only the last words, and
/// the former may be what an operator has answered.
fn with_former(text: &str, former: &str) -> String {
    let former = bbcode::plain(former);
    let former = own_lines(&former).flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ");
    if former.is_empty() {
        return text.to_owned();
    }
    format!("{text}\n{CORRECTION}[s]{}[/s]", bbcode::from_plain(&cut(&former, FORMER)))
}

/// What a text quotes is not its own.
fn own_lines(plain: &str) -> impl Iterator<Item = &str> {
    plain.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('>'))
}

fn cut(text: &str, most: usize) -> String {
    let cut: String = text.chars().take(most).collect();
    let rest = if cut.len() < text.len() { "…" } else { "" };
    cut + rest
}

/// A change of something that the messenger has.
struct Job<'a> {
    carried: &'a Carried,
    channel: Channel,
}

async fn job<'a>(app: &App, delivery: &'a Delivery) -> Result<Job<'a>, Failure> {
    let carried = carried(delivery)?;
    let channel = channel_of(app, &delivery.portal, &carried.view.chat.channel()).await?;
    Ok(Job { carried, channel })
}

pub async fn edit_to_core(app: &App, delivery: &Delivery) -> Result<Settled, Failure> {
    let Job { carried, channel } = job(app, delivery).await?;
    let (Edit { text, written }, part) = (payload(delivery)?, part_of(carried, delivery)?);
    // What never reached the messenger cannot be changed there; the operator has read that it did not.
    let Some(id) = part.core_ids().next() else {
        return Ok(Settled::new(DeliveryState::Cancelled, "not_sent"));
    };
    let message = SentRef { peer: &carried.view.chat.peer, id, is_caption: part.media.is_some() };
    let access = app.db.channel_access(&channel).map_err(db_failure)?;
    let core = app.core(channel.core);
    through(app, &channel, core.edit(&access, message, &text)).await?;
    // The portal waits for the word that its change has gone out, too.
    let status = status::delivery(&carried.message, &written, app.clock.now());
    Ok(Settled { rewritten: Some((part.id, text)), follow: vec![status], ..Settled::done() })
}

pub async fn delete_to_core(app: &App, delivery: &Delivery) -> Result<Settled, Failure> {
    let Job { carried, channel } = job(app, delivery).await?;
    let access = app.db.channel_access(&channel).map_err(db_failure)?;
    let core = app.core(channel.core);
    for id in carried.parts.iter().flat_map(Part::core_ids) {
        let message = SentRef { peer: &carried.view.chat.peer, id, is_caption: false };
        through(app, &channel, core.delete(&access, message)).await?;
    }
    Ok(Settled::done())
}

pub async fn edit_to_portal(app: &App, delivery: &Delivery) -> Result<Settled, Failure> {
    let carried = carried(delivery)?;
    let (Edit { text, .. }, part) = (payload(delivery)?, part_of(carried, delivery)?);
    let now = carried.parts.iter().map(|other| if other.id == part.id { &text } else { &other.text });
    let whole = now.filter(|text| !text.is_empty()).cloned().collect::<Vec<_>>().join("\n");
    let place = to_portal::place(app, &delivery.portal, carried.view.clone()).await?;
    let lang = lang_of(app, &delivery.portal).await.map_err(db_failure)?;
    let message = LineMessage {
        user: LineUser { id: place.user_id().to_owned(), ..LineUser::default() },
        message: LineText {
            id: carried.message.source_key.clone(),
            date: carried.message.sent_at.seconds(),
            text: with_former(&groups::said(&lang, &place, whole), &part.text),
            ..LineText::default()
        },
        chat: LineChat { id: place.external.to_string(), ..LineChat::default() },
    };
    let messages = std::slice::from_ref(&message);
    let method = UpdateMessages { connector: place.binding.connector.id(), line: place.binding.line, messages };
    let report = grant::call_of(app, (&delivery.portal, place.binding.installation), &method).await?;
    match report.outcomes.first() {
        Some(outcome) if outcome.success => Ok(Settled { rewritten: Some((part.id, text)), ..Settled::done() }),
        _refused => Err(Failure::permanent(Told::Rejected, "the portal did not find the message to change")),
    }
}

/// The beginning of a message, by which one knows it again.
fn known_by(app: &App, (channel, is_signed): (&Channel, bool), message: &Message, parts: &[Part]) -> String {
    let style = (app.core(channel.core).capabilities(channel.connector).markup, is_signed);
    let text = parts.iter().map(|part| part.text.as_str()).find(|text| !text.is_empty());
    text.map_or_else(|| "📎".to_owned(), |text| beginning(&shown::words(text, message.origin, style)))
}

/// The change did not go through: who made it, or ought to see it, reads so.
pub async fn gave_up(app: &App, delivery: &Delivery, told: Told, settled: &mut Settled) {
    let (Some(id), Some(carried)) = (delivery.message, &delivery.carried) else { return };
    let told = told.code().to_owned();
    let note = match (delivery.kind, payload::<Edit>(delivery)) {
        (DeliveryKind::EditToPortal, Ok(edit)) => Note::ClientChanged { text: edit.text },
        (kind, _edit) => {
            let still = still_seen(app, delivery, carried).await.unwrap_or_default();
            if kind == DeliveryKind::DeleteToCore {
                Note::NotDeleted { told, still }
            } else {
                Note::NotChanged { told, still }
            }
        }
    };
    settled.follow.push(note.in_chat(carried.message.chat, app.clock.now()).message(id));
}

async fn still_seen(app: &App, delivery: &Delivery, carried: &Carried) -> Option<String> {
    let channel = channel_of(app, &delivery.portal, &carried.view.chat.channel()).await.ok()?;
    let binding = app.db.binding_of_chat(&delivery.portal, &carried.view.chat).await.ok()?;
    let own =
        carried.parts.iter().filter(|part| delivery.part.is_none_or(|id| id == part.id)).cloned().collect::<Vec<_>>();
    let is_signed = binding.is_some_and(|binding| binding.shows_name());
    Some(known_by(app, (&channel, is_signed), &carried.message, &own))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::ids::{MediaId, PartId},
        messaging::embedded::telegram_bot::CAPABILITIES,
    };

    fn part(id: i64, text: &str, is_file: bool) -> Part {
        let media = is_file.then_some(MediaId(id));
        Part { id: PartId(id), position: 0, text: text.into(), media, core_id: Some(id.to_string()) }
    }

    fn changed(parts: &[Part], pieces: &[&str]) -> Option<Vec<(i64, String)>> {
        let pieces: Vec<String> = pieces.iter().map(|&piece| piece.to_owned()).collect();
        let changes = changes(parts, &pieces, CAPABILITIES)?;
        Some(changes.into_iter().map(|(part, text)| (part.id.0, text)).collect())
    }

    #[test]
    fn a_change_falls_into_the_parts_that_were_sent_or_is_none() {
        let texts = [part(1, "one", false), part(2, "two", false), part(3, "", true)];
        assert_eq!(changed(&texts, &["one", "too"]), Some(vec![(2, "too".into())]));
        assert_eq!(changed(&texts, &["one", "two"]), Some(Vec::new()));
        assert_eq!(changed(&texts, &["one"]), None);
        let files = [part(1, "caption", true), part(2, "", true)];
        assert_eq!(changed(&files, &["better"]), Some(vec![(1, "better".into())]));
        assert_eq!(changed(&files, &[]), Some(vec![(1, String::new())]));
        assert_eq!(changed(&files, &[&"long ".repeat(400)]), None);
    }

    #[test]
    fn what_a_client_said_before_stays_readable_on_one_line() {
        let former = ">>Earlier\n[b]Is it[/b]\n100?";
        assert_eq!(with_former("Is it 200?", former), "Is it 200?\n✏️ [s]Is it 100?[/s]");
        assert_eq!(with_former("A caption", ""), "A caption");
        let long = with_former("short", &"word ".repeat(100));
        assert!(long.ends_with("…[/s]") && long.chars().count() < FORMER + 30, "{long}");
        let typed = with_former("x", &bbcode::from_plain("[/s][send=1]no[/send]"));
        assert!(!typed.contains("[send=") && typed.matches("[/s]").count() == 1, "{typed:?}");
    }
}
