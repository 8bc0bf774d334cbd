//! Texts to an address, by robots, from CRM cards and as text messages of the CRM: the messenger first, the Open Channel after. When the messenger has taken
//! the text, the chat that it names is written down and the text is shown in the Open Channel as a note; when it has not,
//! no chat is made, and whoever asked for it learns why.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Resolved, channel_of, db_failure, lang_of, notes, payload, robot, sms, through, to_core};
use crate::{
    app::App,
    b24::bbcode,
    clock::Millis,
    db::{
        Binding, Channel, DbResult, Delivery, DeliveryKind, DeliveryState, Direction, First, Lane, MessageOrigin,
        MessageProgress, NewContact, NewDelivery, NewMessage, NewPart, RecipientOutcome, Settled,
    },
    domain::{
        capabilities::{Checks, WriteFirst},
        connector::Connector,
        failure::{Failure, Told},
        ids::{ChannelId, PortalId},
    },
    messaging::{CoreKind, Found, Group, IdempotencyKey, Outgoing, Person, Sent, TemplateMessage},
};

/// Nobody is told of a turn that comes sooner.
const A_MOMENT: Duration = Duration::from_secs(5);

/// Where to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum To {
    /// E.164 with `+`.
    Phone(String),
    /// Without `@`.
    Username(String),
    Email(String),
    /// A conversation that exists.
    Peer(String),
}

/// What a delivery of this kind carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    pub channel: ChannelId,
    pub to: To,
    /// As a person typed it; BB-code is understood. Of a template, what operators read of it.
    pub text: String,
    /// Goes instead of the text.
    #[serde(default)]
    pub template: Option<TemplateMessage>,
    pub by: By,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// Which recipient of its run.
    Robot { index: usize },
    Card {
        user: i64,
        name: String,
        /// Names the filled form, so that its sender learns the fate of this text and of no other.
        form: String,
    },
    /// The portal's service of text messages.
    Sms {
        /// The portal's id of the text.
        message: String,
        /// Whether it stands in the Open Channel, too.
        shown: bool,
    },
}

impl To {
    /// How a core is given it: digits of a phone, `@` before a username.
    fn wire(&self) -> String {
        match self {
            Self::Phone(phone) => phone.trim_start_matches('+').to_owned(),
            Self::Username(name) => format!("@{name}"),
            Self::Email(text) | Self::Peer(text) => text.clone(),
        }
    }

    /// Whether the core can be asked if the messenger knows it.
    fn is_checked(&self, checks: Checks) -> bool {
        match self {
            Self::Phone(_) => checks == Checks::Phones,
            Self::Username(_) => checks == Checks::Usernames,
            Self::Email(_) | Self::Peer(_) => false,
        }
    }

    /// Whether a channel may write to it although the client never wrote.
    pub fn allowed(&self, write_first: WriteFirst) -> bool {
        match self {
            Self::Peer(_) => true,
            Self::Phone(_) => matches!(write_first, WriteFirst::ByPhone | WriteFirst::ByPhoneOrUsername),
            Self::Username(_) => write_first == WriteFirst::ByPhoneOrUsername,
            Self::Email(_) => write_first == WriteFirst::ByEmail,
        }
    }
}

/// The delivery of a job. Jobs to one address of one channel keep their order.
pub async fn delivery(app: &App, portal: &PortalId, job: &Job) -> DbResult<NewDelivery> {
    let first = first(app, portal, job).await?;
    Ok(NewDelivery { first, ..NewDelivery::new(lane(job), DeliveryKind::ToAddress, app.clock.now()).payload(job) })
}

/// Whether it may have to wait for a turn. Telegram blocks personal accounts that write to many strangers by their phone numbers;
/// ChatApp's personal accounts are such, bots are not.
async fn first(app: &App, portal: &PortalId, job: &Job) -> DbResult<Option<First>> {
    let To::Phone(phone) = &job.to else { return Ok(None) };
    let channel = app.db.channel_get(portal, &job.channel).await?;
    let personal =
        channel.is_some_and(|known| known.connector == Connector::Telegram && known.core == CoreKind::Chatapp);
    Ok(personal.then(|| First { channel: job.channel.clone(), phone: phone.clone() }))
}

