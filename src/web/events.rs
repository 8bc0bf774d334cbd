//! What portals send: events, robot firings and text messages. A verified one is one inbox row and then a 200; Bitrix24 never sends it again. One
//! that cannot be verified gets an empty 403 and leaves nothing behind.

use std::net::IpAddr;

use actix_web::{HttpRequest, HttpResponse, web};

use super::{answer::lang_of, body::Body, caller::address};
use crate::{
    app::App,
    b24::{
        form::{self, Limits, Value},
        incoming::{Auth, EventPost, PortalEvent, RobotCall, SmsCall, kept_event, kept_firing},
    },
    clock::Millis,
    db::{DbError, Installation, InstallationState, NewInbox, Source},
    relay::{
        grant,
        proof::{self, Offer, Unproved},
    },
    secret::{constant_time_eq, fingerprint},
};

type Shared = web::Data<App>;

pub async fn events(app: Shared, request: HttpRequest, body: Body) -> HttpResponse {
    take(&app, "", &request, &body.0).await
}

pub async fn events_of(app: Shared, key: web::Path<String>, request: HttpRequest, body: Body) -> HttpResponse {
    take(&app, &key, &request, &body.0).await
}

/// One event of the application with this key.
pub async fn take(app: &App, key: &str, request: &HttpRequest, body: &[u8]) -> HttpResponse {
    let from = address(app, request);
    let Ok(form) = read(body) else { return forbidden("the body is not a form", from) };
    let Ok(post) = EventPost::from_form(&form) else { return forbidden("not an event", from) };
    let lang = form.text(&["data", "LANGUAGE_ID"]).map(|lang| lang_of(Some(lang)));
    let verified = match verify(app, key, &post, (lang, from)).await {
        Ok(verified) => verified,
        Err(Unproved::Db(error)) => return unavailable(&error),
        Err(unproved) => return forbidden(&unproved.to_string(), from),
    };
    let Some(installation) = verified else { return done() };
    let item = NewInbox {
        source: Source::Portal(installation.id),
        key: key_of(&post, &form, app.clock.now()),
        body: kept_event(&form),
    };
    accept(app, &installation, item).await
}

/// Whose event it is; None when it was the echo that confirms the token, which asks for nothing more.
async fn verify(
    app: &App,
    key: &str,
    post: &EventPost,
    claimed: (Option<&str>, Option<IpAddr>),
) -> Result<Option<Installation>, Unproved> {
    let application = app.config.application_by_key(key).ok_or(Unproved::Nothing)?;
    let known = app.db.installation_find(&post.auth.member_id, &application.client_id).await?;
    let known = match known {
        // Its token may be the same as before, so it proves nothing new: the tokens that come with the event do.
        Some(installation) if post.event == PortalEvent::Install && !grant::works(&app.db, &installation).await? => {
            None
        }
        // Nothing that a portal sends after an uninstall is its own.
        Some(installation) if installation.state == InstallationState::Stopped => None,
        other => other,
    };
    if let (PortalEvent::Test { query }, Some(installation)) = (&post.event, &known) {
        let echoed = query.get("nonce").is_some_and(|nonce| {
            installation.nonce.as_ref().is_some_and(|own| constant_time_eq(own.as_bytes(), nonce.as_bytes()))
        });
        if echoed && !post.auth.application_token.is_empty() {
            proof::token_confirmed(app, installation, &post.auth.application_token).await?;
            return Ok(None);
        }
    }
    if let Some(installation) = known
        && matches(app, &installation, &post.auth)?
    {
        return Ok(Some(installation));
    }
    if post.event == PortalEvent::Install {
        return install(app, application, &post.auth, claimed).await.map(Some);
    }
    Err(Unproved::Nothing)
}

fn matches(app: &App, installation: &Installation, auth: &Auth) -> Result<bool, DbError> {
    let token = app.db.installation_token(installation)?;
    Ok(token.is_some_and(|token| token.matches(auth.application_token.expose())))
}

/// An installation without a page: the event itself brings the tokens that prove it.
async fn install(
    app: &App,
    application: &crate::config::Application,
    auth: &Auth,
    (lang, from): (Option<&str>, Option<IpAddr>),
) -> Result<Installation, Unproved> {
    let refresh = auth.refresh.as_ref().ok_or(Unproved::Nothing)?;
    let offer =
        Offer { member_id: &auth.member_id, refresh, server_endpoint: auth.server_endpoint.as_deref(), lang, from };
    let proved = proof::install(app, application, offer).await?;
    if !proved.user.admin {
        return Err(Unproved::Nothing);
    }
    Ok(proof::accept(app, proved, &auth.application_token).await?)
}

