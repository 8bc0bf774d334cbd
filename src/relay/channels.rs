//! Using a channel: what that tells of it and of its messenger is kept.

use super::{db_failure, licenses, notices, unheard};
use crate::{
    app::App,
    db::{Channel, ChannelState},
    domain::{
        failure::{Failure, Retry, Told},
        ids::{ChannelId, PortalId},
    },
};

/// The channel, or the failure that says that there is none any more.
pub(super) async fn channel_of(app: &App, portal: &PortalId, id: &ChannelId) -> Result<Channel, Failure> {
    app.db
        .channel_get(portal, id)
        .await
        .map_err(db_failure)?
        .ok_or_else(|| Failure::permanent(Told::ChannelDisconnected, "the channel is gone"))
}

/// Uses a channel, and keeps what that tells of it: one that was thought dead has worked, or one is dead.
pub(super) async fn through<T>(
    app: &App,
    channel: &Channel,
    using: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    match while_there(app, channel, using).await {
        Ok(done) => {
            revive(app, channel).await;
            Ok(done)
        }
        Err(failure) => Err(note_channel(app, channel, failure).await),
    }
}

/// Uses a channel, unless its messenger has been away for a while: then only one looks from time to time.
async fn while_there<T>(
    app: &App,
    channel: &Channel,
    using: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let closed = |failure: Failure, wait| failure.retry(Retry::Closed(wait));
    if let Err(wait) = app.gates.channel_passes(&channel.id, app.clock.now()) {
        return Err(closed(Failure::transient("the channel's messenger is away"), wait));
    }
    let failure = match using.await {
        Ok(done) => {
            back(app, channel).await;
            return Ok(done);
        }
        Err(failure) => failure,
    };
    if failure.told != Told::Unavailable {
        back(app, channel).await;
    } else if failure.retry == Retry::Backoff
        && let Some(wait) = app.gates.channel_failed(&channel.id, app.clock.now())
    {
        return Err(closed(failure, wait));
    }
    Err(failure)
}

/// A channel's messenger has answered. If it had been away, what waits for it goes on.
pub(super) async fn back(app: &App, channel: &Channel) {
    if !app.gates.channel_succeeded(&channel.id, app.clock.now()) {
        return;
    }
    match app.db.delivery_resume(&channel.portal, app.clock.now()).await {
        Ok(resumed) => tracing::info!(channel = %channel.id, resumed, "the channel's messenger answers again"),
        Err(error) => tracing::error!(channel = %channel.id, %error, "what waits for a channel could not be woken"),
    }
    // It may have told nobody what was written meanwhile.
    unheard::soon(app, channel).await;
    app.bell.ring();
}

/// Marks a channel dead when its core says so, so that its page tells the person what to do and the administrators read of it.
/// Credentials that were replaced since the channel was read are not judged by the old ones.
pub(super) async fn note_channel(app: &App, channel: &Channel, failure: Failure) -> Failure {
    if failure.retry == Retry::WhenChannelReturns {
        let now = app.clock.now();
        let notice = notices::Notice::channel_died(&channel.id, failure.told).delivery(&channel.portal, now);
        match app.db.channel_mark_dead(&channel.portal, channel, notice, now).await {
            Ok(died) if died => app.bell.ring(),
            Ok(_known) => {}
            Err(error) => tracing::error!(channel = %channel.id, %error, "a channel's state could not be written"),
        }
    }
    failure
}

/// A channel's account has spoken. If it was thought dead, it has been repaired where we do not see it (a phone connected again in
/// the core's own cabinet), unless it is our login or its paid period that is over.
pub async fn heard_from(app: &App, channel: &Channel) {
    if channel.state == ChannelState::Alive {
        return;
    }
    if channel.valid_until.is_some_and(|until| until < app.clock.now()) {
        // ChatApp would not tell of it, if it had not been paid.
        licenses::soon(app, channel).await;
        return;
    }
    if has_login(app, channel).await {
        revive(app, channel).await;
    }
}

/// False: the login by which the channel is used is dead.
pub(super) async fn has_login(app: &App, channel: &Channel) -> bool {
    match channel.login {
        Some(login) => app.db.login_any(login).await.is_ok_and(|login| login.is_some_and(|login| login.alive)),
        None => true,
    }
}

/// A channel that was thought dead has worked: what waits for it goes on.
async fn revive(app: &App, channel: &Channel) {
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
    unheard::soon(app, channel).await;
    app.bell.ring();
}
