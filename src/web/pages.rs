//! Frames being opened. Everything in the post passed through a browser: who it is, is proved first; which portal's page it is, comes
//! from the store; and only then something of the portal is shown.

use std::net::IpAddr;

use actix_web::{HttpRequest, HttpResponse, web};
use placements::{Opening, Options, Refusal};
use templates::Problem;

use super::{
    answer::{Failed, admin_only, frame, lang_of, neutral},
    body::Body,
    caller::address,
    events,
    session::{Page, Session},
    views,
};
use crate::{
    app::App,
    b24::{
        form::{self, Limits},
        incoming::FramePost,
    },
    config::Application,
    db::{Installation, InstallationState, Portal, PortalState},
    domain::connector::Connector,
    relay::{
        card::{Card, Right},
        grant, parking,
        proof::{self, Offer, User},
        provision,
    },
};

type Shared = web::Data<App>;
/// A frame's post, and from where it came.
type Posted<'a> = (&'a FramePost, Option<IpAddr>);

pub async fn look(app: Shared) -> HttpResponse {
    neutral(&app)
}

pub async fn install(app: Shared, request: HttpRequest, body: Body) -> HttpResponse {
    install_by(&app, "", &request, &body.0).await
}

pub async fn install_of(app: Shared, key: web::Path<String>, request: HttpRequest, body: Body) -> HttpResponse {
    install_by(&app, &key, &request, &body.0).await
}

/// The installation page, or `ONAPPINSTALL` of an application without a page: they share the address.
async fn install_by(app: &App, key: &str, request: &HttpRequest, body: &[u8]) -> HttpResponse {
    match read(request, body) {
        Ok(post) => {
            let lang = lang_of(post.lang.as_deref());
            match install_page(app, key, (&post, address(app, request)), lang).await {
                Ok(page) => page,
                Err(failed) => failed.page(app, None, lang),
            }
        }
        Err(_no_frame) => events::take(app, key, request, body).await,
    }
}

async fn install_page(app: &App, key: &str, post: Posted<'_>, lang: &str) -> Result<HttpResponse, Failed> {
    let application = app.config.application_by_key(key).ok_or(Problem::NotVerified)?;
    let (installation, user, portal) = install_by_frame(app, application, post, lang).await?;
    let session = Session::new(&installation, &user, lang, Page::Install, app.clock.now());
    provision::begin(app, &portal.id, installation.id).await?;
    let view = views::install(app, &installation, &portal).await?;
    frame(app, &portal, &session, |document| templates::install::page(document, &view))
}

/// Proves an administrator by the refresh token of his frame, and stores what was proved.
async fn install_by_frame(
    app: &App,
    application: &Application,
    (post, from): Posted<'_>,
    lang: &str,
) -> Result<(Installation, User, Portal), Failed> {
    let refresh = post.refresh_id.as_ref().ok_or(Problem::NotVerified)?;
    let server_endpoint = post.server_endpoint.as_deref();
    let offer = Offer { member_id: &post.member_id, refresh, server_endpoint, lang: Some(lang), from };
    let proved = proof::install(app, application, offer).await?;
    admin_only(&proved.user)?;
    let user = proved.user.clone();
    let installation = proof::accept(app, proved, &post.application_token).await?;
    let portal = app.db.portal_get(&installation.portal).await?.ok_or(Problem::Internal)?;
    Ok((installation, user, portal))
}

pub async fn app_page(app: Shared, request: HttpRequest, body: Body) -> HttpResponse {
    open(&app, "app", &request, &body.0).await
}

pub async fn placement(app: Shared, name: web::Path<String>, request: HttpRequest, body: Body) -> HttpResponse {
    if placements::find(&name).is_none() {
        return HttpResponse::NotFound().finish();
    }
    open(&app, &name, &request, &body.0).await
}

async fn open(app: &App, name: &str, request: &HttpRequest, body: &[u8]) -> HttpResponse {
    let Ok(post) = read(request, body) else { return Failed::from(Problem::NotVerified).page(app, None, "en") };
    let lang = lang_of(post.lang.as_deref());
    let opened = match enter(app, (&post, address(app, request)), lang).await {
        Ok(opened) => opened,
        Err(failed) => return failed.page(app, None, lang),
    };
    match show(app, name, &post, &opened).await {
        Ok(page) => page,
        // The portal is proved here, so the error may stand in its frame.
        Err(failed) => failed.page(app, Some(&opened.portal), lang),
    }
}

/// Somebody proved, in a portal that is known.
struct Opened {
    installation: Installation,
    portal: Portal,
    user: User,
    lang: &'static str,
}

