//! Lost webhooks. ChatApp's word on whether it repeats one is not public, and while it is away itself nobody tells anything. What clients
//! wrote still stands in its history: a connected channel is compared with it, and what no webhook brought is accepted under the very
//! key that the webhook would have had. Whichever of the two comes first, there is one message.
//!
//! A channel is looked at
//! * after a start, and after a node has died ([`everywhere`]);
//! * as soon as its messenger answers again, or works again ([`soon`]);
//! * every hour.
//!
//! A look begins with the question whether ChatApp still knows our address, and then walks through the conversations, those in which
//! somebody wrote last first, until several in a row hold nothing new. A few of them are one delivery, the rest is the next one's. Not
//! taken: what is older than a day or than the connection. What is found stands in the chat behind what has come since, with the
//! time at which it was written.
//!
//! Telegram repeats for a day what it could not post. Of a bot that is posted to, only the address is looked at.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    accounts,
    channels::{back, has_login, heard_from, note_channel},
    db_failure, payload,
};
use crate::{
    app::App,
    clock::Millis,
    db::{
        Accepted, BindingState, Channel, ChannelState, DbError, Delivery, DeliveryKind, Intake, Lane, NewDelivery,
        NewInbox, Settled, Source,
    },
    domain::{
        failure::{Failure, Retry},
        ids::ChannelId,
    },
    messaging::{
        ChannelRef, CoreKind,
        chatapp::{Heard, Query},
    },
    queue::retry::STALE,
};

/// How often a channel is looked at without any reason.
pub const EVERY: Duration = Duration::from_hours(1);
/// Looks begun at once, every few seconds: after a start no crowd falls upon ChatApp.
const AT_ONCE: i64 = 32;
/// What waited during an outage goes first.
const FIRST_AFTER: Duration = Duration::from_secs(5);
/// Clocks differ, and a history may lag a little behind its messages.
const OVERLAP: Duration = Duration::from_mins(10);
/// Conversations of one delivery: as many calls, one after the other.
const A_TIME: usize = 8;
/// So many conversations in a row without anything new, and the older ones hold nothing either. The order of the list is one public
/// client's observation, so the first one is not believed.
const QUIET: usize = 3;
/// More than a channel talks with in a day.
const MOST: usize = 1000;

/// What a delivery carries.
#[derive(Serialize, Deserialize)]
struct Look {
    channel: ChannelId,
    /// None: it begins.
    #[serde(default)]
    walk: Option<Walk>,
}

/// How far a look has come.
#[derive(Serialize, Deserialize)]
struct Walk {
    /// When it began and since when it looks, in milliseconds since 1970.
    began: i64,
    since: i64,
    /// Conversations still to be read of this page.
    peers: Vec<String>,
    /// The next page.
    next: Option<Query>,
    seen: usize,
    quiet: usize,
}

/// Has every connected channel looked at: webhooks may have been lost. Nobody waits for it.
pub async fn everywhere(app: &App) {
    if let Err(error) = app.db.hearing_expect_all(app.clock.now().after(FIRST_AFTER)).await {
        tracing::error!(%error, "it could not be noted that channels are to be compared with their cores");
    }
}

/// The same of a channel of which nothing was heard for a while.
pub(super) async fn soon(app: &App, channel: &Channel) {
    if channel.core != CoreKind::Chatapp {
        return;
    }
    let now = app.clock.now();
    if let Err(error) = app.db.hearing_expect(&channel.portal, &channel.id, now.after(FIRST_AFTER), now).await {
        tracing::error!(channel = %channel.id, %error, "a channel could not be compared with its core");
    }
}

/// Begins the looks that are due.
pub async fn begin_due(app: &App) {
    if let Err(error) = app.db.hearing_begin_due(AT_ONCE, EVERY, app.clock.now()).await {
        tracing::error!(%error, "channels could not be compared with their cores");
    }
}

/// Compares a channel, or goes on with it.
pub async fn deliver(app: &App, delivery: &Delivery) -> Result<Settled, Failure> {
    let portal = &delivery.portal;
    let look: Look = payload(delivery)?;
    let channel = app.db.channel_get(portal, &look.channel).await.map_err(db_failure)?;
    let bindings = app.db.bindings_of(portal, &look.channel).await.map_err(db_failure)?;
    // Who is asked for what he has needs no address of ours.
    let channel = channel.filter(|channel| channel.intake != Intake::Polling);
    let connected_at = bindings.iter().map(|binding| binding.created_at).min();
    let (Some(channel), Some(connected_at)) = (channel, connected_at) else {
        app.db.hearing_end(portal, &look.channel).await.map_err(db_failure)?;
        return Ok(Settled::done());
    };
    let is_off = bindings.iter().all(|binding| binding.state == BindingState::Off);
    if is_off || channel.state == ChannelState::Gone {
        return Ok(Settled::done());
    }
    if channel.core == CoreKind::Embedded {
        let looked = keep_listening(app, &channel).await;
        return settled(app, &channel, looked).await;
    }
    let access = app.db.channel_access(&channel).map_err(db_failure)?;
    let walk = if let Some(walk) = look.walk { walk } else { begin(app, &channel, connected_at).await? };
    // No gate: an account that does not show its history is none whose messages have to wait.
    match go_on(app, (&channel, &access), walk).await {
        Ok(Some(walk)) => {
            back(app, &channel).await;
            let look = Look { channel: channel.id.clone(), walk: Some(walk) };
            let next = NewDelivery::new(Lane::Hearing(channel.id), DeliveryKind::Hearing, app.clock.now());
            Ok(Settled { follow: vec![next.payload(&look)], ..Settled::done() })
        }
        looked => settled(app, &channel, looked.map(drop)).await,
    }
}

