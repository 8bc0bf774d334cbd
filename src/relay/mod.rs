//! The use cases: the only place that knows both the portals and the messengers.
//!
//! Who is who: the web layer verifies what comes in and puts it into the inbox; [`expand`] turns an inbox item into messages
//! and deliveries without leaving the process; [`deliver`] makes one attempt at one delivery and tells how it ended. What follows
//! from either is written by `db` in one transaction.
//!
//! * [`proof`]: who is calling, proved; [`grant`]: calls in a portal's name, tokens refreshed by one at a time
//! * [`provision`]: what is set up in a portal; [`uninstall`]: whether it is really over
//! * [`parking`]: a portal that cannot be called waits until it can; [`notices`]: what its administrators are told
//! * [`accounts`]: adding, connecting and disconnecting channels; [`licenses`]: what a login may use; [`channels`]: using one;
//!   [`polling`]: channels that must be asked
//! * [`to_core`], [`to_portal`]: messages both ways; [`changes`]: what was edited or deleted afterwards; [`ticks`], [`status`]: how far
//!   they have come, as messengers tell and portals are told
//! * [`groups`]: conversations of many people, and how each of them is shown
//! * [`address`], [`robot`], [`card`]: texts to an address, by robots and from CRM cards; [`offered`]: templates for it
//! * [`retry`]: sending again what failed, because a person wants it
//! * [`lost`]: what operators wrote and no event brought; [`unheard`]: what clients wrote and no webhook brought
//! * [`settings`]: what an administrator chooses for a connected channel; [`sms`], [`hooks`]: what some of it means; [`hearers`]: who
//!   else hears of a message; [`in_step`]: chats and their CRM cards

pub mod accounts;
pub mod address;
mod albums;
mod attempts;
pub mod card;
mod changes;
mod channels;
mod files;
pub mod gates;
pub mod grant;
mod groups;
mod hearers;
pub mod hooks;
mod in_step;
pub mod licenses;
pub mod lost;
mod notes;
mod notices;
pub mod offered;
pub mod parking;
pub mod polling;
pub mod proof;
pub mod provision;
mod quotes;
pub mod retry;
mod robot;
pub mod settings;
mod shown;
mod sms;
mod status;
mod ticks;
mod to_core;
mod to_portal;
mod tokens;
mod trace;
pub mod unheard;
mod uninstall;

use std::{collections::HashMap, time::Duration};

use serde::de::DeserializeOwned;

use crate::{
    app::App,
    b24::{
        Method as _, form,
        incoming::{PortalEvent, RobotCall, SmsCall},
        methods::messages::SendMessages,
    },
    clock::Millis,
    db::{
        Binding, Carried, DbError, DbResult, Delivery, DeliveryKind, DeliveryState, Expansion, InboxItem, Part,
        Settled, Source,
    },
    domain::{
        connector::Connector,
        failure::{ASK_AFTER, Failure, Retry, Told},
        ids::{DeliveryId, InstallationId, PortalId},
    },
    journal,
    metrics::METRICS,
    queue::retry::{HOLD_WHEN_DOWN, STALE, Tried, Verdict, verdict},
};

pub use attempts::Failures;
pub use channels::heard_from;
use channels::{channel_of, note_channel, through};
pub use grant::Locks;
pub use notes::reason_text as notes_text;
pub use tokens::KeptTokens;

/// Kinds whose repetition is the same as doing it once.
pub const REPEATABLE: &[DeliveryKind] = &[
    DeliveryKind::Status,
    DeliveryKind::RobotWaits,
    DeliveryKind::RobotAnswer,
    DeliveryKind::Provision,
    DeliveryKind::Uninstall,
    DeliveryKind::Probe,
    DeliveryKind::Notice,
    DeliveryKind::Look,
    DeliveryKind::Hearing,
    DeliveryKind::Licenses,
    DeliveryKind::EditToCore,
    DeliveryKind::DeleteToCore,
    DeliveryKind::EditToPortal,
    DeliveryKind::Hook,
    DeliveryKind::SmsStatus,
    DeliveryKind::CardInStep,
    DeliveryKind::ChatInStep,
    DeliveryKind::EarlyStatus,
    DeliveryKind::Rename,
];

/// Why an inbox item could not be expanded.
#[derive(Debug, thiserror::Error)]
pub enum ExpandError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error("the stored item is not understood: {0}")]
    Malformed(String),
}

