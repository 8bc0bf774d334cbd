//! Granting the rights anew outside of a frame: an administrator follows a link to his portal's authorisation page, and comes back to
//! `/b24/oauth/callback` with a code. The link's `state` is ours, signed, short-lived and bound to one installation, so that nobody
//! can have a code of his own taken for another portal's; who comes back is proved by the code alone.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use templates::Problem;
use url::Url;

use super::answer::{Failed, admin_only, remark};
use crate::{
    app::App,
    clock::Millis,
    db::{Installation, Portal},
    domain::ids::{InstallationId, PortalId},
    relay::{proof, provision},
    secret::{Keys, Purpose, SealError, Secret, random_id},
};

/// How long the link may be followed.
const LIFETIME: Duration = Duration::from_mins(30);
/// Longest code that is worth a call; real ones are shorter.
const LONGEST_CODE: usize = 512;

/// Where an administrator of the portal grants the rights.
pub fn url(app: &App, installation: &Installation, portal: &Portal) -> Result<Option<String>, SealError> {
    let state = sign(&app.keys, installation, app.clock.now().after(LIFETIME))?;
    let page = Url::parse(&portal.client_endpoint).and_then(|endpoint| endpoint.join("/oauth/authorize/"));
    Ok(page.ok().map(|mut page| {
        page.query_pairs_mut().append_pair("client_id", &installation.client_id).append_pair("state", &state);
        page.into()
    }))
}

/// `<portal>.<installation>.<valid until, seconds>.<nonce>.<signature>`
fn sign(keys: &Keys, installation: &Installation, until: Millis) -> Result<String, SealError> {
    let claim = format!("{}.{}.{}.{}", installation.portal, installation.id, until.seconds(), random_id(16)?);
    keys.sign(Purpose::Consent, &claim)
}

/// Which installation a `state` of ours names, if it is not over.
fn verify(keys: &Keys, state: &str, now: Millis) -> Option<(PortalId, InstallationId)> {
    let mut fields = keys.signed(Purpose::Consent, state)?.split('.');
    let portal = PortalId::parse(fields.next()?)?;
    let installation = InstallationId(fields.next()?.parse().ok()?);
    let until = Millis::from_seconds(fields.next()?.parse().ok()?);
    (now < until).then_some((portal, installation))
}

/// What the portal's authorisation page sends back; what else it says is not needed.
#[derive(Deserialize)]
pub struct Return {
    #[serde(default)]
    code: String,
    #[serde(default)]
    state: String,
}

/// `GET /b24/oauth/callback`
pub async fn callback(app: web::Data<App>, back: web::Query<Return>) -> HttpResponse {
    let Some((portal, installation)) = verify(&app.keys, &back.state, app.clock.now()) else {
        return Failed::new(Problem::NotVerified, "a code without a living state of ours").page(&app, None, "en");
    };
    let lang = match app.db.portal_get(&portal).await {
        Ok(known) => known.map_or_else(|| "en".into(), |known| known.lang),
        Err(error) => return Failed::from(error).page(&app, None, "en"),
    };
    match accept(&app, &portal, installation, &back.code).await {
        Ok(()) => remark(&app, &lang, |texts| (texts.plain.granted_title, texts.plain.granted_text)),
        Err(failed) => failed.page(&app, None, &lang),
    }
}

async fn accept(app: &App, portal: &PortalId, installation: InstallationId, code: &str) -> Result<(), Failed> {
    if code.is_empty() || code.len() > LONGEST_CODE {
        return Err(Problem::NotVerified.into());
    }
    let installation = app.db.installation_get(portal, installation).await?.ok_or(Problem::NotInstalled)?;
    let proved = proof::code(app, &installation, &Secret::new(code)).await?;
    admin_only(&proved.user)?;
    let installation = proof::accept(app, proved, &Secret::default()).await?;
    provision::begin(app, portal, installation.id).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::testing;

    #[tokio::test]
    async fn a_state_names_its_installation_until_it_is_over() {
        let keys = Keys::new(&Secret::new("k"), None);
        let (db, _folder) = testing::db("consent");
        let portal = testing::portal(&db, "p").await;
        let installation = db.installation_put(&portal, "app.1", "", Millis(0)).await.unwrap();
        let state = sign(&keys, &installation, Millis(10_000)).unwrap();
        assert_eq!(verify(&keys, &state, Millis(9_000)), Some((portal, installation.id)));
        assert_eq!(verify(&keys, &state, Millis(10_000)), None);
        assert_eq!(verify(&Keys::new(&Secret::new("other"), None), &state, Millis(0)), None);
        for forged in [state.replacen("p.", "q.", 1), state.replace(".10.", ".99."), String::new(), ".".into()] {
            assert_eq!(verify(&keys, &forged, Millis(0)), None, "{forged}");
        }
    }
}
