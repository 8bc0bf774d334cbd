//! What the busy portals' settings say, kept in memory: every event, every message and every call asks for them, and they
//! change a few times a day.
//!
//! A [`Tenant`] is read whole, in one go, and forgotten when anything of it is written: the writer does it after the commit and
//! before the answer, so whoever has written reads what he wrote. What another node has written is seen after [`Tenants::new`]'s
//! lifetime at the latest; what must not be stale for so long (the swap of a token) is compared in the database itself. Secrets lie
//! here sealed, as they do in the tables.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    Binding, Channel, Db, DbError, DbResult, Installation, Portal, bindings, channels, grants, installations, logins,
};
use crate::domain::ids::{ChannelId, LoginId, PortalId};

/// Portals kept, some kilobytes each. Beyond it all are forgotten: they come back with the next thing that happens in them.
const KEPT: usize = 16_384;

/// The settings of one portal.
pub(super) struct Tenant {
    pub(super) portal: Option<Portal>,
    pub(super) installations: Vec<Installation>,
    pub(super) grants: Vec<grants::Row>,
    pub(super) channels: Vec<Channel>,
    pub(super) bindings: Vec<Binding>,
    pub(super) logins: Vec<logins::Row>,
}

struct Kept {
    tenant: Arc<Tenant>,
    since: Instant,
}

/// Whose a channel or a login is: never another's, as long as it exists.
#[derive(Default)]
struct Owners {
    channels: HashMap<ChannelId, PortalId>,
    logins: HashMap<LoginId, PortalId>,
}

pub(super) struct Tenants {
    kept: RwLock<HashMap<PortalId, Kept>>,
    owners: Mutex<Owners>,
    /// Grows with every change, so that what was read before one is not kept after it.
    changes: AtomicU64,
    lifetime: Option<Duration>,
}

impl Tenants {
    /// `lifetime`: how long something is believed, where somebody else may write too.
    pub(super) fn new(lifetime: Option<Duration>) -> Self {
        Self { kept: RwLock::default(), owners: Mutex::default(), changes: AtomicU64::new(0), lifetime }
    }

    pub(super) fn forget(&self, portal: &PortalId) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.kept.write().unwrap_or_else(PoisonError::into_inner).remove(portal);
    }

    /// What is known, and whether it is still believed.
    fn get(&self, portal: &PortalId) -> Option<(Arc<Tenant>, bool)> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let known = kept.get(portal)?;
        let fresh = self.lifetime.is_none_or(|lifetime| known.since.elapsed() < lifetime);
        Some((Arc::clone(&known.tenant), fresh))
    }

    /// Keeps what was read when the count of changes was `seen`.
    fn keep(&self, portal: PortalId, tenant: &Arc<Tenant>, seen: u64) {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        // Looked at under the lock that `forget` needs: no change can slip in between.
        if self.changes.load(Ordering::SeqCst) != seen {
            return;
        }
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.clear();
            *owners = Owners::default();
        }
        owners.channels.extend(tenant.channels.iter().map(|channel| (channel.id.clone(), portal.clone())));
        owners.logins.extend(tenant.logins.iter().map(|login| (login.id(), portal.clone())));
        kept.insert(portal, Kept { tenant: Arc::clone(tenant), since: Instant::now() });
    }

    pub(super) fn owner_of_channel(&self, channel: &ChannelId) -> Option<PortalId> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner).channels.get(channel).cloned()
    }

    pub(super) fn owner_of_login(&self, login: LoginId) -> Option<PortalId> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner).logins.get(&login).cloned()
    }
}

impl Db {
    pub(super) async fn tenant(&self, portal: &PortalId) -> DbResult<Arc<Tenant>> {
        let known = self.tenants.get(portal);
        // A database that is away has told the last that anybody can know: better than to lose what the portal sends meanwhile.
        let known = match known {
            Some((known, fresh)) if fresh || self.writer.trouble().is_some() => return Ok(known),
            other => other.map(|(known, _old)| known),
        };
        let seen = self.tenants.changes.load(Ordering::SeqCst);
        let id = portal.0.clone();
        let tenant = self
            .read(move |conn| {
                Ok(Arc::new(Tenant {
                    portal: super::portals::read(conn, &id)?,
                    installations: installations::read_all(conn, &id)?,
                    grants: grants::read_all(conn, &id)?,
                    channels: channels::read_of(conn, &id)?,
                    bindings: bindings::read_all(conn, &id)?,
                    logins: logins::read_all(conn, &id)?,
                }))
            })
            .await;
        match (tenant, known) {
            (Ok(tenant), _) => {
                self.tenants.keep(portal.clone(), &tenant, seen);
                Ok(tenant)
            }
            (Err(DbError::Unavailable(_)), Some(known)) => Ok(known),
            (Err(error), _) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::Millis,
        db::{PortalState, testing},
    };

    #[tokio::test]
    async fn what_was_written_is_read_at_once() {
        let (db, _folder) = testing::db("tenants");
        let portal = testing::portal(&db, "p").await;
        for state in [PortalState::Parked, PortalState::Active, PortalState::Stopped] {
            db.portal_set_state(&portal, state, Millis(1)).await.unwrap();
            assert_eq!(db.portal_get(&portal).await.unwrap().unwrap().state, state);
        }
    }

    #[test]
    fn what_was_read_before_a_change_is_not_kept_after_it() {
        let empty = || Tenant {
            portal: None,
            installations: Vec::new(),
            grants: Vec::new(),
            channels: Vec::new(),
            bindings: Vec::new(),
            logins: Vec::new(),
        };
        let tenants = Tenants::new(None);
        let portal = PortalId("p".into());
        let seen = tenants.changes.load(Ordering::SeqCst);
        tenants.forget(&portal);
        tenants.keep(portal.clone(), &Arc::new(empty()), seen);
        assert!(tenants.get(&portal).is_none());
        tenants.keep(portal.clone(), &Arc::new(empty()), seen + 1);
        assert!(tenants.get(&portal).is_some_and(|(_, fresh)| fresh));
        let short = Tenants::new(Some(Duration::ZERO));
        short.keep(portal.clone(), &Arc::new(empty()), 0);
        assert!(short.get(&portal).is_some_and(|(_, fresh)| !fresh), "it may have changed elsewhere");
    }
}