/// Turns an inbox item into what follows from it.
pub async fn expand(app: &App, item: &InboxItem) -> Result<Expansion, ExpandError> {
    let mut expansion = understand(app, item).await?;
    hearers::of_expansion(app, &item.portal, &mut expansion).await?;
    trace::of_expansion(item.trace, &mut expansion);
    let (messages, deliveries) = (expansion.messages.len(), expansion.deliveries.len());
    tracing::debug!(trace = %item.trace, inbox = %item.id, portal = %item.portal, messages, deliveries, "expanded");
    Ok(expansion)
}

async fn understand(app: &App, item: &InboxItem) -> Result<Expansion, ExpandError> {
    let malformed = |error: &dyn std::fmt::Display| ExpandError::Malformed(error.to_string());
    match &item.source {
        Source::Portal(installation) => {
            let form = form::parse_json(item.body.as_bytes(), &form::Limits::default()).map_err(|e| malformed(&e))?;
            match PortalEvent::from_form(&form).map_err(|error| malformed(&error))? {
                PortalEvent::MessageAdd(items) => to_core::expand(app, item, items).await,
                PortalEvent::MessageUpdate(items) => changes::edited_by_operators(app, item, items).await,
                PortalEvent::MessageDelete(items) => changes::deleted_by_operators(app, item, &items).await,
                PortalEvent::Install => Ok(provision::expand(*installation, app.clock.now())),
                PortalEvent::Uninstall { clean } => Ok(uninstall::expand(*installation, clean, app.clock.now())),
                PortalEvent::StatusDelete { connector, line } => {
                    accounts::switched_off(app, &item.portal, &connector, line).await
                }
                PortalEvent::CardChanged { entity_type_id, id } => {
                    in_step::card_changed(app, item, (*installation, entity_type_id, id)).await
                }
                PortalEvent::LineDelete { line } => accounts::line_deleted(app, &item.portal, line).await,
                PortalEvent::OpenLineMessageAdd(items) => to_portal::receipts(app, item, &items).await,
                _other => Ok(Expansion::default()),
            }
        }
        Source::Robot(installation) => {
            let form = form::parse_json(item.body.as_bytes(), &form::Limits::default()).map_err(|e| malformed(&e))?;
            let call = RobotCall::from_form(&form).map_err(|error| malformed(&error))?;
            robot::expand(app, item, *installation, &call).await
        }
        Source::Card(_installation) => card::expand(app, item).await,
        Source::Sms(installation) => {
            let form = form::parse_json(item.body.as_bytes(), &form::Limits::default()).map_err(|e| malformed(&e))?;
            let call = SmsCall::from_form(&form).map_err(|error| malformed(&error))?;
            sms::expand(app, item, *installation, &call).await
        }
        Source::Channel(channel) => to_portal::expand(app, item, channel).await,
    }
}

/// How long it may take until the other side can tell (a portal's receipt of a chat's first message is an event of its own).
const ASK_FOR: Duration = Duration::from_mins(1);

/// An operator whose message will have waited so long is told that it waits.
const TELL_AFTER: Duration = Duration::from_mins(1);
/// A parked portal is looked at so often by what may bring it back.
const PARKED_LOOK: Duration = Duration::from_mins(30);

/// A line of a portal, as one call names it, with the installation that may call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LineRef {
    installation: InstallationId,
    connector: Connector,
    line: i64,
}

impl LineRef {
    fn of(binding: &Binding) -> Self {
        Self { installation: binding.installation, connector: binding.connector, line: binding.line }
    }
}

/// Deliveries with what they carry, by the line of their portal that one call is for.
type ByLine<T> = Vec<(LineRef, Vec<(DeliveryId, T)>)>;

/// How many messages one call to a portal carries now.
pub fn messages_a_call(app: &App, portal: &PortalId) -> usize {
    app.gates.messages(portal, SendMessages::NAME)
}