/// The same of a delivery that is tried again; of one that cannot be read, nothing has to be kept.
pub async fn first_of(app: &App, delivery: &Delivery) -> Option<First> {
    if delivery.kind != DeliveryKind::ToAddress {
        return None;
    }
    first(app, &delivery.portal, &job(delivery).ok()?).await.ok().flatten()
}

/// Whether it waits for its turn, and not for anything else.
pub fn waits_for_turn(delivery: &Delivery, now: Millis) -> bool {
    let waits = matches!(delivery.state, DeliveryState::Waiting | DeliveryState::Queued);
    waits && delivery.tries == 0 && delivery.due_at > now.after(A_MOMENT)
}

pub fn lane(job: &Job) -> Lane {
    Lane::Address(job.channel.clone(), job.to.wire())
}

pub fn job(delivery: &Delivery) -> Result<Job, Failure> {
    payload(delivery)
}

pub async fn deliver(app: &App, delivery: &Delivery) -> Result<Settled, Failure> {
    let job = job(delivery)?;
    let channel = channel_of(app, &delivery.portal, &job.channel).await?;
    let capabilities = app.core(channel.core).capabilities(channel.connector);
    if !job.to.allowed(capabilities.write_first) {
        return Err(Failure::permanent(
            Told::CannotWriteFirst,
            "the channel cannot write first to this kind of address",
        ));
    }
    let pieces = to_core::pieces(&job.text, capabilities);
    let [text] = pieces.as_slice() else {
        let told = if pieces.is_empty() { Told::Rejected } else { Told::TextTooLong };
        return Err(Failure::permanent(told, "the text does not fit into one message"));
    };
    let access = app.db.channel_access(&channel).map_err(db_failure)?;
    // Asked before the send: a failure after it would send the text again.
    let task = Task { binding: binding(app, delivery, (&channel, &job)).await?, channel, job };
    let core = app.core(task.channel.core);
    let what = Outgoing::Text(text.clone());
    let (to, key) = (task.job.to.wire(), key(&task.channel, delivery));
    if task.job.to.is_checked(capabilities.checks) && core.knows(&access, &to).await == Some(false) {
        return Err(Failure::permanent(Told::NoSuchRecipient, "the messenger does not know the address"));
    }
    let sent = match &task.job.template {
        Some(template) => through(app, &task.channel, core.send_template(&access, &to, template, &key)).await?,
        None => through(app, &task.channel, core.send(&access, to.as_str().into(), &what, &key)).await?,
    };
    Ok(task.sent(app, delivery, sent).await)
}

async fn binding(app: &App, delivery: &Delivery, (channel, job): (&Channel, &Job)) -> Result<Option<Binding>, Failure> {
    let chats = (&channel.id, is_group(app, channel, &job.to.wire()));
    app.db.binding_of_chats(&delivery.portal, chats).await.map_err(db_failure)
}

fn is_group(app: &App, channel: &Channel, peer: &str) -> bool {
    app.core(channel.core).is_group(channel.connector, peer)
}

fn key(channel: &Channel, delivery: &Delivery) -> IdempotencyKey {
    IdempotencyKey(format!("{}-d{}", channel.id, delivery.id))
}

/// Asks the core for the key under which the text would have been sent.
pub async fn resolve(app: &App, delivery: &Delivery) -> Result<Resolved, Failure> {
    let job = job(delivery)?;
    let channel = channel_of(app, &delivery.portal, &job.channel).await?;
    let access = app.db.channel_access(&channel).map_err(db_failure)?;
    let task = Task { binding: binding(app, delivery, (&channel, &job)).await?, channel, job };
    let core = app.core(task.channel.core);
    Ok(match core.find_sent(&access, &task.job.to.wire(), (&key(&task.channel, delivery), delivery.tried_at)).await? {
        Found::Happened(sent) => Resolved::Happened(Box::new(task.sent(app, delivery, sent).await)),
        // Under a bare address that proves nothing: the conversation may have another name.
        Found::DidNot | Found::CannotTell => Resolved::CannotTell,
    })
}

/// A job with what is written down when it is done.
struct Task {
    job: Job,
    channel: Channel,
    binding: Option<Binding>,
}

