//! A second chance. The red note of an operator's message that failed for good, or of which nobody knows, carries a link to a page
//! of ours; a button there has the failed parts sent again, under the keys that they had. It is offered once for each message. The
//! link is signed, names its portal, and is over after a day; whoever opens it is no more than somebody who has it.

use std::time::Duration;

use super::{db_failure, shown};
use crate::{
    app::App,
    clock::Millis,
    db::{DbError, DeadDelivery, DeliveryState, Message, MessageOrigin, MessageProgress, Part},
    domain::{
        failure::Failure,
        ids::{MessageId, PortalId},
    },
    secret::{Purpose, SealError},
};

const LIFETIME: Duration = Duration::from_hours(24);

/// What the page shows.
pub struct Offer {
    pub lang: String,
    pub state: Standing,
}

pub enum Standing {
    Open {
        /// What will be sent, without its markup.
        text: String,
        files: Vec<String>,
        /// Nobody knows whether the client has it already.
        doubtful: bool,
    },
    /// Somebody has taken the offer: how far it has come since.
    Taken(MessageProgress),
}

/// What a person may have sent again of a message that failed; nothing a second time.
async fn left(app: &App, portal: &PortalId, message: &Message) -> Result<Vec<DeadDelivery>, DbError> {
    let from_line = matches!(message.origin, MessageOrigin::Operator | MessageOrigin::Automatic);
    if !from_line || message.retried_at.is_some() {
        return Ok(Vec::new());
    }
    app.db.dead_of_message(portal, message.id).await
}

/// The link that belongs into the note of a message's failure, if it may be sent again.
pub async fn link_for(app: &App, portal: &PortalId, message: &Message) -> Result<Option<String>, Failure> {
    if left(app, portal, message).await.map_err(db_failure)?.is_empty() {
        return Ok(None);
    }
    link(app, portal, message.id).map(Some).map_err(Failure::transient)
}

/// `<portal>.<message>.<valid until, seconds>.<signature>` behind our own address.
fn link(app: &App, portal: &PortalId, message: MessageId) -> Result<String, SealError> {
    let until = app.clock.now().after(LIFETIME);
    let token = app.keys.sign(Purpose::Retry, &format!("{portal}.{message}.{}", until.seconds()))?;
    Ok(app.config.own_url(&format!("/retry/{token}")))
}

/// Which message a link of ours names, if it is not over.
fn named(app: &App, token: &str) -> Option<(PortalId, MessageId)> {
    let mut fields = app.keys.signed(Purpose::Retry, token)?.split('.');
    let portal = PortalId::parse(fields.next()?)?;
    let message = MessageId(fields.next()?.parse().ok()?);
    let until = Millis::from_seconds(fields.next()?.parse().ok()?);
    (app.clock.now() < until).then_some((portal, message))
}

/// What a link leads to; None: to nothing, or not any more.
pub async fn offer(app: &App, token: &str) -> Result<Option<Offer>, DbError> {
    let Some((portal, id)) = named(app, token) else { return Ok(None) };
    let Some((message, parts)) = app.db.message_get(&portal, id).await? else { return Ok(None) };
    let Some(lang) = app.db.portal_get(&portal).await?.map(|portal| portal.lang) else { return Ok(None) };
    let left = left(app, &portal, &message).await?;
    if left.is_empty() {
        return Ok(Some(Offer { lang, state: Standing::Taken(message.progress) }));
    }
    let doubtful = left.iter().any(|delivery| delivery.state == DeliveryState::Unknown);
    // What the messenger has already is not sent again, unless it failed with all of it.
    let (mut parts, others): (Vec<Part>, Vec<Part>) = parts.into_iter().partition(|part| part.core_id.is_none());
    if parts.is_empty() {
        parts = others;
    }
    let text = text(app, &portal, &message, &parts).await?;
    let mut files = Vec::new();
    for media in parts.iter().filter_map(|part| part.media) {
        files.extend(app.db.media_get(&portal, media).await?.map(|media| media.name));
    }
    Ok(Some(Offer { lang, state: Standing::Open { text, files, doubtful } }))
}

async fn text(app: &App, portal: &PortalId, message: &Message, parts: &[Part]) -> Result<String, DbError> {
    let Some(view) = app.db.chat_get(portal, message.chat).await? else { return Ok(String::new()) };
    let Some(channel) = app.db.channel_get(portal, &view.chat.channel()).await? else { return Ok(String::new()) };
    let binding = app.db.binding_of_chat(portal, &view.chat).await?;
    let is_signed = binding.is_some_and(|binding| binding.shows_name());
    let markup = app.core(channel.core).capabilities(channel.connector).markup;
    Ok(shown::plain(parts, message.origin, (markup, is_signed)))
}

/// Takes the offer; None: there is nothing behind the link. Taking it twice is the same as once.
pub async fn take(app: &App, token: &str) -> Result<Option<()>, DbError> {
    let Some((portal, message)) = named(app, token) else { return Ok(None) };
    if app.db.dead_retry(&portal, message, app.clock.now()).await? {
        tracing::info!(%portal, %message, "an operator has a failed message sent again");
        app.bell.ring();
    }
    Ok(Some(()))
}