/// Puts deliveries that can share a call together: messages of different chats to one portal, and its statuses.
pub fn groups(claimed: Vec<Delivery>, messages: impl Fn(&PortalId) -> usize) -> Vec<Vec<Delivery>> {
    let mut groups: Vec<Vec<Delivery>> = Vec::new();
    // The last group of a portal and a kind: the only one that may have room.
    let mut open: HashMap<(PortalId, DeliveryKind), usize> = HashMap::new();
    for delivery in claimed {
        let shares = matches!(delivery.kind, DeliveryKind::ToPortal | DeliveryKind::Status) && !delivery.uncertain;
        if !shares {
            groups.push(vec![delivery]);
            continue;
        }
        let key = (delivery.portal.clone(), delivery.kind);
        let last = open.get(&key).and_then(|at| groups.get_mut(*at));
        if let Some(group) = last.filter(|group| group.len() < messages(&delivery.portal)) {
            group.push(delivery);
        } else {
            open.insert(key, groups.len());
            groups.push(vec![delivery]);
        }
    }
    groups
}

/// Makes one attempt at each delivery of a group.
pub async fn deliver(app: &App, group: &[Delivery]) -> Vec<(DeliveryId, Settled)> {
    let began = app.clock.now();
    let _under_way = METRICS.under_way(group.len());
    trace::begin(group);
    let outcomes = journal::about(trace::about(group), async {
        match group {
            [one] => vec![(one.id, attempt(app, one).await)],
            many if many.iter().all(|delivery| delivery.kind == DeliveryKind::Status) => {
                status::deliver_all(app, many).await
            }
            many => to_portal::deliver_all(app, many).await,
        }
    })
    .await;
    let mut settled = Vec::with_capacity(outcomes.len());
    for (id, outcome) in outcomes {
        let Some(delivery) = group.iter().find(|delivery| delivery.id == id) else { continue };
        let mut done = match outcome {
            Ok(done) => done,
            Err(failure) => failed(app, delivery, began, failure).await,
        };
        hearers::of_attempt(app, delivery, &mut done).await;
        METRICS.attempt_ended(delivery.kind.text(), done.outcome);
        trace::end(delivery, &mut done);
        settled.push((id, done));
    }
    settled
}

/// Concludes an attempt that our own code broke off: nobody saw how it ended.
pub async fn broken(app: &App, delivery: &Delivery, why: &'static str) -> Settled {
    failed(app, delivery, app.clock.now(), Failure::unknown(why)).await
}

async fn attempt(app: &App, delivery: &Delivery) -> Result<Settled, Failure> {
    if delivery.uncertain {
        match resolve(app, delivery).await? {
            Resolved::Happened(settled) => return Ok(*settled),
            Resolved::DidNot => {}
            Resolved::CannotTell if is_wanted(delivery) => {}
            Resolved::CannotTell => {
                let unknown = Failure::unknown("nobody can tell whether an earlier attempt succeeded");
                let is_final = !may_tell_later(delivery, app.clock.now());
                return Err(if is_final { unknown.retry(Retry::Never) } else { unknown });
            }
        }
    }
    match delivery.kind {
        DeliveryKind::ToCore => to_core::deliver(app, delivery).await,
        DeliveryKind::ToPortal => to_portal::deliver(app, delivery).await,
        DeliveryKind::EditToCore => changes::edit_to_core(app, delivery).await,
        DeliveryKind::DeleteToCore => changes::delete_to_core(app, delivery).await,
        DeliveryKind::EditToPortal => changes::edit_to_portal(app, delivery).await,
        DeliveryKind::Note => notes::deliver(app, delivery).await,
        DeliveryKind::Status => status::deliver(app, delivery).await,
        DeliveryKind::ToAddress => address::deliver(app, delivery).await,
        DeliveryKind::RobotWaits => robot::waits(app, delivery).await,
        DeliveryKind::RobotAnswer => robot::answer(app, delivery).await,
        DeliveryKind::CardComment => robot::comment(app, delivery).await,
        DeliveryKind::Provision => provision::deliver(app, delivery).await,
        DeliveryKind::Uninstall => uninstall::deliver(app, delivery).await,
        DeliveryKind::Probe => parking::probe(app, delivery).await,
        DeliveryKind::Notice => notices::deliver(app, delivery).await,
        DeliveryKind::Look => lost::deliver(app, delivery).await,
        DeliveryKind::Hook => hooks::deliver(app, delivery).await,
        DeliveryKind::SmsStatus => sms::deliver(app, delivery).await,
        DeliveryKind::CardInStep => in_step::card_in_step(app, delivery).await,
        DeliveryKind::ChatInStep => in_step::chat_in_step(app, delivery).await,
        DeliveryKind::EarlyStatus => ticks::deliver_early(app, delivery).await,
        DeliveryKind::Rename => groups::rename(app, delivery).await,
        DeliveryKind::Hearing => unheard::deliver(app, delivery).await,
        DeliveryKind::Licenses => licenses::deliver(app, delivery).await,
    }
}

