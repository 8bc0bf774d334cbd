//! A portal that is gone, unpaid or unauthorised is parked whole: its deliveries wait, and one cheap call, made more and more
//! rarely, looks whether it has come back. A new grant, a page that somebody opens and an event bring it back at once.

use std::time::Duration;

use super::{
    db_failure, grant,
    grant::Refused,
    notices::{self, Notice},
};
use crate::{
    app::App,
    b24::methods::app::AppInfo,
    clock::Millis,
    db::{
        DbError, DbResult, Delivery, DeliveryKind, DeliveryState, Held, Lane, NewDelivery, Parking, PortalState,
        Settled,
    },
    domain::{failure::Failure, ids::PortalId},
    queue::retry::Verdict,
};

/// Minutes before the first, second, … look at a parked portal. The calls of the first day are for a bill that is being paid; later
/// ones must not look like an application that calls for nothing (each may need a token refreshed).
const LOOKS: [u64; 4] = [1, 5, 15, 30];
const HOURLY: i32 = 27;
const LATER: Duration = Duration::from_hours(6);

/// Two looks are so far apart at least, whatever happens.
const LEAST: Duration = Duration::from_mins(1);

fn wait(looks: i32) -> Duration {
    let minutes = usize::try_from(looks).ok().and_then(|looks| LOOKS.get(looks));
    match minutes {
        Some(minutes) => Duration::from_mins(*minutes),
        None if looks < HOURLY => Duration::from_hours(1),
        None => LATER,
    }
}

/// Parks the portal, unless somebody has repaired it since `began`: then what failed is simply tried again.
pub(super) async fn park(app: &App, portal: &PortalId, began: Millis) -> Verdict {
    let now = app.clock.now();
    let owner = portal.clone();
    let follow = move |looks: i32| {
        let lane = Lane::Probe(owner.clone());
        let probe = NewDelivery::new(lane, DeliveryKind::Probe, now.after(wait(looks))).urgent();
        vec![probe, Notice::PortalParked.delivery(&owner, now)]
    };
    match app.db.portal_park(portal, began, follow, now).await {
        Ok(parking) => {
            if parking == Parking::Begun {
                tracing::warn!(%portal, "the portal is parked");
                app.bell.ring();
            }
            let repaired = parking == Parking::Repaired;
            if repaired { Verdict::Again(now.after(Duration::from_secs(1))) } else { Verdict::ParkPortal }
        }
        Err(error) => {
            tracing::error!(%portal, %error, "a portal could not be parked");
            Verdict::Again(now.after(Duration::from_mins(1)))
        }
    }
}

/// Looks whether a parked portal has come back.
pub(super) async fn probe(app: &App, delivery: &Delivery) -> Result<Settled, Failure> {
    let portal = app.db.portal_get(&delivery.portal).await.map_err(db_failure)?;
    let Some(portal) = portal.filter(|portal| portal.state == PortalState::Parked) else { return Ok(Settled::done()) };
    let mut last = None;
    for installation in notices::installations(app, &portal.id).await.map_err(db_failure)? {
        match grant::call_of(app, (&portal.id, installation.id), &AppInfo {}).await {
            Ok(_alive) => {
                resume(app, &portal.id).await.map_err(db_failure)?;
                return Ok(Settled::done());
            }
            // Only an administrator can give a new one, and brings the portal back by that.
            Err(Refused::NoGrant) => {}
            Err(refused) => last = Some(refused),
        }
    }
    let Some(refused) = last else { return Ok(Settled::done()) };
    let looks = app.db.portal_looked(&portal.id).await.map_err(db_failure)?;
    let due_at = app.clock.now().after(wait(looks));
    Ok(Settled { due_at, error: Some(refused.to_string()), ..Settled::new(DeliveryState::Waiting, "closed") })
}

/// The portal shows signs of life: it is looked at now, unless it has just been.
pub(super) async fn hasten(app: &App, portal: &PortalId) -> DbResult<()> {
    let now = app.clock.now();
    app.db.portal_look_now(portal, now.before(LEAST), now).await
}

/// The portal can be called again, or is worth a try: what waits there goes on, and if it was parked its administrators read how
/// much that is. If it is closed still, the first attempt parks it again.
pub async fn resume(app: &App, portal: &PortalId) -> Result<(), DbError> {
    let now = app.clock.now();
    let owner = portal.clone();
    let notice = move |held: Held| (held.messages > 0).then(|| Notice::resumed(&held, now).delivery(&owner, now));
    if let Some(held) = app.db.portal_resume(portal, notice, now).await? {
        tracing::info!(%portal, held = held.messages, "a parked portal goes on");
    }
    app.bell.ring();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_portal_is_looked_at_more_and_more_rarely() {
        let waits: Vec<Duration> = (0..60).map(wait).collect();
        assert!(waits.is_sorted());
        let day: Duration = waits.iter().take(28).sum();
        assert!(day > Duration::from_hours(23) && day < Duration::from_hours(31), "{day:?}");
        assert_eq!(waits.last(), Some(&LATER));
    }
}
