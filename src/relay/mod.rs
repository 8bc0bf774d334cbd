//! The use cases: the only place that knows both the portals and the messengers.
//!
//! Who is who: the web layer verifies what comes in and puts it into the inbox; [`expand`] turns an inbox item into messages
//! and deliveries without leaving the process; [`deliver`] makes one attempt at one delivery and tells how it ended. What follows
//! from either is written by `db` in one transaction.
//!
//! * [`proof`]: who is calling, proved; [`grant`]: calls in a portal's name, tokens refreshed by one at a time
//! * [`provision`]: what is set up in a portal; [`uninstall`]: whether it is really over
//! * [`accounts`]: adding, connecting and disconnecting channels; [`polling`]: channels that must be asked
//! * [`to_core`], [`to_portal`], [`status`]: messages both ways, and the ticks
//! * [`address`], [`robot`], [`card`]: texts to an address, by robots and from CRM cards

pub mod accounts;
pub mod address;
pub mod card;
mod files;
pub mod grant;
mod notes;
pub mod polling;
pub mod proof;
pub mod provision;
mod robot;
mod status;
mod to_core;
mod to_portal;
mod tokens;
mod uninstall;

use std::time::Duration;

use crate::{
    app::App,
    b24::{
        form,
        incoming::{PortalEvent, RobotCall},
    },
    clock::Millis,
    db::{
        Channel, ChannelState, DbError, Delivery, DeliveryKind, DeliveryState, Expansion, InboxItem, Settled, Source,
    },
    domain::{
        failure::{Failure, Retry, Told},
        ids::{ChannelId, PortalId},
    },
    messaging::{IdempotencyKey, Sent},
    queue::retry::{HOLD_WHEN_DOWN, STALE, Tried, Verdict, verdict},
};

pub use grant::Locks;
pub use notes::reason_text as notes_text;
pub use tokens::KeptTokens;

/// Kinds whose repetition is the same as doing it once.
pub const REPEATABLE: &[DeliveryKind] =
    &[DeliveryKind::Status, DeliveryKind::RobotAnswer, DeliveryKind::Provision, DeliveryKind::Uninstall];

/// An operator whose message will have waited so long is told that it waits.
const TELL_AFTER: Duration = Duration::from_secs(60);
/// When a core is asked for a message whose sending nobody saw: twice, because its history may lag behind.
const LOOKS: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(5)];

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
    let malformed = |error: &dyn std::fmt::Display| ExpandError::Malformed(error.to_string());
    match &item.source {
        Source::Portal(installation) => {
            let form = form::parse_json(item.body.as_bytes(), &form::Limits::default()).map_err(|e| malformed(&e))?;
            match PortalEvent::from_form(&form).map_err(|error| malformed(&error))? {
                PortalEvent::MessageAdd(items) => to_core::expand(app, item, items).await,
                PortalEvent::Install => Ok(provision::expand(*installation, app.clock.now())),
                PortalEvent::Uninstall { clean } => Ok(uninstall::expand(*installation, clean, app.clock.now())),
                PortalEvent::StatusDelete { connector, line } => {
                    accounts::switched_off(app, &item.portal, &connector, line).await
                }
                PortalEvent::LineDelete { line } => accounts::line_deleted(app, &item.portal, line).await,
                _other => Ok(Expansion::default()),
            }
        }
        Source::Robot(installation) => {
            let form = form::parse_json(item.body.as_bytes(), &form::Limits::default()).map_err(|e| malformed(&e))?;
            let call = RobotCall::from_form(&form).map_err(|error| malformed(&error))?;
            robot::expand(app, item, *installation, &call).await
        }
        Source::Card(_installation) => card::expand(app, item),
        Source::Channel(channel) => to_portal::expand(app, item, channel).await,
    }
}

/// Makes one attempt at a delivery.
pub async fn deliver(app: &App, delivery: &Delivery) -> Settled {
    let began = app.clock.now();
    let attempt = match delivery.kind {
        DeliveryKind::ToCore => to_core::deliver(app, delivery).await,
        DeliveryKind::ToPortal => to_portal::deliver(app, delivery).await,
        DeliveryKind::Note => notes::deliver(app, delivery).await,
        DeliveryKind::Status => status::deliver(app, delivery).await,
        DeliveryKind::ToAddress => address::deliver(app, delivery).await,
        DeliveryKind::RobotAnswer => robot::answer(app, delivery).await,
        DeliveryKind::CardComment => robot::comment(app, delivery).await,
        DeliveryKind::Provision => provision::deliver(app, delivery).await,
        DeliveryKind::Uninstall => uninstall::deliver(app, delivery).await,
    };
    match attempt {
        Ok(settled) => settled,
        Err(failure) => failed(app, delivery, began, failure).await,
    }
}

/// Concludes an attempt whose own end nobody saw: the process or the code broke in its middle.
pub async fn unseen(app: &App, delivery: &Delivery, why: &'static str) -> Settled {
    failed(app, delivery, app.clock.now(), Failure::unknown(why)).await
}

/// How patient a delivery is.
fn tried(delivery: &Delivery, now: Millis) -> Tried {
    // A note twice is better than none; the same again and again is not.
    let repeatable = REPEATABLE.contains(&delivery.kind) || (delivery.kind == DeliveryKind::Note && delivery.tries < 2);
    let to_client = matches!(delivery.kind, DeliveryKind::ToCore | DeliveryKind::ToAddress);
    Tried {
        tries: delivery.tries,
        created_at: delivery.created_at,
        now,
        repeatable,
        // A robot's process, and a person at a card, can do better than wait.
        may_park: delivery.kind == DeliveryKind::ToCore,
        hold_when_down: if to_client { STALE } else { HOLD_WHEN_DOWN },
        seed: delivery.id.0,
    }
}