/// Whether a person who has read that nobody knows wants it to be sent, and this is the first attempt since.
fn is_wanted(delivery: &Delivery) -> bool {
    let wanted_at = delivery.carried.as_ref().and_then(|carried| carried.message.retried_at);
    delivery.tries == 1 && wanted_at == Some(delivery.created_at)
}

/// What became of an attempt whose answer was not seen.
pub enum Resolved {
    Happened(Box<Settled>),
    DidNot,
    CannotTell,
}

/// Asks the other side before anything is repeated.
async fn resolve(app: &App, delivery: &Delivery) -> Result<Resolved, Failure> {
    match delivery.kind {
        DeliveryKind::ToCore => to_core::resolve(app, delivery).await,
        DeliveryKind::ToPortal => to_portal::resolve(app, delivery).await,
        DeliveryKind::Note => notes::resolve(app, delivery).await,
        DeliveryKind::ToAddress => address::resolve(app, delivery).await,
        DeliveryKind::CardComment => Ok(Resolved::CannotTell),
        DeliveryKind::EditToCore
        | DeliveryKind::DeleteToCore
        | DeliveryKind::EditToPortal
        | DeliveryKind::Status
        | DeliveryKind::RobotWaits
        | DeliveryKind::RobotAnswer
        | DeliveryKind::Provision
        | DeliveryKind::Uninstall
        | DeliveryKind::Look
        | DeliveryKind::Hook
        | DeliveryKind::SmsStatus
        | DeliveryKind::CardInStep
        | DeliveryKind::ChatInStep
        | DeliveryKind::EarlyStatus
        | DeliveryKind::Rename
        | DeliveryKind::Hearing
        | DeliveryKind::Licenses
        | DeliveryKind::Probe
        | DeliveryKind::Notice => Ok(Resolved::DidNot),
    }
}

/// How patient a delivery is.
fn tried(delivery: &Delivery, now: Millis) -> Tried {
    Tried {
        tries: delivery.tries,
        created_at: delivery.created_at,
        now,
        repeatable: REPEATABLE.contains(&delivery.kind),
        // A robot's process, and a person at a card, can do better than wait.
        may_park: delivery.kind == DeliveryKind::ToCore,
        hold_when_down: if delivery.kind.is_to_messenger() { STALE } else { HOLD_WHEN_DOWN },
        seed: delivery.id.0,
    }
}

/// A failure becomes a retry, a parked portal or channel, or an end that the operator reads about. `began`: when the attempt did.
async fn failed(app: &App, delivery: &Delivery, began: Millis, failure: Failure) -> Settled {
    let now = app.clock.now();
    let failure = of_destination(app, delivery, failure, now);
    let mut verdict = verdict(&failure, tried(delivery, now));
    if verdict == Verdict::ParkPortal {
        verdict = parking::park(app, &delivery.portal, began).await;
    }
    if matches!(verdict, Verdict::Wait(_)) {
        tracing::debug!(delivery = %delivery.id, portal = %delivery.portal, cause = failure.cause, "it waits");
    } else {
        tracing::warn!(
            trace = delivery.trace.map(tracing::field::display), delivery = %delivery.id, portal = %delivery.portal,
            kind = delivery.kind.text(), tries = delivery.tries, told = failure.told.code(), cause = failure.cause,
            ?verdict, "an attempt failed"
        );
    }
    let mut settled = match verdict {
        Verdict::Again(due_at) => {
            let first = address::first_of(app, delivery).await;
            Settled { due_at, first, ..Settled::new(DeliveryState::Waiting, "retry") }
        }
        Verdict::Wait(due_at) => {
            let first = address::first_of(app, delivery).await;
            Settled { due_at, first, counted: false, ..Settled::new(DeliveryState::Waiting, "waits") }
        }
        Verdict::ParkPortal => {
            let due_at = now.after(PARKED_LOOK);
            Settled { due_at, ..Settled::new(DeliveryState::Parked, "portal_parked") }
        }
        Verdict::ParkChannel(due_at) => Settled { due_at, ..Settled::new(DeliveryState::Parked, "channel_parked") },
        Verdict::GiveUp => Settled::new(DeliveryState::Failed, "failed"),
        Verdict::Unknown if failure.retry != Retry::Never && may_ask(delivery, now) => {
            let due_at = now.after(ASK_AFTER);
            Settled { due_at, uncertain: true, ..Settled::new(DeliveryState::Waiting, "unknown") }
        }
        Verdict::Unknown => Settled::new(DeliveryState::Unknown, "unknown"),
    };
    // What an earlier attempt may have done stays uncertain until somebody has told.
    settled.uncertain |= delivery.uncertain && matches!(settled.state, DeliveryState::Waiting | DeliveryState::Parked);
    settled.told = Some(failure.told.code());
    settled.error = Some(failure.cause.clone());
    tell(app, delivery, failure.told, &mut settled).await;
    settled
}

