//! What a ChatApp login may use: licenses with their messengers, and until when they are paid. Read when somebody logs in or asks for it, and
//! twice a day by itself. New channels appear, those that ChatApp does not list any more are marked, and administrators are told in time
//! that a paid period ends. When one that was over is extended, what waits for its channels goes on.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;

use super::{accounts::AccountError, db_failure, notices::Notice, payload};
use crate::{
    app::App,
    clock::Millis,
    db::{Channel, ChannelState, Delivery, NewChannel, NewLogin, Settled},
    domain::{
        connector::Connector,
        failure::{Failure, Retry, Told},
        ids::{ChannelId, LoginId, PortalId},
    },
    messaging::{
        CoreKind, Credentials,
        chatapp::{Account, License, Messenger},
    },
    secret::random_id,
};

/// Short enough to leave room for a peer in an external chat id, long enough to be no other's.
pub(super) const CHANNEL_ID_LENGTH: usize = 8;
/// Twice a day, so that the last day is noticed while it is still one.
const EVERY: Duration = Duration::from_hours(12);
/// Readings begun at once, every few seconds.
const AT_ONCE: i64 = 16;
/// Two readings that something else than time asked for are so far apart at least.
const SOON: Duration = Duration::from_mins(5);
const DAY: Duration = Duration::from_hours(24);
/// So many days before a paid period ends administrators are told.
const WARNINGS: [u64; 4] = [1, 3, 7, 14];

/// What a delivery carries.
#[derive(Deserialize)]
struct Reading {
    login: i64,
}

/// Who wants to know.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// Somebody who may have repaired what was wrong.
    Person,
    Itself,
}

/// Checks a ChatApp login and takes over the channels of its licenses. The password is kept only if its owner consents.
pub async fn add(
    app: &App,
    portal: &PortalId,
    credentials: Credentials,
    keeps_password: bool,
) -> Result<(), AccountError> {
    let tokens = app.chatapp.login(&credentials).await?.tokens;
    let now = app.clock.now();
    let Credentials { email, password, app_id } = credentials;
    let password = keeps_password.then_some(password);
    let new = NewLogin { email, app_id, tokens, password, look_at: now.after(EVERY) };
    let login = app.db.login_put(portal, new, now).await?;
    take_over(app, portal, (login, By::Person)).await?;
    go_on(app, portal).await
}

/// Reads again what the portal's logins may use. Every login is tried; the first failure is told.
pub async fn refresh(app: &App, portal: &PortalId) -> Result<(), AccountError> {
    let mut failed = None;
    for login in app.db.login_list(portal).await? {
        if let Err(failure) = take_over(app, portal, (login.id, By::Person)).await {
            failed.get_or_insert(failure);
        }
    }
    go_on(app, portal).await?;
    failed.map_or(Ok(()), |failure| Err(failure.into()))
}

/// What waits for the portal's channels is tried again.
async fn go_on(app: &App, portal: &PortalId) -> Result<(), AccountError> {
    app.db.delivery_resume(portal, app.clock.now()).await?;
    app.bell.ring();
    Ok(())
}

/// Reads a channel's licenses now, unless that has just been done: something tells that they are paid again.
pub(super) async fn soon(app: &App, channel: &Channel) {
    let (Some(login), now) = (channel.login, app.clock.now()) else { return };
    let lately = now.after(EVERY).before(SOON);
    if let Err(error) = app.db.login_look_now(&channel.portal, login, lately, now).await {
        tracing::error!(channel = %channel.id, %error, "it could not be noted that licenses are to be read");
    }
}

/// Begins the readings that are due.
pub async fn begin_due(app: &App) {
    if let Err(error) = app.db.login_begin_due(AT_ONCE, EVERY, app.clock.now()).await {
        tracing::error!(%error, "licenses could not be read");
    }
}

/// Reads what one login may use.
pub async fn deliver(app: &App, delivery: &Delivery) -> Result<Settled, Failure> {
    let portal = &delivery.portal;
    let reading: Reading = payload(delivery)?;
    match take_over(app, portal, (LoginId(reading.login), By::Itself)).await {
        Ok(revived) => {
            if revived {
                app.db.delivery_resume(portal, app.clock.now()).await.map_err(db_failure)?;
                app.bell.ring();
            }
            Ok(Settled::done())
        }
        Err(failure) if matches!(failure.retry, Retry::Never | Retry::WhenChannelReturns) => {
            tracing::info!(%portal, login = reading.login, cause = failure.cause, "licenses could not be read");
            Ok(Settled::done())
        }
        Err(failure) => Err(failure),
    }
}

/// Brings the channels of a login in step with its licenses. True when one that was over is paid again.
async fn take_over(app: &App, portal: &PortalId, (login, by): (LoginId, By)) -> Result<bool, Failure> {
    let licenses = app.chatapp.licenses(login).await?;
    let known = app.db.channel_list(portal).await.map_err(db_failure)?;
    let mut listed = Vec::new();
    let mut revived = false;
    for license in &licenses {
        for messenger in &license.messengers {
            let Some(connector) = messenger.connector else { continue };
            let account = messenger.account.to_string();
            let before = known.iter().find(|channel| {
                channel.core == CoreKind::Chatapp && channel.connector == connector && channel.account == account
            });
            listed.push(account);
            let state = state_now(before, license, by);
            revived |= before.is_some_and(|before| before.state != ChannelState::Alive) && state == ChannelState::Alive;
            put(app, portal, (license, messenger, connector), (login, before, state)).await?;
        }
    }
    // An account without anything is more likely a mistake of ChatApp's than the end of everything.
    if !listed.is_empty() {
        let gone = known.iter().filter(|channel| channel.login == Some(login) && !listed.contains(&channel.account));
        for channel in gone.filter(|channel| channel.state != ChannelState::Gone) {
            mark_gone(app, channel).await?;
        }
    }
    warn(app, portal, login).await?;
    Ok(revived)
}

