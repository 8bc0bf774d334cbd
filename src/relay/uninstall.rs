//! Whether an announced uninstall is true.
//!
//! The event carries nothing but the application token, which every employee who opens the application can read in his browser. So
//! it is believed only when our right is really gone: the portal is asked first, and the OAuth server only if the portal says that
//! the token is too old. A forged event changes nothing.

use serde::{Deserialize, Serialize};

use super::{db_failure, grant};
use crate::{
    app::App,
    b24::methods::app::AppInfo,
    clock::Millis,
    db::{Delivery, DeliveryKind, Expansion, Installation, InstallationState, Lane, NewDelivery, PortalState, Settled},
    domain::{
        failure::{Failure, Told},
        ids::InstallationId,
    },
};

#[derive(Serialize, Deserialize)]
struct Announced {
    installation: InstallationId,
    /// "Delete settings and data" was ticked.
    clean: bool,
}

pub fn expand(installation: InstallationId, clean: bool, now: Millis) -> Expansion {
    let delivery = NewDelivery::new(Lane::Installation(installation), DeliveryKind::Uninstall, now)
        .payload(&Announced { installation, clean });
    Expansion { relevant: true, deliveries: vec![delivery], ..Expansion::default() }
}

pub async fn deliver(app: &App, delivery: &Delivery) -> Result<Settled, Failure> {
    let malformed = |_other| Failure::permanent(Told::Internal, "the uninstall is not understood");
    let announced: Announced = serde_json::from_str(&delivery.payload).map_err(malformed)?;
    let installation = app.db.installation_get(&delivery.portal, announced.installation).await.map_err(db_failure)?;
    let Some(installation) = installation else { return Ok(Settled::done()) };
    match grant::call(app, &installation, &AppInfo {}).await {
        Ok(_alive) => {
            tracing::warn!(portal = %delivery.portal, "an uninstall was announced that is not true");
            Ok(Settled::done())
        }
        Err(refused) => match gone(&refused) {
            Some(gone) => stop(app, &installation, announced.clean && gone == Gone::Now).await,
            None => Err(refused.into()),
        },
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Gone {
    /// This very call found it out.
    Now,
    /// The grant had been dead before, so the event proves nothing that would justify deleting data.
    Before,
}

fn gone(refused: &grant::Refused) -> Option<Gone> {
    match refused {
        grant::Refused::OAuth(error) if error.is_final() => Some(Gone::Now),
        grant::Refused::Portal(error) if error.is_right_lost() => Some(Gone::Now),
        grant::Refused::NoGrant => Some(Gone::Before),
        _other => None,
    }
}

async fn stop(app: &App, installation: &Installation, erase: bool) -> Result<Settled, Failure> {
    let portal = &installation.portal;
    let now = app.clock.now();
    app.db
        .installation_set_state(portal, installation.id, InstallationState::Stopped, now)
        .await
        .map_err(db_failure)?;
    if app.db.installation_working(portal).await.map_err(db_failure)?.is_some() {
        return Ok(Settled::done());
    }
    app.db.portal_set_state(portal, PortalState::Stopped, now).await.map_err(db_failure)?;
    tracing::info!(%portal, erase, "the application was uninstalled");
    if erase {
        for key in app.db.portal_erase(portal).await.map_err(db_failure)? {
            if let Err(error) = app.store.remove(&key).await {
                tracing::error!(%portal, %error, "a file of an erased portal could not be removed");
            }
        }
    }
    Ok(Settled::done())
}