/// What fails because its portal is away waits for the portal, not for a schedule of its own that grows with every look.
fn of_destination(app: &App, delivery: &Delivery, failure: Failure, now: Millis) -> Failure {
    let is_held = gates::method_of(delivery.kind).is_some() && failure.told == Told::Unavailable;
    match app.gates.away(&delivery.portal, now).filter(|_| is_held && failure.retry != Retry::Never) {
        Some(wait) => failure.retry(Retry::Closed(wait)),
        None => failure,
    }
}

/// Whether the other side is to be asked about an attempt whose answer was not seen.
fn may_ask(delivery: &Delivery, now: Millis) -> bool {
    let asks = matches!(
        delivery.kind,
        DeliveryKind::ToCore | DeliveryKind::ToAddress | DeliveryKind::ToPortal | DeliveryKind::Note
    );
    asks && now < delivery.created_at.after(HOLD_WHEN_DOWN)
}

/// Whether who cannot tell now may do it later: a portal, until its receipts can be expected to have come.
fn may_tell_later(delivery: &Delivery, now: Millis) -> bool {
    matches!(delivery.kind, DeliveryKind::ToPortal | DeliveryKind::Note) && now < delivery.created_at.after(ASK_FOR)
}

/// Adds what people read of a failure.
async fn tell(app: &App, delivery: &Delivery, told: Told, settled: &mut Settled) {
    let unknown = settled.state == DeliveryState::Unknown;
    match settled.state {
        DeliveryState::Failed | DeliveryState::Unknown => match delivery.kind {
            DeliveryKind::ToCore => to_core::gave_up(app, delivery, told, unknown, settled).await,
            DeliveryKind::ToPortal => to_portal::gave_up(app, delivery, told, unknown, settled).await,
            DeliveryKind::ToAddress => address::gave_up(app, delivery, told, unknown, settled).await,
            DeliveryKind::EditToCore | DeliveryKind::DeleteToCore | DeliveryKind::EditToPortal => {
                changes::gave_up(app, delivery, told, settled).await;
            }
            _quiet => {}
        },
        _waits if delivery.kind == DeliveryKind::ToCore && settled.due_at >= delivery.created_at.after(TELL_AFTER) => {
            to_core::waits(app, delivery, told, settled).await;
        }
        _waits => {}
    }
}

/// What a delivery carries. Erased with its portal, there is nothing to do.
fn carried(delivery: &Delivery) -> Result<&Carried, Failure> {
    let gone = || Failure::permanent(Told::Internal, "the message of the delivery is gone");
    delivery.carried.as_deref().ok_or_else(gone)
}

/// What a delivery carries besides its message, as whoever made it has written it.
fn payload<T: DeserializeOwned>(delivery: &Delivery) -> Result<T, Failure> {
    let malformed =
        |_other| Failure::permanent(Told::Internal, format!("the {} is not understood", delivery.kind.text()));
    serde_json::from_str(&delivery.payload).map_err(malformed)
}

/// The part that a delivery is about.
fn part_of<'a>(carried: &'a Carried, delivery: &Delivery) -> Result<&'a Part, Failure> {
    let gone = || Failure::permanent(Told::Internal, "the part of the delivery is gone");
    carried.parts.iter().find(|part| Some(part.id) == delivery.part).ok_or_else(gone)
}

/// The language of a portal; of one that is gone, English.
async fn lang_of(app: &App, portal: &PortalId) -> DbResult<String> {
    Ok(app.db.portal_get(portal).await?.map_or_else(|| "en".into(), |portal| portal.lang))
}

/// The database is away: nothing happened, and it is tried again.
fn db_failure(error: DbError) -> Failure {
    Failure::transient(error)
}
