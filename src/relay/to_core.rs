//! Operator → client. An operator's message becomes parts (texts within the messenger's limit, files), each a delivery of its own
//! in the chat's lane, so that a crash between two parts repeats neither. When the last part is with the messenger, the
//! portal gets its delivery status; a part that fails for good takes the rest with it and is told to the operator in the chat.

use std::time::Duration;

use url::Url;

use super::{
    ExpandError, Resolved, albums, carried, channel_of, db_failure, files, notes, parking, part_of, quotes,
    status::{self, Written},
    through,
};
use crate::{
    app::App,
    b24::{
        bbcode::{self, Node},
        incoming::{LineItems, OperatorFile, OperatorMessage},
    },
    clock::Millis,
    db::{
        Binding, Channel, DbError, DbResult, Delivery, DeliveryKind, Direction, Expansion, InboxItem, Lane, MediaOwner,
        Message, MessageOrigin, MessageProgress, NewDelivery, NewMedia, NewMessage, NewPart, Part, PortalState,
        SentPart, Settled,
    },
    domain::{
        capabilities::{Capabilities, Markup},
        failure::{Failure, Told},
        ids::{ExternalChatId, PartId, PortalId},
    },
    messaging::{Found, Group, IdempotencyKey, Outgoing, OutgoingFile, Sent, Target},
    queue::retry::STALE,
};

/// How long a client can open a file that went as a link.
const LINK_LIFETIME: Duration = Duration::from_hours(7 * 24);

/// Every element of an event's `MESSAGES`.
pub async fn expand(app: &App, item: &InboxItem, items: LineItems<OperatorMessage>) -> Result<Expansion, ExpandError> {
    let mut expansion = Expansion::default();
    for message in items.messages {
        match expand_one(app, item, Written::through(&items.connector, items.line), &message).await? {
            Some(new) => expansion.messages.push(new),
            None => {
                tracing::warn!(portal = %item.portal, inbox = %item.id, "an operator's message names no connected chat");
            }
        }
    }
    expansion.relevant = !expansion.messages.is_empty();
    Ok(expansion)
}

/// Where an operator's message is to go: a channel of ours with its connection, and a conversation there. None: nowhere that we know.
pub(super) async fn target(
    app: &App,
    portal: &PortalId,
    (written, message): (&Written, &OperatorMessage),
) -> DbResult<Option<(Channel, Binding, String)>> {
    let Some(chat) = ExternalChatId::parse(&message.chat_id) else { return Ok(None) };
    let Some(channel) = app.db.channel_get(portal, &chat.channel).await? else { return Ok(None) };
    let binding = app.db.binding_of_written(portal, (&channel.id, written.is_group()), written.connector).await?;
    Ok(binding.map(|binding| (channel, binding, chat.peer)))
}