pub async fn robots(app: Shared, code: web::Path<String>, request: HttpRequest, body: Body) -> HttpResponse {
    let from = address(&app, &request);
    let Ok(form) = read(&body.0) else { return forbidden("the body is not a form", from) };
    let Ok(call) = RobotCall::from_form(&form) else { return forbidden("not a robot's firing", from) };
    if robots::find(&call.code).is_none() || call.code != *code {
        return forbidden("a robot that is none of ours", from);
    }
    let installation = match caller(&app, &call.auth).await {
        Ok(installation) => installation,
        Err(Unproved::Db(error)) => return unavailable(&error),
        Err(unproved) => return forbidden(&unproved.to_string(), from),
    };
    let item = NewInbox {
        source: Source::Robot(installation.id),
        key: fingerprint(call.event_token.expose()),
        body: kept_firing(&form),
    };
    accept(&app, &installation, item).await
}

/// A text for a client's phone, of which one of our channels is the provider.
pub async fn sms(app: Shared, request: HttpRequest, body: Body) -> HttpResponse {
    let from = address(&app, &request);
    let Ok(form) = read(&body.0) else { return forbidden("the body is not a form", from) };
    let Ok(call) = SmsCall::from_form(&form) else { return forbidden("not a text message", from) };
    let installation = match caller(&app, &call.auth).await {
        Ok(installation) => installation,
        Err(Unproved::Db(error)) => return unavailable(&error),
        Err(unproved) => return forbidden(&unproved.to_string(), from),
    };
    let item = NewInbox { source: Source::Sms(installation.id), key: call.message_id, body: kept_firing(&form) };
    accept(&app, &installation, item).await
}

/// Firings and text messages name no application, so the token tells which of the portal's installations it is.
async fn caller(app: &App, auth: &Auth) -> Result<Installation, Unproved> {
    for application in &app.config.applications {
        let known = app.db.installation_find(&auth.member_id, &application.client_id).await?;
        if let Some(installation) = known.filter(|known| known.state != InstallationState::Stopped)
            && matches(app, &installation, auth)?
        {
            return Ok(installation);
        }
    }
    Err(Unproved::Nothing)
}

fn read(body: &[u8]) -> Result<Value, form::FormError> {
    let limits = Limits::default();
    if body.first() == Some(&b'{') { form::parse_json(body, &limits) } else { form::parse(body, &limits) }
}

/// The same event has the same key: messages by the portal's own numbers, the rest by what they say and when.
fn key_of(post: &EventPost, form: &Value, now: Millis) -> String {
    match &post.event {
        PortalEvent::MessageAdd(items) => items.key(),
        // Two changes of a second look the same, and looking once too often does no harm.
        PortalEvent::CardChanged { entity_type_id, id } => format!("{}:{entity_type_id}:{id}:{}", post.name, now.0),
        _other => {
            let data = form.get(&["data"]).and_then(|data| serde_json::to_string(data).ok()).unwrap_or_default();
            // Without its time an event cannot be told from the same one tomorrow.
            let at = post.sent_at.unwrap_or(now).seconds();
            format!("{}:{at}:{}", post.name, fingerprint(&data))
        }
    }
}

async fn accept(app: &App, installation: &Installation, item: NewInbox) -> HttpResponse {
    match app.db.inbox_accept(&installation.portal, vec![item], app.clock.now()).await {
        Ok(_stored_or_repeated) => {
            app.bell.ring();
            done()
        }
        Err(error) => unavailable(&error),
    }
}

pub fn done() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ok")
}

/// Nothing is told to somebody who cannot prove who he is; our log says why, and from where he came.
pub fn forbidden(why: &str, from: Option<IpAddr>) -> HttpResponse {
    tracing::warn!(why, from = from.map(tracing::field::display), "a request that could not be verified was refused");
    HttpResponse::Forbidden().finish()
}

pub fn unavailable(error: &DbError) -> HttpResponse {
    tracing::error!(%error, "a verified request could not be stored");
    HttpResponse::ServiceUnavailable().finish()
}
