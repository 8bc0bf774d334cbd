//! Client → Open Channel. The portal pulls files during the call and does not know duplicates, so every file is in our store
//! first and a call whose answer was not seen is never repeated blindly. A chat's first message carries what the portal
//! needs to find the client in its CRM, and the numbers that it answers with are kept.

use std::time::Duration;

use futures_util::{StreamExt as _, future::join_all, stream};

use super::{
    ByLine, ExpandError, LineRef, Resolved, carried, changes, channel_of, db_failure, files, grant, groups, lang_of,
    lost, notes,
    ticks::{self, Report},
};
use crate::{
    app::App,
    b24::incoming::LineItem,
    b24::methods::{
        messages::{LineChat, LineFile, LineMessage, LineText, LineUser, Picture, SendMessages, SendOutcome},
        open_lines::{HistoryMessage, SessionHistoryGet},
    },
    db::{
        Binding, Carried, Channel, ChatView, Contact, CorePlace, Delivery, DeliveryKind, Direction, Expansion,
        InboxItem, Lane, MediaOwner, Message, MessageOrigin, MessageProgress, NewContact, NewDelivery, NewMedia,
        NewMessage, NewPart, Part, Settled, album_key,
    },
    domain::{
        failure::{Failure, Retry, Told},
        ids::{ChannelId, DeliveryId, ExternalChatId, PortalId},
        names,
    },
    media::link,
    messaging::{Author, CoreEvent, IncomingMessage, Origin},
};

/// Of messages that were taken together, so many of those that must go alone go at the same time.
const ALONE_AT_ONCE: usize = 2;
/// The pieces of an album follow each other; after so much time without another one it is whole.
const ALBUM_PAUSE: Duration = Duration::from_millis(1500);
/// How long a client's words wait for a file that came with them.
const FILE_PATIENCE: Duration = Duration::from_mins(2);

/// Understands what a core brought.
pub async fn expand(app: &App, item: &InboxItem, channel: &ChannelId) -> Result<Expansion, ExpandError> {
    let Some(channel) = app.db.channel_get(&item.portal, channel).await? else { return Ok(Expansion::default()) };
    let raw = serde_json::from_str(&item.body).map_err(|error| ExpandError::Malformed(error.to_string()))?;
    let event = app.core(channel.core).parse(&raw).map_err(|error| ExpandError::Malformed(error.to_string()))?;
    match event {
        CoreEvent::Message(message) => expand_message(app, item, &channel, *message).await,
        CoreEvent::Edited(message) => changes::edited_by_client(app, item, &channel, *message).await,
        CoreEvent::Reaction(reaction) => changes::reacted(app, item, &channel, *reaction).await,
        CoreEvent::Status { message, group, tracking, progress, .. } => {
            let place = CorePlace { channel: channel.id.clone(), group };
            ticks::expand(app, item, &channel, (Report { place, message, progress }, tracking.as_deref())).await
        }
        CoreEvent::Other { kind } => {
            tracing::debug!(inbox = %item.id, kind, "an item of a kind that is not served");
            Ok(Expansion::default())
        }
    }
}

