//! What follows from work that was done: written in one transaction with the work's own state, so that a crash leaves
//! either nothing or everything of it.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use diesel::{BoolExpressionMethods as _, ExpressionMethods as _, QueryDsl as _, RunQueryDsl as _};

use super::{
    Db, DbError, DbResult, Delivery, DeliveryState, First, InboxItem, InboxState, MessageProgress, Missed, NewDelivery,
    NewMessage, NewRun, RecipientOutcome, Recorded, SentPart, Source, chats,
    conn::Conn,
    deliveries::{DeliveryKind, Lane},
    dispatch, firsts,
    kept::{kept, update},
    looks, messages, runs,
    schema::{attempt, chat, delivery, inbox},
};
use crate::{
    clock::Millis,
    domain::ids::{ChatId, ContactId, InboxId, MessageId, PartId, PortalId, RunId},
    failpoint,
};

/// What an inbox item turned into.
#[derive(Clone, Debug, Default)]
pub struct Expansion {
    /// False: understood, and nothing has to happen.
    pub relevant: bool,
    pub messages: Vec<NewMessage>,
    pub deliveries: Vec<NewDelivery>,
    /// A firing of a robot with the deliveries of its recipients (their payload tells the index).
    pub run: Option<(NewRun, Vec<NewDelivery>)>,
    /// How far one of our messages has come.
    pub progress: Option<(MessageId, MessageProgress)>,
    /// The portal's own numbers of chats: chat, and the client's portal user.
    pub chats: Vec<(ChatId, i64, Option<i64>)>,
    /// Messages that ought to have come before this.
    pub missed: Vec<Missed>,
    /// Follow if `progress` is news.
    pub when_advanced: Vec<NewDelivery>,
}

/// How an attempt ended.
#[derive(Clone, Debug)]
pub struct Settled {
    pub state: DeliveryState,
    /// For [`DeliveryState::Waiting`]: when to try again.
    pub due_at: Millis,
    /// The next attempt takes a turn of its channel, too.
    pub first: Option<First>,
    /// It may have happened: the next attempt asks before it does anything.
    pub uncertain: bool,
    /// False: it was not tried, and this counts as no try.
    pub counted: bool,
    /// The attempt's outcome, a short code.
    pub outcome: &'static str,
    pub told: Option<&'static str>,
    pub error: Option<String>,
    pub sent: Vec<SentPart>,
    /// A part says something else now.
    pub rewritten: Option<(PartId, String)>,
    /// The portal's own numbers of a chat: chat, and the client's portal user.
    pub chat: Option<(ChatId, i64, Option<i64>)>,
    /// Somebody of a group, and the portal's user that he is there.
    pub member: Option<(ContactId, i64)>,
    pub progress: Option<(MessageId, MessageProgress)>,
    /// Other waiting deliveries of this message are pointless now.
    pub cancel_rest_of: Option<MessageId>,
    pub messages: Vec<NewMessage>,
    pub follow: Vec<NewDelivery>,
    /// Follows if nothing was written about its message yet: one warning is enough.
    pub warning: Option<NewDelivery>,
    /// One recipient's outcome of a run; its answer and comment follow when it was the last.
    pub run: Option<(RunId, usize, RecipientOutcome)>,
    /// Deliveries that follow when the run is decided.
    pub when_decided: Vec<NewDelivery>,
    /// When all parts of the message are sent, this delivery follows.
    pub when_all_sent: Option<(MessageId, NewDelivery)>,
}

impl Settled {
    pub fn new(state: DeliveryState, outcome: &'static str) -> Self {
        Self {
            state,
            due_at: Millis(0),
            first: None,
            uncertain: false,
            counted: true,
            outcome,
            told: None,
            error: None,
            sent: Vec::new(),
            rewritten: None,
            chat: None,
            member: None,
            progress: None,
            cancel_rest_of: None,
            messages: Vec::new(),
            follow: Vec::new(),
            warning: None,
            run: None,
            when_decided: Vec::new(),
            when_all_sent: None,
        }
    }

    pub fn done() -> Self {
        Self::new(DeliveryState::Done, "done")
    }
}