/// A channel that was given up is not tried again by itself, unless its license has been extended.
fn state_now(before: Option<&Channel>, license: &License, by: By) -> ChannelState {
    let extended = |before: &Channel| license.until > before.valid_until;
    match before {
        Some(before) if by == By::Itself && before.state == ChannelState::Dead && !extended(before) => {
            ChannelState::Dead
        }
        _other => ChannelState::Alive,
    }
}

async fn put(
    app: &App,
    portal: &PortalId,
    (license, messenger, connector): (&License, &Messenger, Connector),
    (login, before, state): (LoginId, Option<&Channel>, ChannelState),
) -> Result<(), Failure> {
    let new = NewChannel {
        id: ChannelId(random_id(CHANNEL_ID_LENGTH).map_err(Failure::transient)?),
        core: CoreKind::Chatapp,
        connector,
        account: messenger.account.to_string(),
        title: if license.name.is_empty() { format!("№ {}", license.id) } else { license.name.clone() },
        own_name: Some(messenger.name.clone()).filter(|name| !name.is_empty()),
        link: None,
        login: Some(login),
        valid_until: license.until,
        secret: None,
        state,
    };
    let is_same = before.is_some_and(|before| {
        (&before.title, &before.own_name, before.login, before.valid_until, before.state)
            == (&new.title, &new.own_name, new.login, new.valid_until, new.state)
    });
    if !is_same {
        app.db.channel_put(portal, new, app.clock.now()).await.map_err(db_failure)?;
    }
    Ok(())
}

/// ChatApp does not list a channel any more. Its chats stay, and its administrators are told if it was in use.
async fn mark_gone(app: &App, channel: &Channel) -> Result<(), Failure> {
    let (portal, now) = (&channel.portal, app.clock.now());
    app.db.channel_set_state(portal, &channel.id, ChannelState::Gone, now).await.map_err(db_failure)?;
    let bound = app.db.bindings_of(portal, &channel.id).await.map_err(db_failure)?;
    if !bound.is_empty() && channel.state == ChannelState::Alive {
        tracing::warn!(%portal, channel = %channel.id, "ChatApp does not list a connected channel any more");
        let notice = Notice::channel_died(&channel.id, Told::ChannelDisconnected).delivery(portal, now);
        app.db.delivery_add(portal, notice, now).await.map_err(db_failure)?;
        app.bell.ring();
    }
    Ok(())
}

/// Tells that paid periods end, or are over, of licenses whose channels are in use: once for each of [`WARNINGS`].
async fn warn(app: &App, portal: &PortalId, login: LoginId) -> Result<(), Failure> {
    let now = app.clock.now();
    let bindings = app.db.binding_list(portal).await.map_err(db_failure)?;
    let channels = app.db.channel_list(portal).await.map_err(db_failure)?;
    let used = channels
        .into_iter()
        .filter(|channel| channel.login == Some(login) && bindings.iter().any(|binding| binding.channel == channel.id));
    let mut ending: BTreeMap<i64, (Channel, Millis)> = BTreeMap::new();
    for channel in used {
        let Some((account, until)) = Account::parse(&channel.account).zip(channel.valid_until) else { continue };
        if until <= now {
            over(app, &channel, until).await?;
        } else {
            ending.entry(account.license).or_insert((channel, until));
        }
    }
    for (license, (channel, until)) in ending {
        let left = days_left(until, now);
        let Some(within) = WARNINGS.into_iter().find(|days| left <= *days) else { continue };
        let notice = Notice::LicenseEnds { channel: channel.id, license, until: until.0, within };
        let told = app.db.delivery_newest_in(portal, notice.lane(portal), 1).await.map_err(db_failure)?;
        if told.is_empty() {
            app.db.delivery_add(portal, notice.delivery(portal, now), now).await.map_err(db_failure)?;
            app.bell.ring();
        }
    }
    Ok(())
}

/// A channel in use whose paid period is over is given up, once: if ChatApp goes on serving it all the same, so do we.
async fn over(app: &App, channel: &Channel, until: Millis) -> Result<(), Failure> {
    let (portal, now) = (&channel.portal, app.clock.now());
    let notice = Notice::channel_died(&channel.id, Told::LicenseExpired);
    let told = app.db.delivery_newest_in(portal, notice.lane(portal), 1).await.map_err(db_failure)?;
    if channel.state == ChannelState::Alive && told.iter().all(|earlier| earlier.created_at < until) {
        let notice = notice.delivery(portal, now);
        app.db.channel_mark_dead(portal, channel, notice, now).await.map_err(db_failure)?;
        app.bell.ring();
    }
    Ok(())
}

/// Begun days count.
pub(super) fn days_left(until: Millis, now: Millis) -> u64 {
    until.wait_from(now).as_millis().div_ceil(DAY.as_millis()).try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_begun_day_is_a_day() {
        let now = Millis(1_000);
        assert_eq!(days_left(now, now), 0);
        assert_eq!(days_left(now.after(Duration::from_secs(1)), now), 1);
        assert_eq!(days_left(now.after(DAY), now), 1);
        assert_eq!(days_left(now.after(DAY * 14), now), 14);
        assert_eq!(days_left(Millis(0), now), 0, "long over");
    }
}
