//! Who is calling, proved.
//!
//! An installation is proved by refreshing the offered token with our client secret: the OAuth server's answer names the portal,
//! its endpoint and the token's owner, and nothing else does. A frame's user is proved by asking the *stored* endpoint with the
//! token that the browser posted. What a page says about itself is never believed.

use std::net::IpAddr;

use url::Url;

use super::grant::{client_key, domain_of, grant_of, moved};
use crate::{
    app::App,
    b24::{
        client::Access,
        error::CallError,
        methods::{app::Profile, events::EventTest},
        oauth::{OAuthError, TokenSet},
    },
    config::Application,
    db::{DbError, Grant, Installation, InstallationState, Portal, PortalState},
    domain::ids::PortalId,
    relay::{grant, parking},
    secret::{Secret, random_token},
};

/// Why a caller is not believed.
#[derive(Debug, thiserror::Error)]
pub enum Unproved {
    /// No token was offered, or it is not one of the offered portal.
    #[error("nothing that proves the caller")]
    Nothing,
    /// His address has failed too often lately.
    #[error("too many failures from this address")]
    TooMany,
    #[error("the OAuth server refused: {0}")]
    OAuth(#[from] OAuthError),
    #[error("the portal refused: {0}")]
    Portal(#[from] CallError),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// A portal user, as the portal itself told.
#[derive(Clone, Debug)]
pub struct User {
    pub id: i64,
    pub admin: bool,
    pub name: String,
}

/// An installation that the OAuth server vouches for.
pub struct ProvedInstall {
    pub portal: Portal,
    pub user: User,
    scope: Vec<String>,
    grant: Grant,
    client_id: String,
}

/// What a caller offers as his proof.
pub struct Offer<'a> {
    /// Whose portal he says it is.
    pub member_id: &'a PortalId,
    pub refresh: &'a Secret,
    pub server_endpoint: Option<&'a str>,
    /// `ru` or `en`; None: as it was, English at first.
    pub lang: Option<&'a str>,
    /// From where he asks.
    pub from: Option<IpAddr>,
}

/// Proves an installation. The offered refresh token is used up by it.
pub async fn install(app: &App, application: &Application, offer: Offer<'_>) -> Result<ProvedInstall, Unproved> {
    let server = match offer.server_endpoint {
        Some(endpoint) => app.oauth.server_for(endpoint).ok_or(OAuthError::UnknownServer)?,
        None => app.oauth.servers().first().ok_or(OAuthError::UnknownServer)?,
    };
    limited(app, offer.from, async {
        let set = app.oauth.refresh(server, &client_key(application), offer.refresh).await?;
        proved(app, application, server, (set, offer.member_id, offer.lang)).await
    })
    .await
}

/// A proof that may be tried: not by an address that has failed too often, and one more failure if it fails.
async fn limited<T>(
    app: &App,
    from: Option<IpAddr>,
    proof: impl Future<Output = Result<T, Unproved>>,
) -> Result<T, Unproved> {
    if app.failures.is_over(from, app.clock.now()) {
        return Err(Unproved::TooMany);
    }
    let outcome = proof.await;
    let refused = match &outcome {
        Err(Unproved::Nothing) => true,
        Err(Unproved::OAuth(error)) => error.is_final(),
        Err(Unproved::Portal(error)) => error.is_expired_token() || error.is_right_lost(),
        _proved_or_silent => false,
    };
    if refused {
        app.failures.count(from, app.clock.now());
    }
    outcome
}

/// Proves the administrator of a known installation by a code of his portal's authorisation page.
pub async fn code(app: &App, installation: &Installation, code: &Secret) -> Result<ProvedInstall, Unproved> {
    let portal = app.db.portal_get(&installation.portal).await?.ok_or(Unproved::Nothing)?;
    let application = app.config.application(&installation.client_id).ok_or(Unproved::Nothing)?;
    let server = app.oauth.server_for(&portal.server_endpoint).ok_or(OAuthError::UnknownServer)?;
    let set = app.oauth.exchange_code(server, &client_key(application), code).await?;
    proved(app, application, server, (set, &portal.id, None)).await
}

/// The OAuth server's word on whose tokens these are, and the portal's on who he is.
async fn proved(
    app: &App,
    application: &Application,
    server: &Url,
    (set, member, lang): (TokenSet, &PortalId, Option<&str>),
) -> Result<ProvedInstall, Unproved> {
    let member = PortalId::parse(&set.member_id).filter(|id| id == member).ok_or(Unproved::Nothing)?;
    let endpoint = set.client_endpoint.clone().ok_or(Unproved::Nothing)?;
    let (user, moved_to) = profile(app, &endpoint, &set.access).await?;
    let endpoint = moved_to.unwrap_or(endpoint);
    let lang = match lang {
        Some(lang) => lang.to_owned(),
        None => app.db.portal_get(&member).await?.map_or_else(|| "en".into(), |known| known.lang),
    };
    Ok(ProvedInstall {
        portal: Portal {
            id: member,
            domain: domain_of(&endpoint),
            client_endpoint: endpoint.to_string(),
            server_endpoint: server_endpoint(&set, server),
            lang,
            state: PortalState::Active,
        },
        grant: grant_of(&set, user.id, 1, app.clock.now()),
        scope: set.scope,
        client_id: application.client_id.clone(),
        user,
    })
}

fn server_endpoint(set: &TokenSet, asked: &Url) -> String {
    if set.server_endpoint.is_empty() { asked.to_string() } else { set.server_endpoint.clone() }
}

/// Stores a proved installation of an administrator, brings a parked portal back, and keeps the application token until a
/// round trip confirms it. Another token than the confirmed one means that the application was added anew: the old one
/// would never match again. The caller has checked `proved.user.admin`.
pub async fn accept(app: &App, proved: ProvedInstall, token: &Secret) -> Result<Installation, DbError> {
    let now = app.clock.now();
    let (portal, user) = (proved.portal.id.clone(), proved.user.id);
    app.db.portal_put(proved.portal, now).await?;
    let scope = proved.scope.join(",");
    let installation = app.db.installation_put(&portal, &proved.client_id, &scope, now).await?;
    app.db.grant_put(&portal, installation.id, &proved.grant, now).await?;
    let known = app.db.installation_token(&installation)?;
    let is_new = known.is_none_or(|known| !known.matches(token.expose()));
    if !token.is_empty() && (is_new || !installation.token_confirmed) {
        app.db.installation_set_token(&installation, token, false).await?;
    }
    app.db.administrator_put(&portal, user, now).await?;
    parking::resume(app, &portal).await?;
    app.db
        .installation_find(&portal, &proved.client_id)
        .await?
        .ok_or_else(|| DbError::Corrupt("the installation is gone".into()))
}

/// Proves who opened a frame, by his own token at the portal's stored endpoint.
pub async fn user(
    app: &App,
    installation: &Installation,
    token: Option<&Secret>,
    from: Option<IpAddr>,
) -> Result<User, Unproved> {
    let token = token.filter(|token| !token.is_empty()).ok_or(Unproved::Nothing)?;
    let portal = app.db.portal_get(&installation.portal).await?.ok_or(Unproved::Nothing)?;
    let endpoint = endpoint_of(&portal)?;
    let (user, moved_to) = limited(app, from, profile(app, &endpoint, token)).await?;
    if let Some(endpoint) = moved_to {
        moved(app, &portal.id, &endpoint).await;
    }
    note_administrator(app, &portal.id, &user).await?;
    Ok(user)
}

/// Notices are for administrators who have been here.
async fn note_administrator(app: &App, portal: &PortalId, user: &User) -> Result<(), DbError> {
    let known = app.db.administrator_list(portal).await?.contains(&user.id);
    match (user.admin, known) {
        (true, false) => app.db.administrator_put(portal, user.id, app.clock.now()).await,
        (false, true) => app.db.administrator_remove(portal, user.id).await,
        _as_known => Ok(()),
    }
}

/// The stored endpoint of a portal.
pub fn endpoint_of(portal: &Portal) -> Result<Url, DbError> {
    Url::parse(&portal.client_endpoint).map_err(|error| DbError::Corrupt(error.to_string()))
}

async fn profile(app: &App, endpoint: &Url, token: &Secret) -> Result<(User, Option<Url>), Unproved> {
    let access = Access { endpoint: endpoint.clone(), token: token.clone() };
    let answer = app.b24.call(&access, &Profile {}).await?;
    let identity = answer.result.0.ok_or(Unproved::Nothing)?;
    let id = identity.id.ok_or(Unproved::Nothing)?;
    let name = format!("{} {}", identity.name, identity.last_name).trim().to_owned();
    Ok((User { id, admin: identity.admin, name }, answer.moved_to))
}

/// Asks the portal to send us an event with a nonce that only it and we know: it brings the true application token.
pub async fn ask_for_token(app: &App, installation: &Installation) -> Result<(), grant::Refused> {
    let nonce = random_token(24).map_err(DbError::from)?;
    app.db.installation_set_nonce(&installation.portal, installation.id, Some(nonce.clone())).await?;
    grant::call(app, installation, &EventTest { nonce: &nonce }).await?;
    Ok(())
}

/// The event came back: its token is the true one.
pub async fn token_confirmed(app: &App, installation: &Installation, token: &Secret) -> Result<(), DbError> {
    app.db.installation_set_token(installation, token, true).await?;
    app.db.installation_set_nonce(&installation.portal, installation.id, None).await?;
    app.db
        .installation_set_state(&installation.portal, installation.id, InstallationState::Active, app.clock.now())
        .await
}