/// Inbox items that are written one behind the other, without waiting for each: which sources have one that failed.
#[derive(Clone, Default)]
pub struct Round(Arc<Mutex<HashSet<(PortalId, Source)>>>);

/// An item's place in a round.
#[derive(Clone)]
pub struct Turn {
    round: Round,
    source: (PortalId, Source),
}

impl Round {
    pub fn turn(&self, item: &InboxItem) -> Turn {
        Turn { round: self.clone(), source: (item.portal.clone(), item.source.clone()) }
    }

    fn sources(&self) -> MutexGuard<'_, HashSet<(PortalId, Source)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    fn check(&self) -> DbResult<()> {
        if self.round.sources().contains(&self.source) {
            return Err(DbError::Unavailable("an earlier item of the same source could not be written".into()));
        }
        Ok(())
    }

    fn failed(&self) {
        self.round.sources().insert(self.source.clone());
    }
}

fn insert_all(conn: &mut Conn, portal: &str, new: &[NewDelivery], now: Millis) -> DbResult<()> {
    new.iter().try_for_each(|delivery| dispatch::insert(conn, portal, delivery, now))
}

fn expand(conn: &mut Conn, portal: &str, expansion: &Expansion, now: Millis) -> DbResult<()> {
    for new in &expansion.messages {
        messages::insert(conn, portal, new, now)?;
        failpoint::pass("expanding");
    }
    insert_all(conn, portal, &expansion.deliveries, now)?;
    if let Some((run, recipients)) = &expansion.run
        && let Some(id) = runs::insert(conn, portal, run, now)?
    {
        for delivery in recipients {
            let lane = match &delivery.lane {
                Lane::Run(_) => Lane::Run(id),
                Lane::Card(_) => Lane::Card(id),
                other => other.clone(),
            };
            dispatch::insert(conn, portal, &NewDelivery { lane, ..delivery.clone() }.run(id), now)?;
        }
    }
    for numbers in &expansion.chats {
        keep_numbers(conn, portal, *numbers)?;
    }
    for missed in &expansion.missed {
        looks::insert_missed(conn, portal, missed, now)?;
    }
    if let Some((id, progress)) = expansion.progress
        && messages::advance(conn, portal, id, progress)?
    {
        insert_all(conn, portal, &expansion.when_advanced, now)?;
    }
    Ok(())
}

fn settle(conn: &mut Conn, portal: &str, settled: &Settled, now: Millis) -> DbResult<()> {
    for sent in &settled.sent {
        messages::mark_part(conn, portal, sent)?;
    }
    if let Some((part, text)) = &settled.rewritten {
        messages::rewrite_part(conn, portal, *part, text)?;
    }
    if let Some(numbers) = settled.chat {
        keep_numbers(conn, portal, numbers)?;
    }
    if let Some(member) = settled.member {
        chats::keep_member(conn, portal, member)?;
    }
    if let Some((id, progress)) = settled.progress {
        messages::advance(conn, portal, id, progress)?;
    }
    if let Some(id) = settled.cancel_rest_of {
        let rest = delivery::message_id.eq(id.0).and(delivery::kind.eq(DeliveryKind::ToCore.text()));
        diesel::update(delivery::table.filter(delivery::portal_id.eq(portal)).filter(rest))
            .filter(delivery::state.eq_any(
                [DeliveryState::Queued, DeliveryState::Waiting, DeliveryState::Parked].map(DeliveryState::text),
            ))
            .set(delivery::state.eq(DeliveryState::Cancelled.text()))
            .execute(conn)?;
    }
    for new in &settled.messages {
        let recorded = messages::insert(conn, portal, new, now)?;
        debug_assert!(matches!(recorded, Recorded::Written(_) | Recorded::Known));
    }
    insert_all(conn, portal, &settled.follow, now)?;
    if let Some(warning) = &settled.warning
        && let Some(message) = warning.message
        && !has_note(conn, portal, message)?
    {
        dispatch::insert(conn, portal, warning, now)?;
    }
    if let Some((run, index, outcome)) = &settled.run
        && runs::record(conn, portal, (*run, *index), outcome.clone())?
    {
        insert_all(conn, portal, &settled.when_decided, now)?;
    }
    if let Some((id, follow)) = &settled.when_all_sent {
        let open = delivery::message_id.eq(id.0).and(delivery::kind.eq(DeliveryKind::ToCore.text()));
        let open = delivery::table
            .filter(delivery::portal_id.eq(portal).and(open))
            .filter(delivery::state.ne(DeliveryState::Done.text()));
        let left: i64 = kept!(conn, get_result, open.count())?;
        if left == 0 {
            dispatch::insert(conn, portal, follow, now)?;
        }
    }
    Ok(())
}