pub(super) async fn expand_message(
    app: &App,
    item: &InboxItem,
    channel: &Channel,
    message: IncomingMessage,
) -> Result<Expansion, ExpandError> {
    let is_group = message.group.is_some();
    let binding = app.db.binding_of_chats(&item.portal, (&channel.id, is_group)).await?;
    let core_place = CorePlace::of(&channel.id, &message.peer, is_group);
    let is_shown = match message.author {
        Author::Client => true,
        // What we sent comes back as an echo.
        Author::Api { .. } => false,
        Author::Phone => {
            binding.as_ref().is_some_and(|binding| binding.settings.phone_messages)
                && app.db.message_by_core(&item.portal, (&core_place, &message.id)).await?.is_none()
        }
    };
    // Groups are shown only where somebody wants to see them.
    if !is_shown || (is_group && binding.is_none()) {
        return Ok(Expansion::default());
    }
    if ExternalChatId::new(channel.id.clone(), &message.peer).is_none() {
        return Err(ExpandError::Malformed("a peer that no portal can carry".into()));
    }
    let by_client = message.author == Author::Client;
    let said = said(app, &item.portal, channel, &message).await?;
    let now = app.clock.now();
    let mut deliveries = Vec::new();
    if let Some(group) = &message.group {
        let chat = (&channel.id, message.peer.as_str());
        deliveries.extend(groups::renamed(app, &item.portal, chat, group.title.as_ref()).await?);
    }
    // What the business writes into a group is nobody's of it.
    let who = (!is_group || (by_client && !message.person.id.is_empty()))
        .then_some(NewContact { connector: channel.connector, person: message.person });
    // By its id the messenger tells how far the business's own message has come.
    let album = message.album.filter(|_| by_client && !message.files.is_empty());
    let core_id = (!by_client || album.is_some()).then(|| message.id.clone());
    let due_at = if album.is_some() { now.after(ALBUM_PAUSE) } else { now };
    let text = NewPart { text: said, core_id, ..NewPart::default() };
    let files = message.files.into_iter().map(|file| NewPart {
        media: Some(NewMedia {
            owner: MediaOwner::Channel { channel: channel.id.clone(), origin: file.origin },
            name: file.name,
            mime: file.mime,
            size: file.size.and_then(|size| i64::try_from(size).ok()),
        }),
        ..NewPart::default()
    });
    let new = NewMessage {
        channel: channel.id.clone(),
        peer: message.peer,
        group: message.group,
        who,
        direction: if by_client { Direction::In } else { Direction::Out },
        origin: if by_client { MessageOrigin::Client } else { MessageOrigin::Phone },
        source_key: album.as_deref().map_or(message.id, album_key),
        author: None,
        b24_message: None,
        b24_chat: None,
        progress: if by_client { MessageProgress::Waiting } else { MessageProgress::Sent },
        sent_at: crate::clock::Millis(message.at),
        parts: std::iter::once(text).chain(files).collect(),
        delivery: binding.map(|_bound| NewDelivery::new(Lane::ChatIn, DeliveryKind::ToPortal, due_at)),
        hook: None,
    };
    Ok(Expansion { relevant: true, messages: vec![new], deliveries, ..Expansion::default() })
}

/// What a message says, behind what it answers. The portal takes a rating for one only when nothing stands before it, so an answer to
/// one of the line's own texts (the request to rate is one) goes bare.
pub(super) async fn said(
    app: &App,
    portal: &PortalId,
    channel: &Channel,
    message: &IncomingMessage,
) -> Result<String, ExpandError> {
    if let Some(answered) = message.answers.as_ref().filter(|_| is_rating(&message.text)) {
        let place = CorePlace::of(&channel.id, &message.peer, message.group.is_some());
        let found = app.db.message_by_core(portal, (&place, &answered.id)).await?;
        if found.is_some_and(|(found, _parts)| found.origin == MessageOrigin::Automatic) {
            return Ok(message.text.clone());
        }
    }
    Ok(message.with_quotation())
}

/// What a session that waits for a rating takes for one: `1` or `0`, alone or as the first word.
fn is_rating(text: &str) -> bool {
    matches!(text.split(' ').next(), Some("1" | "0"))
}

/// The portal's receipts: a message stands in one of its chats. They bring the numbers of a chat whose first message's answer
/// was not seen, and tell of an operator's message whose own event has not come.
pub async fn receipts(app: &App, item: &InboxItem, items: &[LineItem]) -> Result<Expansion, ExpandError> {
    let mut expansion = Expansion::default();
    for receipt in items {
        let Some(external) = ExternalChatId::parse(&receipt.dialog.chat_id) else { continue };
        let view = app.db.chat_of_peer(&item.portal, &external.channel, &external.peer).await?;
        let Some(view) = view else { continue };
        if let Some(number) = receipt.dialog.im_chat_id.filter(|_| view.chat.b24_chat.is_none()) {
            expansion.chats.push((view.chat.id(), number, receipt.dialog.user_id));
        }
        expansion.missed.extend(lost::missed(app, &view, receipt));
    }
    expansion.relevant = !expansion.chats.is_empty() || !expansion.missed.is_empty();
    Ok(expansion)
}

/// Everything that a call into a chat needs.
pub(super) struct Place {
    pub view: ChatView,
    pub channel: Channel,
    pub binding: Binding,
    pub external: ExternalChatId,
}

impl Place {
    /// The portal's id of whoever wrote: the client, or of a group as [`groups::user`] says.
    pub fn user_id(&self) -> &str {
        let author = if self.view.chat.is_group { groups::author(self) } else { self.view.contact.as_ref() };
        author.map_or(&self.external.peer, |contact| &contact.person)
    }

    /// What the chat is called where the portal does not make it of the client's name.
    fn title(&self) -> Option<String> {
        self.view.chat.title.clone().filter(|_| self.binding.connector.is_group())
    }
}

