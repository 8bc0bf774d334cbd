//! Whether an announced uninstall is true.
//!
//! The event carries nothing but the application token, which every employee who opens the application can read in his browser. So
//! it is believed only when our right is really gone: the portal is asked first, and the OAuth server only if the portal says that
//! the token is too old. A forged event changes nothing.

use serde::{Deserialize, Serialize};

use super::{accounts, db_failure, grant, payload};
use crate::{
    app::App,
    b24::{error::Code, methods::app::AppInfo, oauth::OAuthError},
    clock::Millis,
    db::{Delivery, DeliveryKind, Expansion, Installation, InstallationState, Lane, NewDelivery, Settled},
    domain::{failure::Failure, ids::InstallationId},
};

#[derive(Serialize, Deserialize)]
struct Announced {
    installation: InstallationId,
    /// "Delete settings and data" was ticked.
    clean: bool,
}

pub fn expand(installation: InstallationId, clean: bool, now: Millis) -> Expansion {
    let delivery = NewDelivery::new(Lane::Uninstall(installation), DeliveryKind::Uninstall, now)
        .payload(&Announced { installation, clean });
    Expansion { relevant: true, deliveries: vec![delivery], ..Expansion::default() }
}

pub async fn deliver(app: &App, delivery: &Delivery) -> Result<Settled, Failure> {
    let announced: Announced = payload(delivery)?;
    let installation = app.db.installation_get(&delivery.portal, announced.installation).await.map_err(db_failure)?;
    let Some(installation) = installation.filter(|known| known.state != InstallationState::Stopped) else {
        return Ok(Settled::done());
    };
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

/// Only what means that we are not in the portal any more: a portal that is unpaid or blocked, or a right that is too small, is
/// no proof, and a forged event would end (and erase) a customer in trouble.
fn gone(refused: &grant::Refused) -> Option<Gone> {
    match refused {
        grant::Refused::OAuth(OAuthError::InvalidGrant | OAuthError::InvalidClient | OAuthError::PortalGone) => {
            Some(Gone::Now)
        }
        grant::Refused::Portal(error) if matches!(error.code, Code::ApplicationNotFound | Code::PortalDeleted) => {
            Some(Gone::Now)
        }
        grant::Refused::NoGrant => Some(Gone::Before),
        _other => None,
    }
}

async fn stop(app: &App, installation: &Installation, erase: bool) -> Result<Settled, Failure> {
    let portal = &installation.portal;
    let ended = app.db.installation_stop(portal, installation.id, app.clock.now()).await.map_err(db_failure)?;
    tracing::info!(%portal, erase, "the application was uninstalled");
    for channel in ended.silent {
        if let Some(channel) = app.db.channel_get(portal, &channel).await.map_err(db_failure)? {
            accounts::be_silent(app, &channel).await;
        }
    }
    if erase && ended.portal_too {
        for key in app.db.portal_erase(portal).await.map_err(db_failure)? {
            if let Err(error) = app.store.remove(&key).await {
                tracing::error!(%portal, %error, "a file of an erased portal could not be removed");
            }
        }
    }
    Ok(Settled::done())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::b24::error::CallError;

    fn portal(code: &str) -> grant::Refused {
        let answer = serde_json::json!({ "error": code });
        let answer = answer.as_object().unwrap();
        grant::Refused::Portal(CallError::found_in(401, answer, None).unwrap())
    }

    #[test]
    fn a_portal_in_trouble_is_not_gone() {
        for code in ["OVERLOAD_LIMIT", "PAYMENT_REQUIRED", "insufficient_scope", "user_access_error", "expired_token"] {
            assert!(gone(&portal(code)).is_none(), "{code}");
        }
        assert!(gone(&grant::Refused::OAuth(OAuthError::PaymentRequired)).is_none());
        assert!(gone(&grant::Refused::OAuth(OAuthError::Transient { certain: true })).is_none());
    }

    #[test]
    fn only_what_this_very_call_found_out_may_erase() {
        assert!(gone(&portal("APPLICATION_NOT_FOUND")) == Some(Gone::Now));
        assert!(gone(&grant::Refused::OAuth(OAuthError::InvalidGrant)) == Some(Gone::Now));
        assert!(gone(&grant::Refused::NoGrant) == Some(Gone::Before));
    }
}
