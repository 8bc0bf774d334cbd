//! Channels whose core must be asked for updates. Each is asked by one task that stores what comes and only then asks for what
//! follows, so a crash repeats an update (recognised by its key) and loses none.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{sync::watch, task::JoinHandle, time::sleep};

use super::note_channel;
use crate::{
    app::App,
    clock::Millis,
    db::{Channel, DbError, NewInbox, Source},
    domain::{
        failure::{Failure, Retry},
        ids::ChannelId,
    },
};

/// How often the list of polled channels is read.
const ROUND: Duration = Duration::from_secs(2);
/// How long one request may wait for news (Telegram caps it at 50 s).
const LONG_POLL: Duration = Duration::from_secs(25);
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// Keeps one asking task for every channel that needs one, until told to stop.
pub async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let mut tasks = Tasks::new();
    while !*stop.borrow() {
        match app.db.channel_polled(app.node.id(), app.node.takes()).await {
            Ok(channels) => follow(&app, &mut tasks, channels),
            Err(error) => tracing::error!(%error, "the polled channels could not be read"),
        }
        tokio::select! {
            () = sleep(ROUND) => {}
            _changed = stop.changed() => {}
        }
    }
    for task in tasks.into_values() {
        task.abort();
    }
}

/// A channel whose credentials have changed is asked anew, with the new ones.
type Tasks = HashMap<(ChannelId, Millis), JoinHandle<()>>;

fn key_of(channel: &Channel) -> (ChannelId, Millis) {
    (channel.id.clone(), channel.changed_at)
}

fn follow(app: &Arc<App>, tasks: &mut Tasks, channels: Vec<Channel>) {
    tasks.retain(|key, task| {
        let wanted = channels.iter().any(|channel| key_of(channel) == *key);
        if !wanted {
            task.abort();
        }
        wanted && !task.is_finished()
    });
    for channel in channels {
        tasks.entry(key_of(&channel)).or_insert_with(|| tokio::spawn(ask_on(Arc::clone(app), channel)));
    }
}

/// Asks until the channel cannot be asked any more.
async fn ask_on(app: Arc<App>, channel: Channel) {
    let mut offset = channel.poll_offset;
    loop {
        match ask(&app, &channel, offset).await {
            Ok(next) => offset = next,
            Err(Asked::Core(failure)) => {
                tracing::warn!(channel = %channel.id, cause = failure.cause, "updates could not be fetched");
                let wait = match failure.retry {
                    Retry::After(wait) => wait,
                    _other => AFTER_FAILURE,
                };
                let dead = failure.retry == Retry::WhenChannelReturns;
                note_channel(&app, &channel, failure).await;
                if dead {
                    return;
                }
                sleep(wait).await;
            }
            Err(Asked::Db(error)) => {
                tracing::error!(channel = %channel.id, %error, "updates could not be stored");
                sleep(AFTER_FAILURE).await;
            }
        }
    }
}

enum Asked {
    Core(Failure),
    Db(DbError),
}

impl From<DbError> for Asked {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

async fn ask(app: &App, channel: &Channel, offset: i64) -> Result<i64, Asked> {
    let access = app.db.channel_access(channel)?;
    let updates = app.embedded.telegram_bot().poll(&access, offset, LONG_POLL).await.map_err(Asked::Core)?;
    let Some(last) = updates.iter().map(|update| update.update_id).max() else { return Ok(offset) };
    let items = updates
        .into_iter()
        .map(|update| NewInbox {
            source: Source::Channel(channel.id.clone()),
            key: update.item.key,
            body: update.item.body.to_string(),
        })
        .collect();
    app.db.inbox_accept(&channel.portal, items, app.clock.now()).await?;
    app.db.channel_set_offset(&channel.portal, &channel.id, last + 1).await?;
    app.bell.ring();
    Ok(last + 1)
}