impl Task {
    /// What follows when the core has taken the text; cannot fail.
    async fn sent(&self, app: &App, delivery: &Delivery, sent: Sent) -> Settled {
        let peer = sent.peer.clone().unwrap_or_else(|| self.job.to.wire());
        let settled =
            Settled { messages: vec![self.message(app, delivery, (peer, sent.ids)).await], ..Settled::done() };
        decided(app, delivery, (&self.job, self.binding.as_ref()), RecipientOutcome::Sent, settled)
    }

    /// The message as it is written down, with the note that shows it in the Open Channel.
    async fn message(&self, app: &App, delivery: &Delivery, (peer, ids): (String, Vec<String>)) -> NewMessage {
        let (job, channel, now) = (&self.job, &self.channel, app.clock.now());
        let text = job.text.clone();
        let (note, origin, author) = match &job.by {
            By::Robot { .. } => (Some(notes::Note::ByRobot { text }), MessageOrigin::Robot, None),
            By::Card { name, user, .. } => {
                (Some(notes::Note::ByCard { author: bbcode::from_plain(name), text }), MessageOrigin::Card, Some(*user))
            }
            By::Sms { shown, .. } => (shown.then_some(notes::Note::BySms { text }), MessageOrigin::Sms, None),
        };
        let source_key = match &job.by {
            By::Sms { message, .. } => sms::key(message),
            By::Robot { .. } | By::Card { .. } => format!("delivery-{}", delivery.id),
        };
        // Who it is, is written only for a chat that is new; of an unreadable one the worst is a contact too many.
        let known = app.db.chat_of_peer(&delivery.portal, &channel.id, &peer).await.ok().flatten();
        let is_group = is_group(app, channel, &peer);
        let who = (known.is_none() && !is_group)
            .then(|| NewContact { connector: channel.connector, person: person(app, channel, &job.to, &peer) });
        NewMessage {
            channel: channel.id.clone(),
            peer,
            group: is_group.then(Group::default),
            who,
            direction: Direction::Out,
            origin,
            source_key,
            author,
            b24_message: None,
            b24_chat: None,
            progress: MessageProgress::Sent,
            sent_at: now,
            parts: vec![NewPart { text: job.text.clone(), core_id: Some(ids.join("\n")), ..NewPart::default() }],
            delivery: note.filter(|_| self.binding.is_some()).map(|note| note.delivery(Lane::ChatIn, now)),
            hook: None,
        }
    }
}

/// What is known of somebody who never wrote: the id under which his answer will come, and his address.
fn person(app: &App, channel: &Channel, to: &To, peer: &str) -> Person {
    let id = app.core(channel.core).person_of(channel.connector, peer);
    let mut person = Person { id, ..Person::default() };
    match to {
        To::Phone(phone) => person.phone = Some(phone.clone()),
        To::Username(name) => person.username = Some(name.clone()),
        To::Email(_) | To::Peer(_) => {}
    }
    person
}

fn decided(
    app: &App,
    delivery: &Delivery,
    (job, binding): (&Job, Option<&Binding>),
    outcome: RecipientOutcome,
    mut settled: Settled,
) -> Settled {
    match (&job.by, delivery.run, binding) {
        (By::Robot { index }, Some(run), _) => {
            settled.run = Some((run, *index, outcome));
            settled.when_decided = robot::after(run, delivery.created_at, app.clock.now());
        }
        (By::Sms { message, .. }, _, Some(binding)) => {
            settled.follow.push(sms::outcome(app, binding, message, outcome == RecipientOutcome::Sent));
        }
        _page_that_asks => {}
    }
    settled
}

/// The robot's process, the page of the card, or the portal's service of text messages learns why.
pub async fn gave_up(app: &App, delivery: &Delivery, told: Told, unknown: bool, settled: &mut Settled) {
    let Ok(job) = job(delivery) else { return };
    let lang = lang_of(app, &delivery.portal).await.unwrap_or_else(|_away| "en".into());
    let outcome = if unknown {
        RecipientOutcome::Refused { code: "unknown".into(), text: notes::reason_text(&lang, "unavailable").into() }
    } else {
        RecipientOutcome::Refused { code: told.code().into(), text: notes::reason_text(&lang, told.code()).into() }
    };
    // Only text messages ask for it, and they go to people alone.
    let binding = app.db.binding_of_chats(&delivery.portal, (&job.channel, false)).await.ok().flatten();
    *settled = decided(app, delivery, (&job, binding.as_ref()), outcome, settled.clone());
}
