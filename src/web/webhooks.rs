//! What cores and messengers send. The secret is in the path (ChatApp signs nothing) or in the messenger's own header; every item of a
//! body is an inbox row of its own, and all of them are durable before the 200.

use actix_web::{HttpRequest, HttpResponse, web};

use super::{
    body::Body,
    caller::address,
    events::{done, forbidden, unavailable},
};
use crate::{
    app::App,
    db::{Channel, NewInbox, Source},
    domain::ids::ChannelId,
    messaging::CoreKind,
    relay::heard_from,
};

/// Telegram repeats the secret of `setWebhook` in it.
const TELEGRAM_SECRET: &str = "X-Telegram-Bot-Api-Secret-Token";

type Shared = web::Data<App>;

pub async fn chatapp(app: Shared, path: web::Path<(String, String)>, request: HttpRequest, body: Body) -> HttpResponse {
    let (channel, secret) = path.into_inner();
    take(&app, &request, (None, &channel, &secret), (CoreKind::Chatapp, &body.0)).await
}

pub async fn messenger(
    app: Shared,
    path: web::Path<(String, String, String)>,
    request: HttpRequest,
    body: Body,
) -> HttpResponse {
    let (kind, channel, secret) = path.into_inner();
    let header = request.headers().get(TELEGRAM_SECRET).and_then(|value| value.to_str().ok());
    if kind == "telegram_bot" && header != Some(secret.as_str()) {
        return forbidden("the messenger's secret header is missing or wrong", address(&app, &request));
    }
    take(&app, &request, (Some(&kind), &channel, &secret), (CoreKind::Embedded, &body.0)).await
}

/// `kind`: the connector that the path names, where it does.
async fn take(
    app: &App,
    request: &HttpRequest,
    (kind, channel, secret): (Option<&str>, &str, &str),
    (core, body): (CoreKind, &[u8]),
) -> HttpResponse {
    let channel = match known(app, channel).await {
        Ok(channel) => channel.filter(|channel| {
            let ours = kind.is_none_or(|kind| kind == channel.connector.short());
            ours && channel.core == core && channel.webhook_matches(secret)
        }),
        Err(error) => return unavailable(&error),
    };
    let from = address(app, request);
    let Some(channel) = channel else { return forbidden("a webhook of no channel, or with a wrong secret", from) };
    // ChatApp tries the address with an empty post while it registers it.
    if body.iter().all(u8::is_ascii_whitespace) {
        return done();
    }
    let items = match app.core(core).split(body) {
        Ok(items) => items,
        Err(malformed) => {
            tracing::warn!(channel = %channel.id, %malformed, "a webhook's body was not understood");
            return HttpResponse::BadRequest().finish();
        }
    };
    let (own, foreign): (Vec<_>, Vec<_>) =
        items.into_iter().partition(|item| app.core(core).is_of(&item.body, &channel.account));
    if !foreign.is_empty() {
        tracing::warn!(channel = %channel.id, items = foreign.len(), "a webhook brought items of another account");
    }
    if own.is_empty() && !foreign.is_empty() {
        return forbidden("a webhook of another account", from);
    }
    let items: Vec<NewInbox> = own
        .into_iter()
        .map(|item| NewInbox {
            source: Source::Channel(channel.id.clone()),
            key: item.key,
            body: item.body.to_string(),
        })
        .collect();
    if items.is_empty() {
        return done();
    }
    match app.db.inbox_accept(&channel.portal, items, app.clock.now()).await {
        Ok(_stored_or_repeated) => {
            // The account works: whoever repaired it may have done so where we do not see it.
            heard_from(app, &channel).await;
            app.bell.ring();
            done()
        }
        Err(error) => unavailable(&error),
    }
}

async fn known(app: &App, id: &str) -> Result<Option<Channel>, crate::db::DbError> {
    match ChannelId::parse(id) {
        Some(id) => app.db.channel_any(&id).await,
        None => Ok(None),
    }
}