fn has_note(conn: &mut Conn, portal: &str, message: MessageId) -> DbResult<bool> {
    let notes = delivery::message_id.eq(message.0).and(delivery::kind.eq(DeliveryKind::Note.text()));
    let count: i64 = delivery::table.filter(delivery::portal_id.eq(portal).and(notes)).count().get_result(conn)?;
    Ok(count > 0)
}

/// Keeps the portal's own numbers of a chat; what it does not tell stays as it was.
fn keep_numbers(conn: &mut Conn, portal: &str, (id, chat, user): (ChatId, i64, Option<i64>)) -> DbResult<()> {
    let own = chat::table.find(id.0).filter(chat::portal_id.eq(portal));
    diesel::update(own).set(chat::b24_chat_id.eq(chat)).execute(conn)?;
    if user.is_some() {
        diesel::update(own).set(chat::b24_user_id.eq(user)).execute(conn)?;
    }
    Ok(())
}

impl Db {
    /// Writes what an inbox item turned into, and that it is done with. Refused when an earlier item of its source, written in the
    /// same [`Round`], could not be: it must not be overtaken.
    pub async fn inbox_expand(
        &self,
        portal: &PortalId,
        (id, turn): (InboxId, Turn),
        expansion: Expansion,
        now: Millis,
    ) -> DbResult<()> {
        let portal = portal.0.clone();
        let after = turn.clone();
        let command = move |conn: &mut Conn| {
            turn.check()?;
            let state = if expansion.relevant { InboxState::Done } else { InboxState::Ignored };
            let done = expand(conn, &portal, &expansion, now).and_then(|()| {
                let own = inbox::id.eq(id.0).and(inbox::portal_id.eq(&portal));
                kept!(conn, execute, update(own, inbox::state.eq(state.text())))?;
                Ok(())
            });
            done.inspect_err(|_error| turn.failed())
        };
        self.writer
            .write_then(command, move |done| {
                if !done {
                    after.failed();
                }
            })
            .await
    }

    /// Writes how an attempt ended, and all that follows. False, and nothing is written, when the portal is another node's by now,
    /// or was erased.
    pub async fn delivery_settle(&self, ended: &Delivery, settled: Settled, now: Millis) -> DbResult<bool> {
        let ended = ended.clone();
        self.write(move |conn| {
            if !dispatch::is_current(conn, &ended)? {
                return Ok(false);
            }
            let portal = ended.portal.0.as_str();
            let due_at = match &settled.first {
                Some(first) => firsts::turn(conn, portal, first, settled.due_at)?,
                None => settled.due_at,
            };
            let own = delivery::id.eq(ended.id.0).and(delivery::portal_id.eq(portal));
            let end = (
                delivery::state.eq(settled.state.text()),
                delivery::due_at.eq(due_at.0),
                delivery::tries.eq(delivery::tries - i32::from(!settled.counted)),
                delivery::uncertain.eq(settled.uncertain),
                delivery::told.eq(settled.told),
                delivery::error.eq(&settled.error),
                delivery::changed_at.eq(now.0),
            );
            kept!(conn, execute, update(own, end))?;
            let row = (
                attempt::portal_id.eq(portal),
                attempt::delivery_id.eq(ended.id.0),
                attempt::started_at.eq(ended.began_at.0),
                attempt::ended_at.eq(now.0),
                attempt::outcome.eq(settled.outcome),
                attempt::error.eq(&settled.error),
            );
            kept!(conn, execute, diesel::insert_into(attempt::table).values(row))?;
            settle(conn, portal, &settled, now)?;
            failpoint::pass("settling");
            dispatch::settled(conn, &ended, (settled.state, due_at))?;
            Ok(true)
        })
        .await
    }
}