/// The message is not in the chat, or nobody knows: its words are shown as a note. Where there is no line, there is
/// nobody to show them to.
pub async fn gave_up(app: &App, delivery: &Delivery, told: Told, unknown: bool, settled: &mut Settled) {
    let Some(id) = delivery.message else { return };
    if !unknown && delivery.carried.as_ref().is_some_and(|carried| carried.message.direction == Direction::In) {
        settled.progress = Some((id, MessageProgress::Failed));
    }
    if told == Told::LineInactive {
        return;
    }
    match app.db.message_get(&delivery.portal, id).await {
        Ok(Some((message, _parts))) => {
            let note = notes::Note::Unseen { certain: !unknown };
            settled.follow.push(note.in_chat(message.chat, app.clock.now()).message(id));
        }
        Ok(None) => {}
        Err(error) => tracing::error!(delivery = %delivery.id, %error, "the operator could not be told of a failure"),
    }
}

pub(super) async fn place(app: &App, portal: &PortalId, view: ChatView) -> Result<Place, Failure> {
    let gone = |what: &str| Failure::permanent(Told::Internal, what);
    let channel = channel_of(app, portal, &view.chat.channel()).await?;
    let binding = app.db.binding_of_chat(portal, &view.chat).await.map_err(db_failure)?;
    let binding = binding.ok_or_else(|| Failure::permanent(Told::LineInactive, "the channel feeds no Open Channel"))?;
    let external = ExternalChatId::new(channel.id.clone(), &view.chat.peer).ok_or_else(|| gone("no external id"))?;
    Ok(Place { view, channel, binding, external })
}

/// A client's message with all that is needed to write it into its chat.
struct Job {
    message: Message,
    place: Place,
    text: LineText,
}

impl Job {
    /// A chat's first message goes alone, because it makes the chat; a message with files, because the portal fetches them while
    /// the call waits.
    fn shares(&self) -> bool {
        self.place.view.chat.b24_chat.is_some() && self.text.files.is_empty()
    }

    fn written(&self, outcome: &SendOutcome) -> Settled {
        Settled { progress: Some((self.message.id, MessageProgress::Sent)), ..kept(&self.place, outcome) }
    }
}

async fn job(app: &App, delivery: &Delivery) -> Result<Job, Failure> {
    let Carried { message, parts, view } = carried(delivery)?;
    let place = place(app, &delivery.portal, view.clone()).await?;
    let lang = lang_of(app, &delivery.portal).await.map_err(db_failure)?;
    let patient = app.clock.now() < delivery.created_at.after(FILE_PATIENCE);
    let mut text = content(app, (message, parts), &delivery.portal, (&lang, patient)).await?;
    if message.origin == MessageOrigin::Phone {
        // Nobody's words in the portal: it must not send them on to the client, who has them.
        text.user_id = Some(0);
        text.text = notes::from_phone(&lang, &text.text);
    } else {
        text.text = groups::said(&lang, &place, text.text);
    }
    Ok(Job { message: message.clone(), place, text })
}

pub async fn deliver(app: &App, delivery: &Delivery) -> Result<Settled, Failure> {
    let job = job(app, delivery).await?;
    let outcome = send(app, &job.place, job.text.clone()).await?;
    Ok(job.written(&outcome))
}

/// Messages of different chats of one portal: those that can share a call do, one call for each line.
pub async fn deliver_all(app: &App, deliveries: &[Delivery]) -> Vec<(DeliveryId, Result<Settled, Failure>)> {
    let jobs = join_all(deliveries.iter().map(|delivery| async { (delivery.id, job(app, delivery).await) })).await;
    let mut outcomes = Vec::with_capacity(jobs.len());
    let mut alone = Vec::new();
    let mut lines: ByLine<Job> = Vec::new();
    for (id, job) in jobs {
        match job {
            Err(failure) => outcomes.push((id, Err(failure))),
            Ok(job) if !job.shares() => alone.push((id, job)),
            Ok(job) => {
                let line = LineRef::of(&job.place.binding);
                match lines.iter_mut().find(|(known, _)| *known == line) {
                    Some((_, jobs)) => jobs.push((id, job)),
                    None => lines.push((line, vec![(id, job)])),
                }
            }
        }
    }
    let alone = alone.into_iter().map(|(id, job)| async move {
        let outcome = send(app, &job.place, job.text.clone()).await;
        vec![(id, outcome.map(|outcome| job.written(&outcome)))]
    });
    let shared = lines.into_iter().map(|(line, jobs)| send_all(app, line, jobs));
    let alone = stream::iter(alone).buffer_unordered(ALONE_AT_ONCE).collect::<Vec<_>>();
    let (alone, shared) = tokio::join!(alone, join_all(shared));
    outcomes.extend(alone.into_iter().chain(shared).flatten());
    outcomes
}