async fn expand_one(
    app: &App,
    item: &InboxItem,
    written: Written,
    message: &OperatorMessage,
) -> Result<Option<NewMessage>, ExpandError> {
    let Some((channel, binding, peer)) = target(app, &item.portal, (&written, message)).await? else {
        return Ok(None);
    };
    let portal = app.db.portal_get(&item.portal).await?;
    if portal.as_ref().is_some_and(|portal| portal.state == PortalState::Parked) {
        parking::hasten(app, &item.portal).await?;
    }
    let endpoint = portal.and_then(|portal| Url::parse(&portal.client_endpoint).ok());
    let capabilities = app.core(channel.core).capabilities(channel.connector);
    let now = app.clock.now();
    let by_person = message.user_id > 0;
    let to_core = |written: Written| NewDelivery::new(Lane::ChatOut, DeliveryKind::ToCore, now).payload(&written);
    let composed = compose(app, &channel, (&peer, &message.text), &binding).await?;
    // The first part answers, the others follow it.
    let mut answers = composed.answers;
    let parts = parts(&composed.nodes, message, capabilities, endpoint.as_ref());
    let kind = |part: &NewPart| {
        let size = u64::try_from(part.media.as_ref()?.size?).ok()?;
        Some((app.core(channel.core).album_kind(channel.connector, &part.media.as_ref()?.mime, size)?, size))
    };
    let albums = albums::counts(&parts.iter().map(kind).collect::<Vec<_>>(), capabilities);
    // Nothing of it can be sent: without a word the operator would look at a spinner for ever.
    let unsupported = parts.is_empty().then(|| notes::Note::Failed { told: Told::Unsupported.code().into() });
    Ok(Some(NewMessage {
        channel: channel.id.clone(),
        peer,
        group: written.is_group().then(Group::default),
        who: None,
        direction: Direction::Out,
        origin: if by_person { MessageOrigin::Operator } else { MessageOrigin::Automatic },
        source_key: message.im.message_id.to_string(),
        author: by_person.then_some(message.user_id),
        b24_message: Some(message.im.message_id),
        b24_chat: Some(message.im.chat_id),
        progress: if unsupported.is_some() { MessageProgress::Failed } else { MessageProgress::Waiting },
        sent_at: message.sent_at.map_or(item.received_at, Millis::from_seconds).min(item.received_at),
        parts: parts
            .into_iter()
            .zip(albums)
            .map(|(part, count)| NewPart {
                delivery: (count > 0).then(|| {
                    let album = (count > 1).then_some(count);
                    to_core(Written { answers: answers.take(), album, ..written.clone() })
                }),
                ..part
            })
            .collect(),
        delivery: unsupported.map(|note| note.delivery(Lane::ChatIn, now)),
        hook: None,
    }))
}

/// An operator's text as the client is to have it.
pub(super) struct Composed {
    pub nodes: Vec<Node>,
    /// The messenger's id of the message that it answers.
    pub answers: Option<String>,
}

/// Understands an operator's text: whose name stands before it, and what it quotes.
pub(super) async fn compose(
    app: &App,
    channel: &Channel,
    (peer, text): (&str, &str),
    binding: &Binding,
) -> Result<Composed, DbError> {
    let can = app.core(channel.core).capabilities(channel.connector);
    let (mut nodes, mut said) = signed(text, binding);
    let mut answers = None;
    if can.quotes
        && let Some(view) = app.db.chat_of_peer(&channel.portal, &channel.id, peer).await?
    {
        let style = (can.markup, binding.shows_name());
        answers = quotes::take(app, &channel.portal, view.chat.id(), &mut said, style).await?;
    }
    nodes.append(&mut said);
    Ok(Composed { nodes, answers })
}

/// Texts first, then files; a short text goes with the first file as its caption.
fn parts(nodes: &[Node], message: &OperatorMessage, can: Capabilities, portal: Option<&Url>) -> Vec<NewPart> {
    let mut texts = pieces_of(nodes, can);
    let mut files: Vec<NewPart> = message.files.iter().filter_map(|file| file_part(file, portal)).collect();
    if let (Some(first), [text]) = (files.first_mut(), texts.as_slice())
        && bbcode::Unit::Utf16.count(text) <= can.caption_limit
    {
        first.text.clone_from(text);
        texts.clear();
    }
    let texts = texts.into_iter().map(|text| NewPart { text, ..NewPart::default() });
    texts.chain(files).collect()
}

/// The operator's name as the line puts it before his text, on a line of its own, if the client is to read it; and the text. Whether
/// there is a name is the line's setting: an operator may begin a text with bold words himself.
fn signed(text: &str, binding: &Binding) -> (Vec<Node>, Vec<Node>) {
    match bbcode::split_signature(text).filter(|_| binding.signature) {
        Some((name, rest)) if binding.settings.operator_name => {
            (bbcode::parse(&format!("[b]{name}:[/b]\n")), bbcode::parse(rest))
        }
        Some((_name, rest)) => (Vec::new(), bbcode::parse(rest)),
        None => (Vec::new(), bbcode::parse(text)),
    }
}

/// A text in the messenger's markup, cut to its limit.
pub fn pieces(text: &str, can: Capabilities) -> Vec<String> {
    pieces_of(&bbcode::parse(text), can)
}