async fn enter(app: &App, posted: Posted<'_>, lang: &'static str) -> Result<Opened, Failed> {
    let (post, from) = posted;
    let known = installation_of(app, post).await?;
    let Some((installation, application)) = known else {
        // An administrator who opens an application that we do not know (any more) installs it by that.
        let application = app.config.applications.first().ok_or(Problem::NotInstalled)?;
        let (installation, user, portal) = install_by_frame(app, application, posted, lang).await?;
        provision::begin(app, &portal.id, installation.id).await?;
        return Ok(Opened { installation, portal, user, lang });
    };
    let user = proof::user(app, &installation, post.auth_id.as_ref(), from).await?;
    let works = grant::works(&app.db, &installation).await?;
    let portal = app.db.portal_get(&installation.portal).await?.ok_or(Problem::NotInstalled)?;
    let parked = portal.state == PortalState::Parked;
    // An administrator gives a new grant by opening any of our pages, when ours has died or is of no use.
    if (!works || parked) && user.admin && post.refresh_id.is_some() {
        let (installation, user, portal) = install_by_frame(app, application, posted, lang).await?;
        provision::begin(app, &portal.id, installation.id).await?;
        return Ok(Opened { installation, portal, user, lang });
    }
    if works && parked {
        parking::resume(app, &portal.id).await?;
    }
    Ok(Opened { installation, portal, user, lang })
}

/// Which of the portal's installations a frame belongs to: the one whose application token it carries (a hint is enough, the user
/// is proved next), else one that works, else any.
async fn installation_of<'a>(
    app: &'a App,
    post: &FramePost,
) -> Result<Option<(Installation, &'a Application)>, Failed> {
    let mut found: Option<(u8, (Installation, &Application))> = None;
    for application in &app.config.applications {
        let Some(known) = app.db.installation_find(&post.member_id, &application.client_id).await? else { continue };
        let token = app.db.installation_token(&known)?;
        let own = token.is_some_and(|token| token.matches(post.application_token.expose()));
        let rank = if own { 2 } else { u8::from(known.state != InstallationState::Stopped) };
        if found.as_ref().is_none_or(|(best, _)| *best < rank) {
            found = Some((rank, (known, application)));
        }
    }
    Ok(found.map(|(_rank, found)| found))
}

async fn show(app: &App, name: &str, post: &FramePost, opened: &Opened) -> Result<HttpResponse, Failed> {
    let placement = placements::find(name).ok_or(Problem::UnknownPlacement)?;
    let options = serde_json::to_string(&post.options).unwrap_or_default();
    let options = Options::parse(&post.placement, Some(&options));
    match (placement.open)(&options).map_err(refusal)? {
        Opening::App | Opening::Install { .. } => app_frame(app, opened).await,
        Opening::Connector(setup) => {
            let connector = Connector::from_id(&setup.connector.id).ok_or(Problem::UnknownConnector)?;
            let line = i64::try_from(setup.line).map_err(|_too_large| Problem::LineMissing)?;
            let viewer = (opened.user.admin, opened.lang);
            let view = views::connector(app, &opened.installation, (connector, line), viewer).await?;
            let session = opened.session(app, Page::Connector { connector, line });
            frame(app, &opened.portal, &session, |document| templates::connector::page(document, &view))
        }
        Opening::Card(card) => {
            let token = post.auth_id.as_ref().ok_or(Problem::NotVerified)?;
            let id = i64::try_from(card.id).map_err(|_too_large| Problem::CardUnsaved)?;
            let card = Card { entity_type_id: i64::from(card.entity.type_id()), id };
            let view = views::card(app, &opened.installation, Right::User(token), card).await?;
            let session = opened.session(app, Page::Card { entity_type_id: card.entity_type_id, id });
            frame(app, &opened.portal, &session, |document| templates::crm_chat::page(document, &view))
        }
    }
}

impl Opened {
    fn session(&self, app: &App, page: Page) -> Session {
        Session::new(&self.installation, &self.user, self.lang, page, app.clock.now())
    }
}

async fn app_frame(app: &App, opened: &Opened) -> Result<HttpResponse, Failed> {
    let view = views::app(app, &opened.installation, opened.user.admin).await?;
    let session = opened.session(app, Page::App);
    frame(app, &opened.portal, &session, |document| templates::app::page(document, &view))
}

fn refusal(refusal: Refusal) -> Failed {
    match refusal {
        Refusal::WrongCode => Problem::UnknownPlacement,
        Refusal::NoCard => Problem::CardUnsaved,
        Refusal::UnknownConnector => Problem::UnknownConnector,
        Refusal::NoLine => Problem::LineMissing,
    }
    .into()
}

/// The post as a frame's; an event has no `PLACEMENT` and no `AUTH_ID`.
fn read(request: &HttpRequest, body: &[u8]) -> Result<FramePost, ()> {
    let limits = Limits::default();
    let query = form::parse(request.query_string().as_bytes(), &limits).map_err(|_limits| ())?;
    let body = form::parse(body, &limits).map_err(|_limits| ())?;
    if body.get(&["event"]).is_some() {
        return Err(());
    }
    FramePost::from_form(&query, &body).map_err(|_malformed| ())
}