/// One call with the messages of several chats; the portal tells the outcome of each.
async fn send_all(app: &App, to: LineRef, jobs: Vec<(DeliveryId, Job)>) -> Vec<(DeliveryId, Result<Settled, Failure>)> {
    let Some(portal) = jobs.first().map(|(_, job)| job.place.channel.portal.clone()) else { return Vec::new() };
    let messages = join_all(jobs.iter().map(|(_, job)| line_message(app, &job.place, job.text.clone(), false))).await;
    let method = SendMessages { connector: to.connector.id(), line: to.line, messages: &messages };
    let report = match grant::call_of(app, (&portal, to.installation), &method).await {
        Ok(report) => report,
        Err(refused) => {
            let failure = refused.to_failure();
            return jobs.into_iter().map(|(id, _)| (id, Err(failure.clone()))).collect();
        }
    };
    // Outcomes come in the order of the messages; when their number differs, nobody knows which is whose.
    let told = report.outcomes.len() == jobs.len();
    let mut outcomes = report.outcomes.into_iter();
    let outcome = |(id, job): (DeliveryId, Job)| {
        let outcome = outcomes.next().filter(|_| told);
        let settled = match outcome {
            Some(outcome) => outcome.failure().map_or_else(|| Ok(job.written(&outcome)), Err),
            None => Err(Failure::unknown("the portal told nothing about the message")),
        };
        (id, settled)
    };
    jobs.into_iter().map(outcome).collect()
}

/// Looks for our id of a message in the chat's history.
pub async fn resolve(app: &App, delivery: &Delivery) -> Result<Resolved, Failure> {
    let carried = carried(delivery)?;
    let progress = Some((carried.message.id, MessageProgress::Sent));
    Ok(match find(app, &delivery.portal, &carried.view, &carried.message.source_key).await? {
        Resolved::Happened(settled) => Resolved::Happened(Box::new(Settled { progress, ..*settled })),
        other => other,
    })
}

/// Whether something with our id stands in a chat of the portal.
pub async fn find(app: &App, portal: &PortalId, view: &ChatView, id: &str) -> Result<Resolved, Failure> {
    let place = place(app, portal, view.clone()).await?;
    // Without the portal's own number of the chat there is nothing to look into: its receipt brings it.
    let Some(number) = place.view.chat.b24_chat else { return Ok(Resolved::CannotTell) };
    let owner = (portal, place.binding.installation);
    let history = grant::call_of(app, owner, &SessionHistoryGet::Chat(number)).await?.0;
    let Some(history) = history else { return Ok(Resolved::CannotTell) };
    let ours = |message: &HistoryMessage| {
        message.params.as_ref().is_some_and(|params| params.connector_mid.iter().any(|known| known == id))
    };
    Ok(if history.message.iter().any(ours) { Resolved::Happened(Box::new(Settled::done())) } else { Resolved::DidNot })
}

/// Writes a system text into a chat of a portal.
pub async fn write_note(app: &App, place: &Place, (id, text): (String, String)) -> Result<Settled, Failure> {
    let text = LineText { id, date: app.clock.now().seconds(), text, user_id: Some(0), ..LineText::default() };
    let outcome = send(app, place, text).await?;
    Ok(kept(place, &outcome))
}

/// Keeps the portal's numbers of the chat and of who wrote, where they are new.
fn kept(place: &Place, outcome: &SendOutcome) -> Settled {
    let chat = &place.view.chat;
    // In a group everybody is another user.
    let user = outcome.user.filter(|_| !chat.is_group);
    let number = outcome.session.as_ref().and_then(|session| session.chat_id);
    let is_news = |number: &i64| chat.b24_chat != Some(*number) || user.is_some_and(|user| chat.b24_user != Some(user));
    let member = groups::author(place).zip(outcome.user);
    let member = member.filter(|(author, user)| author.b24_member != Some(*user));
    Settled {
        chat: number.filter(is_news).map(|number| (chat.id(), number, user)),
        member: member.map(|(author, user)| (author.id(), user)),
        ..Settled::done()
    }
}