pub(super) fn pieces_of(nodes: &[Node], can: Capabilities) -> Vec<String> {
    let limit = can.text_limit.max(bbcode::MIN_LIMIT);
    bbcode::split_nodes(nodes, limit, &|nodes| measure(nodes, can.markup))
        .iter()
        .map(|nodes| render(nodes, can.markup))
        .filter(|text| !text.trim().is_empty())
        .collect()
}

fn render(nodes: &[Node], markup: Markup) -> String {
    let options = bbcode::Options::default();
    match markup {
        Markup::Plain => bbcode::to_plain(nodes, options),
        Markup::Whatsapp => bbcode::to_whatsapp(nodes, options),
        Markup::TelegramHtml => bbcode::to_telegram_html(nodes, options),
    }
}

/// Telegram counts what is left after its tags are understood; others count every character.
fn measure(nodes: &[Node], markup: Markup) -> usize {
    match markup {
        Markup::TelegramHtml => bbcode::telegram_len(nodes, bbcode::Options::default()),
        Markup::Plain | Markup::Whatsapp => bbcode::Unit::Utf16.count(&render(nodes, markup)),
    }
}

fn file_part(file: &OperatorFile, portal: Option<&Url>) -> Option<NewPart> {
    let link = file.download_link.as_deref().or(file.link.as_deref())?;
    let link = match portal {
        Some(portal) => portal.join(link).ok()?.to_string(),
        None => link.to_owned(),
    };
    let media = NewMedia {
        owner: MediaOwner::Portal { link },
        name: file.name.clone(),
        mime: file.mime.clone(),
        size: file.size.and_then(|size| i64::try_from(size).ok()),
    };
    Some(NewPart { media: Some(media), ..NewPart::default() })
}

/// The key under which a part is sent, whenever it is.
fn key(channel: &Channel, part: PartId) -> IdempotencyKey {
    IdempotencyKey(format!("{}-{part}", channel.id))
}

/// A part, or an album of several, with all that is needed to send it.
struct Job {
    message: Message,
    part: Part,
    /// What goes together with it.
    others: Vec<Part>,
    /// The message has no other parts.
    alone: bool,
    channel: Channel,
    peer: String,
    is_group: bool,
}

impl Job {
    /// All that goes at once.
    fn parts(&self) -> impl Iterator<Item = &Part> {
        std::iter::once(&self.part).chain(&self.others)
    }
}

async fn job(app: &App, delivery: &Delivery) -> Result<Job, Failure> {
    let carried = carried(delivery)?;
    let part = part_of(carried, delivery)?.clone();
    let chat = &carried.view.chat;
    let channel = channel_of(app, &delivery.portal, &chat.channel()).await?;
    let count = Written::of(delivery).album.unwrap_or(1);
    let behind = carried.parts.iter().filter(|other| other.position > part.position);
    let others: Vec<Part> = behind.take(count.saturating_sub(1)).cloned().collect();
    let alone = carried.parts.len() == 1 + others.len();
    let (peer, is_group) = (chat.peer.clone(), chat.is_group);
    Ok(Job { message: carried.message.clone(), part, others, alone, channel, peer, is_group })
}

/// One attempt at one part.
pub async fn deliver(app: &App, delivery: &Delivery) -> Result<Settled, Failure> {
    let job = job(app, delivery).await?;
    if app.clock.now() >= job.message.wanted_at().after(STALE) {
        return Err(Failure::permanent(Told::TooOld, "it had waited for more than a day"));
    }
    let mut size = job.part.media.map(|_file| Some(0_i64));
    for media in job.parts().filter_map(|part| part.media) {
        let one = files::size(app, &delivery.portal, media).await?;
        size = size.map(|whole| whole.zip(one).map(|(whole, one)| whole.saturating_add(one)));
    }
    let _held = match size {
        Some(size) => app.memory.take(size).await,
        None => None,
    };
    let outgoing = if job.others.is_empty() { outgoing(app, &job).await? } else { album(app, &job).await? };
    let access = app.db.channel_access(&job.channel).map_err(db_failure)?;
    let core = app.core(job.channel.core);
    let key = key(&job.channel, job.part.id);
    let answers = Written::of(delivery).answers;
    let to = Target { peer: &job.peer, answers: answers.as_deref() };
    let sent = through(app, &job.channel, core.send(&access, to, &outgoing, &key)).await?;
    Ok(accepted(app, delivery, &job, sent))
}