/// A failure becomes a retry, a parked portal or channel, or an end that the operator reads about.
async fn failed(app: &App, delivery: &Delivery, began: Millis, failure: Failure) -> Settled {
    let now = app.clock.now();
    let tried = tried(delivery, now);
    let mut verdict = verdict(&failure, tried);
    if verdict == Verdict::Unknown
        && let Some(settled) = find_out(app, delivery).await
    {
        return settled;
    }
    if verdict == Verdict::ParkPortal
        && let Err(error) = app.db.portal_park(&delivery.portal, began, now).await
    {
        tracing::error!(portal = %delivery.portal, %error, "a portal could not be parked");
        verdict = Verdict::Again(now.after(Duration::from_secs(60)));
    }
    tracing::warn!(
        delivery = %delivery.id, portal = %delivery.portal, kind = delivery.kind.text(), tries = delivery.tries,
        told = failure.told.code(), cause = failure.cause, ?verdict, "an attempt failed"
    );
    let mut settled = match verdict {
        Verdict::Again(at) => Settled { due_at: at, ..Settled::new(DeliveryState::Waiting, "retry") },
        Verdict::ParkPortal => Settled { due_at: now, ..Settled::new(DeliveryState::Waiting, "portal_parked") },
        Verdict::ParkChannel(look) => Settled { due_at: look, ..Settled::new(DeliveryState::Parked, "channel_parked") },
        Verdict::GiveUp => Settled::new(DeliveryState::Failed, "failed"),
        Verdict::Unknown => Settled::new(DeliveryState::Unknown, "unknown"),
    };
    settled.told = Some(failure.told.code());
    settled.error = Some(failure.cause.clone());
    tell(app, delivery, verdict, failure.told, &mut settled).await;
    settled
}

/// Adds what people read of a failure.
async fn tell(app: &App, delivery: &Delivery, verdict: Verdict, told: Told, settled: &mut Settled) {
    let unknown = verdict == Verdict::Unknown;
    match verdict {
        Verdict::GiveUp | Verdict::Unknown => match delivery.kind {
            DeliveryKind::ToCore => to_core::gave_up(app, delivery, told, unknown, settled).await,
            DeliveryKind::ToPortal => to_portal::gave_up(app, delivery, told, unknown, settled).await,
            DeliveryKind::ToAddress => address::gave_up(app, delivery, told, unknown, settled).await,
            _quiet => {}
        },
        Verdict::Again(at) | Verdict::ParkChannel(at) if delivery.kind == DeliveryKind::ToCore => {
            if at >= delivery.created_at.after(TELL_AFTER) {
                to_core::waits(app, delivery, told, settled).await;
            }
        }
        Verdict::Again(_) | Verdict::ParkChannel(_) | Verdict::ParkPortal => {}
    }
}

/// Asks the other side about an attempt whose outcome nobody saw. None: nobody can tell.
async fn find_out(app: &App, delivery: &Delivery) -> Option<Settled> {
    match delivery.kind {
        DeliveryKind::ToCore => to_core::find_out(app, delivery).await,
        DeliveryKind::ToAddress => address::find_out(app, delivery).await,
        _untold => None,
    }
}

/// What a core has sent with a key, where it can tell. It may know it only after a moment.
async fn find_sent(app: &App, channel: &Channel, peer: &str, key: &IdempotencyKey) -> Option<Sent> {
    let core = app.core(channel.core);
    let access = app.db.channel_access(channel).ok()?;
    if !core.remembers() {
        return None;
    }
    for wait in LOOKS {
        tokio::time::sleep(wait).await;
        match core.find_sent(&access, peer, key).await {
            Ok(Some(sent)) => return Some(sent),
            Ok(None) => {}
            Err(failure) => tracing::info!(channel = %channel.id, cause = failure.cause, "the core could not be asked"),
        }
    }
    None
}

/// The channel, or the failure that says that there is none any more.
async fn channel_of(app: &App, portal: &PortalId, id: &ChannelId) -> Result<Channel, Failure> {
    app.db
        .channel_get(portal, id)
        .await
        .map_err(db_failure)?
        .ok_or_else(|| Failure::permanent(Told::ChannelDisconnected, "the channel is gone"))
}

/// Marks a channel dead when its core says so, so that its page tells the person what to do. Credentials that were replaced since
/// the channel was read are not judged by the old ones.
async fn note_channel(app: &App, channel: &Channel, failure: Failure) -> Failure {
    if failure.retry == Retry::WhenChannelReturns
        && let Err(error) = app.db.channel_mark_dead(channel, app.clock.now()).await
    {
        tracing::error!(channel = %channel.id, %error, "a channel's state could not be written");
    }
    failure
}

/// A channel that was thought dead has worked: what waits for it goes on.
pub async fn revive(app: &App, channel: &Channel) {
    if channel.state == ChannelState::Alive {
        return;
    }
    let now = app.clock.now();
    let revived = async {
        app.db.channel_set_state(&channel.portal, &channel.id, ChannelState::Alive, now).await?;
        app.db.delivery_resume(&channel.portal, now).await
    };
    match revived.await {
        Ok(resumed) => tracing::info!(channel = %channel.id, resumed, "a dead channel works again"),
        Err(error) => tracing::error!(channel = %channel.id, %error, "a channel's state could not be written"),
    }
    app.bell.ring();
}

/// The database is away: nothing happened, and it is tried again.
fn db_failure(error: DbError) -> Failure {
    Failure::transient(error)
}