/// Text and files of a message. A file that cannot be had (after a while, if it may be had later) is named in the text: the
/// client's words must arrive.
async fn content(
    app: &App,
    (message, parts): (&Message, &[Part]),
    portal: &PortalId,
    (lang, patient): (&str, bool),
) -> Result<LineText, Failure> {
    let mut text: Vec<String> = parts.iter().map(|part| part.text.clone()).filter(|text| !text.is_empty()).collect();
    let mut lent = Vec::new();
    for id in parts.iter().filter_map(|part| part.media) {
        match files::lend(app, portal, id, link::LIFETIME).await {
            Ok(url) => lent.push(LineFile { url, name: name_of(app, portal, id).await? }),
            Err(failure) if patient && matches!(failure.retry, Retry::Backoff | Retry::After(_)) => {
                return Err(failure);
            }
            Err(failure) => {
                let name = crate::b24::bbcode::from_plain(&name_of(app, portal, id).await?);
                text.push(format!("📎 {name}: {}", notes::reason_text(lang, failure.told.code())));
            }
        }
    }
    Ok(LineText {
        id: message.source_key.clone(),
        date: message.sent_at.seconds(),
        text: text.join("\n"),
        files: lent,
        ..LineText::default()
    })
}

async fn name_of(app: &App, portal: &PortalId, id: crate::domain::ids::MediaId) -> Result<String, Failure> {
    let media = app.db.media_get(portal, id).await.map_err(db_failure)?;
    Ok(media.map(|media| media.name).unwrap_or_default())
}

/// One call with one message. A phone that the portal's validator refuses is sent once more without validation: nothing was
/// written the first time, because the portal told of the refusal.
async fn send(app: &App, place: &Place, text: LineText) -> Result<SendOutcome, Failure> {
    let first = place.view.chat.b24_chat.is_none();
    let mut message = line_message(app, place, text, first).await;
    let outcome = call(app, place, &message).await?;
    let Some(failure) = outcome.failure() else { return Ok(outcome) };
    if message.user.phone.is_none() {
        return Err(failure);
    }
    message.user.skip_phone_validate = Some(true);
    let outcome = call(app, place, &message).await?;
    outcome.failure().map_or(Ok(outcome), Err)
}

async fn line_message(app: &App, place: &Place, text: LineText, first: bool) -> LineMessage {
    LineMessage {
        user: user(app, place, first).await,
        message: text,
        chat: LineChat { id: place.external.to_string(), name: place.title(), ..LineChat::default() },
    }
}

async fn call(app: &App, place: &Place, message: &LineMessage) -> Result<SendOutcome, Failure> {
    let messages = std::slice::from_ref(message);
    let method = SendMessages { connector: place.binding.connector.id(), line: place.binding.line, messages };
    let owner = (&place.channel.portal, place.binding.installation);
    let report = grant::call_of(app, owner, &method).await?;
    // One message was sent, so one outcome is ours; without it nobody knows.
    report.outcomes.into_iter().next().ok_or_else(|| Failure::unknown("the portal told nothing about the message"))
}

async fn user(app: &App, place: &Place, first: bool) -> LineUser {
    match &place.view.contact {
        _ if place.view.chat.is_group => groups::user(app, place).await,
        Some(contact) => person(app, place, contact, first).await,
        None => LineUser { id: place.external.peer.clone(), ..LineUser::default() },
    }
}

/// Somebody as the portal should know him: everything with his first message, afterwards what may have changed.
pub(super) async fn person(app: &App, place: &Place, contact: &Contact, first: bool) -> LineUser {
    let name = shown_name(contact);
    let mut user = LineUser {
        id: contact.person.clone(),
        name: name.0,
        last_name: name.1,
        phone: contact.phone.clone(),
        ..LineUser::default()
    };
    if first {
        user.url.clone_from(&contact.link);
        let origin = contact.picture.as_deref().and_then(|json| serde_json::from_str::<Origin>(json).ok());
        if let Some(origin) = origin {
            user.picture = files::lend_picture(app, &place.channel, origin).await.map(|url| Picture { url });
        }
    }
    user
}

/// A name that the portal takes (letters only); else the username or the phone, which it takes in practice.
fn shown_name(contact: &Contact) -> (Option<String>, Option<String>) {
    let clean = names::clean_name(contact.name.as_deref().unwrap_or_default());
    if clean.first.is_some() {
        return (clean.first, clean.last);
    }
    (contact.username.clone().or_else(|| contact.phone.clone()), None)
}