/// The messenger has the part; the portal is told when it has all of them.
fn accepted(app: &App, delivery: &Delivery, job: &Job, sent: Sent) -> Settled {
    let message = &job.message;
    let place = Written::of(delivery).place();
    let status = |_| (message.id, status::delivery(message, &place, app.clock.now()));
    Settled {
        sent: sent_parts(job, sent.ids),
        progress: Some((message.id, MessageProgress::Sent)),
        when_all_sent: message.b24_message.filter(|_| !job.alone).map(status),
        follow: message.b24_message.filter(|_| job.alone).map(status).map(|(_, follow)| follow).into_iter().collect(),
        ..Settled::done()
    }
}

/// An album has an id for each of its parts.
fn sent_parts(job: &Job, ids: Vec<String>) -> Vec<SentPart> {
    if ids.len() != 1 + job.others.len() {
        return vec![SentPart { part: job.part.id, core_ids: ids }];
    }
    job.parts().zip(ids).map(|(part, id)| SentPart { part: part.id, core_ids: vec![id] }).collect()
}

/// Asks the core for the key under which the part would have been sent.
pub async fn resolve(app: &App, delivery: &Delivery) -> Result<Resolved, Failure> {
    let job = job(app, delivery).await?;
    let access = app.db.channel_access(&job.channel).map_err(db_failure)?;
    let core = app.core(job.channel.core);
    Ok(match core.find_sent(&access, &job.peer, (&key(&job.channel, job.part.id), delivery.tried_at)).await? {
        Found::Happened(sent) => Resolved::Happened(Box::new(accepted(app, delivery, &job, sent))),
        Found::DidNot => Resolved::DidNot,
        Found::CannotTell => Resolved::CannotTell,
    })
}