/// A failure that repeating would not change is over: the next look is in an hour. Only a dead login tells that the channel is dead:
/// what else is refused here may be allowed to messages.
async fn settled(app: &App, channel: &Channel, looked: Result<(), Failure>) -> Result<Settled, Failure> {
    let Err(failure) = looked else {
        back(app, channel).await;
        return Ok(Settled::done());
    };
    if !matches!(failure.retry, Retry::Never | Retry::WhenChannelReturns) {
        return Err(failure);
    }
    tracing::info!(channel = %channel.id, cause = failure.cause, "a channel could not be compared with its core");
    if channel.core == CoreKind::Embedded || !has_login(app, channel).await {
        note_channel(app, channel, failure).await;
    }
    Ok(Settled::done())
}

/// Since when it looks: nothing is brought that is older than a day or than the connection.
async fn begin(app: &App, channel: &Channel, connected_at: Millis) -> Result<Walk, Failure> {
    let now = app.clock.now();
    let complete = app.db.hearing_complete_to(&channel.portal, &channel.id).await.map_err(db_failure)?;
    let since = complete.unwrap_or(Millis(0)).before(OVERLAP).max(now.before(STALE)).max(connected_at);
    // ChatApp dates by the second.
    let since = Millis::from_seconds(since.seconds());
    Ok(Walk { began: now.0, since: since.0, peers: Vec::new(), next: None, seen: 0, quiet: 0 })
}

/// Reads a few conversations; None: that was all.
async fn go_on(app: &App, (channel, access): (&Channel, &ChannelRef), mut walk: Walk) -> Result<Option<Walk>, Failure> {
    let begins = walk.seen == 0 && walk.peers.is_empty();
    if begins {
        keep_listening(app, channel).await?;
    }
    if walk.peers.is_empty() && (begins || walk.next.is_some()) {
        let page = app.chatapp.conversations(access, walk.next.take()).await?;
        // A page without conversations is the last one, whatever it says.
        walk.next = page.next.filter(|_more| !page.peers.is_empty());
        walk.peers = page.peers;
    }
    let some = walk.peers.len().min(A_TIME);
    for peer in walk.peers.drain(..some).collect::<Vec<_>>() {
        let heard = app.chatapp.unheard(access, &peer, Millis(walk.since)).await?;
        walk.seen += 1;
        walk.quiet = if heard.items.is_empty() { walk.quiet + 1 } else { 0 };
        accept(app, channel, heard).await.map_err(db_failure)?;
        if walk.quiet >= QUIET {
            break;
        }
    }
    let is_over = walk.peers.is_empty() && walk.next.is_none();
    if walk.quiet < QUIET && walk.seen < MOST && !is_over {
        return Ok(Some(walk));
    }
    if walk.seen >= MOST {
        tracing::warn!(channel = %channel.id, conversations = walk.seen, "not every conversation was compared: there are too many");
    }
    app.db.hearing_completed(&channel.portal, &channel.id, Millis(walk.began)).await.map_err(db_failure)?;
    Ok(None)
}

/// Puts what was found into the inbox, as its webhooks would have.
async fn accept(app: &App, channel: &Channel, heard: Heard) -> Result<(), DbError> {
    if !heard.whole {
        tracing::warn!(channel = %channel.id, "a conversation is longer than could be read: its newest messages were compared");
    }
    if heard.items.is_empty() {
        return Ok(());
    }
    let items = heard.items.into_iter().map(|item| NewInbox {
        source: Source::Channel(channel.id.clone()),
        key: item.key,
        body: item.body.to_string(),
    });
    let accepted = app.db.inbox_accept(&channel.portal, items.collect(), app.clock.now()).await?;
    let count = accepted.iter().filter(|what| **what == Accepted::Stored).count();
    if count > 0 {
        tracing::warn!(portal = %channel.portal, channel = %channel.id, count, "messages were found whose webhooks were lost");
        heard_from(app, channel).await;
        app.bell.ring();
    }
    Ok(())
}

/// Has a core that has forgotten our address told it again.
async fn keep_listening(app: &App, channel: &Channel) -> Result<(), Failure> {
    if let Err(error) = accounts::keep_listening(app, channel).await? {
        tracing::error!(channel = %channel.id, %error, "a webhook could not be registered again");
    }
    Ok(())
}
