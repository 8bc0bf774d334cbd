//! How far the business's messages have come, as their messenger tells it. It tells in any order, more than once, and at times before
//! the answer to the call that has sent the message is written down: such a status is looked at again a little later.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ExpandError, db_failure, hooks, notes, payload, sms};
use crate::{
    app::App,
    b24::bbcode,
    db::{
        Channel, CorePlace, DbError, Delivery, DeliveryKind, Expansion, InboxItem, Lane, Message, MessageProgress,
        NewDelivery, Settled,
    },
    domain::{
        failure::{Failure, Retry},
        ids::PortalId,
    },
    messaging::Progress,
};

/// The longest reason of a messenger that is passed on to the operator, in characters.
const REASON_LIMIT: usize = 200;
/// When a status that came too early is looked at again, and until when.
const AGAIN: Duration = Duration::from_secs(5);
const FOR: Duration = Duration::from_mins(1);

/// What a messenger has told of one message.
#[derive(Serialize, Deserialize)]
pub(super) struct Report {
    #[serde(flatten)]
    pub(super) place: CorePlace,
    /// The messenger's id of it.
    pub(super) message: String,
    pub(super) progress: Progress,
}

impl Report {
    fn reached(&self) -> MessageProgress {
        match self.progress {
            Progress::Sent => MessageProgress::Sent,
            Progress::Delivered => MessageProgress::Delivered,
            Progress::Read => MessageProgress::Read,
            Progress::Failed { .. } => MessageProgress::Failed,
        }
    }
}

/// `tracking`: the key under which we sent it, if it was us.
pub(super) async fn expand(
    app: &App,
    item: &InboxItem,
    channel: &Channel,
    (report, tracking): (Report, Option<&str>),
) -> Result<Expansion, ExpandError> {
    let found = app.db.message_by_core(&item.portal, (&report.place, &report.message)).await?;
    let Some((message, _parts)) = found else {
        let is_ours =
            tracking.and_then(|key| key.strip_prefix(channel.id.as_str())).is_some_and(|it| it.starts_with('-'));
        let lane = Lane::Early(format!("{}:{}", channel.id, report.message));
        let early = NewDelivery::new(lane, DeliveryKind::EarlyStatus, app.clock.now().after(AGAIN)).payload(&report);
        let deliveries = is_ours.then_some(early).into_iter().collect();
        return Ok(Expansion { relevant: is_ours, deliveries, ..Expansion::default() });
    };
    let when_advanced = follows(app, &item.portal, (&report, &message)).await?;
    let progress = Some((message.id, report.reached()));
    Ok(Expansion { relevant: true, progress, when_advanced, ..Expansion::default() })
}

/// Looks once more at a status that came before its message was written down.
pub(super) async fn deliver_early(app: &App, delivery: &Delivery) -> Result<Settled, Failure> {
    let report: Report = payload(delivery)?;
    let found = app.db.message_by_core(&delivery.portal, (&report.place, &report.message)).await.map_err(db_failure)?;
    let reached = report.reached();
    match found {
        Some((message, _parts)) if message.progress.rank() < reached.rank() => {
            let follow = follows(app, &delivery.portal, (&report, &message)).await.map_err(db_failure)?;
            Ok(Settled { progress: Some((message.id, reached)), follow, ..Settled::done() })
        }
        // The answer of the call may be as slow as calls may be.
        None if app.clock.now() < delivery.created_at.after(FOR) => {
            Err(Failure::transient("the message is not written down yet").retry(Retry::Closed(AGAIN)))
        }
        _nothing_new => Ok(Settled::done()),
    }
}

/// What follows when that is news.
async fn follows(
    app: &App,
    portal: &PortalId,
    (report, message): (&Report, &Message),
) -> Result<Vec<NewDelivery>, DbError> {
    let now = app.clock.now();
    let note = match &report.progress {
        Progress::Failed { reason } => {
            let reason = reason.chars().take(REASON_LIMIT).collect::<String>();
            Some(notes::Note::FailedBecause { reason: bbcode::from_plain(&reason) }.in_chat(message.chat, now))
        }
        Progress::Sent | Progress::Delivered | Progress::Read => None,
    };
    let binding = app.db.binding_of_chats(portal, (&report.place.channel, report.place.group.is_some())).await?;
    let hook = binding.as_ref().filter(|binding| hooks::listens(binding));
    let hook = hook.map(|binding| hooks::delivery(binding, hooks::Event::Progress(report.reached()), now));
    let text = binding.as_ref().and_then(|binding| sms::progress(binding, message, report.reached(), now));
    Ok(note.into_iter().chain(hook).chain(text).map(|follows| follows.message(message.id)).collect())
}