async fn outgoing(app: &App, Job { channel, part, is_group, .. }: &Job) -> Result<Outgoing, Failure> {
    let Some(media) = part.media else { return Ok(Outgoing::Text(part.text.clone())) };
    let file = files::load(app, &channel.portal, media).await?;
    let can = app.core(channel.core).capabilities(channel.connector);
    if u64::try_from(file.bytes.len()).unwrap_or(u64::MAX) > can.upload_limit {
        let chats = (&channel.id, *is_group);
        let binding = app.db.binding_of_chats(&channel.portal, chats).await.map_err(db_failure)?;
        if !binding.is_some_and(|binding| binding.settings.file_links) {
            return Err(Failure::permanent(Told::FileTooLarge, format!("{} bytes", file.bytes.len())));
        }
        let link = files::lend(app, &channel.portal, media, LINK_LIFETIME).await?;
        let shown = bbcode::parse(&bbcode::from_plain(&format!("📎 {}\n{link}", file.name)));
        let lines = [part.text.clone(), render(&shown, can.markup)];
        return Ok(Outgoing::Text(lines.into_iter().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")));
    }
    Ok(Outgoing::File(OutgoingFile { name: file.name, mime: file.mime, caption: part.text.clone(), bytes: file.bytes }))
}

async fn album(app: &App, job: &Job) -> Result<Outgoing, Failure> {
    let mut album = Vec::with_capacity(1 + job.others.len());
    for part in job.parts() {
        let gone = || Failure::permanent(Told::Internal, "a part of an album is no file");
        let file = files::load(app, &job.channel.portal, part.media.ok_or_else(gone)?).await?;
        album.push(OutgoingFile { name: file.name, mime: file.mime, caption: part.text.clone(), bytes: file.bytes });
    }
    Ok(Outgoing::Album(album))
}

/// The message ends here: its other parts are pointless, and its author reads why.
pub async fn gave_up(app: &App, delivery: &Delivery, told: Told, unknown: bool, settled: &mut Settled) {
    let Some(message) = delivery.message else { return };
    settled.cancel_rest_of = Some(message);
    // Of an unknown outcome the messenger may still tell.
    settled.progress = (!unknown).then_some((message, MessageProgress::Failed));
    match app.db.message_get(&delivery.portal, message).await {
        Ok(Some((message, _parts))) => {
            let note = if unknown { notes::Note::Unknown } else { notes::Note::Failed { told: told.code().into() } };
            settled.follow.push(note.in_chat(message.chat, app.clock.now()).message(message.id));
        }
        Ok(None) => {}
        Err(error) => tracing::error!(delivery = %delivery.id, %error, "the operator could not be told of a failure"),
    }
}

/// The operator learns once that his message waits.
pub async fn waits(app: &App, delivery: &Delivery, told: Told, settled: &mut Settled) {
    let Some(message) = delivery.message else { return };
    match app.db.message_get(&delivery.portal, message).await {
        Ok(Some((message, _parts))) => {
            let note = notes::Note::Delayed { told: told.code().into() };
            settled.warning = Some(note.in_chat(message.chat, app.clock.now()).message(message.id));
        }
        Ok(None) => {}
        Err(error) => tracing::error!(delivery = %delivery.id, %error, "the operator could not be told of a delay"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        db::BindingState,
        domain::{
            connector::Connector,
            ids::{BindingId, ChannelId, InstallationId, PortalId},
            settings::Settings,
        },
    };

    const CAN: Capabilities = Capabilities {
        markup: Markup::Whatsapp,
        text_limit: 100,
        caption_limit: 40,
        upload_limit: 1,
        photo_limit: 1,
        download_limit: 1,
        ..Capabilities::NOTHING
    };

    fn binding(signature: bool) -> Binding {
        Binding {
            id: BindingId(1),
            portal: PortalId("p".into()),
            installation: InstallationId(1),
            channel: ChannelId("c".into()),
            connector: Connector::Whatsapp,
            line: 1,
            line_name: String::new(),
            signature,
            state: BindingState::Active,
            created_at: Millis(0),
            settings: Settings::default(),
            hook_key: None,
        }
    }

    fn message(text: &str, files: usize) -> OperatorMessage {
        let file = OperatorFile { name: "a.pdf".into(), link: Some("/f".into()), ..OperatorFile::default() };
        OperatorMessage { text: text.into(), files: vec![file; files], ..OperatorMessage::default() }
    }

    fn nodes(text: &str, binding: &Binding) -> Vec<Node> {
        let (mut name, mut text) = signed(text, binding);
        name.append(&mut text);
        name
    }

    fn texts(message: &OperatorMessage, signature: bool) -> Vec<(String, bool)> {
        let portal = Url::parse("https://portal.example/rest/").unwrap();
        parts(&nodes(&message.text, &binding(signature)), message, CAN, Some(&portal))
            .into_iter()
            .map(|p| (p.text, p.media.is_some()))
            .collect()
    }

    #[test]
    fn the_signature_is_told_by_the_lines_setting() {
        let message = message("[b]Анна:[/b] [br]Добрый день", 0);
        assert_eq!(texts(&message, true), [("*Анна:*\nДобрый день".into(), false)]);
        assert_ne!(texts(&message, false), texts(&message, true));
        let mut nameless = binding(true);
        nameless.settings.operator_name = false;
        assert_eq!(pieces_of(&nodes(&message.text, &nameless), CAN), ["Добрый день"]);
    }

    #[test]
    fn a_short_text_is_the_first_files_caption_and_a_long_one_goes_before() {
        assert_eq!(texts(&message("hi", 2), false), [("hi".into(), true), (String::new(), true)]);
        let long = "word ".repeat(15);
        let sent = texts(&message(&long, 1), false);
        assert_eq!(sent.len(), 2);
        assert!(!sent[0].1 && sent[1].1 && sent[1].0.is_empty());
    }

    #[test]
    fn a_text_beyond_the_limit_becomes_several() {
        let sent = texts(&message(&"word ".repeat(60), 0), false);
        assert!(sent.len() > 2 && sent.iter().all(|(text, _)| text.len() <= 100));
    }
}
