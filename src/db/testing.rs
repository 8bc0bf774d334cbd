//! A throw-away database for the tests of this crate.

use std::{path::PathBuf, sync::Arc};

use super::{Db, Portal, PortalState, Resumption};
use crate::{
    clock::Millis,
    domain::ids::{NodeId, PortalId},
    secret::{Keys, Secret},
};

/// Removed with everything in it when the test is over.
pub(crate) struct Folder(pub PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A fresh database; `name` is the test's own.
pub(crate) fn db(name: &str) -> (Db, Folder) {
    let folder = Folder(std::env::temp_dir().join(format!("chatapp-db-{name}-{}", std::process::id())));
    std::fs::create_dir_all(&folder.0).unwrap();
    let keys = Arc::new(Keys::new(&Secret::new("a test's secret"), None));
    let db = Db::open(&format!("sqlite://{}", folder.0.join("db.sqlite").display()), keys).unwrap();
    (db, folder)
}

/// The node that the test is.
pub(crate) async fn node(db: &Db) -> NodeId {
    let then = Resumption { repeatable: &[], now: Millis(0), ask_at: Millis(0) };
    match db.node_list().await.unwrap().first() {
        Some((node, _beat)) => *node,
        None => db.node_join("test".into(), then).await.unwrap().0,
    }
}

/// An active portal.
pub(crate) async fn portal(db: &Db, id: &str) -> PortalId {
    let portal = Portal {
        id: PortalId(id.into()),
        domain: format!("{id}.example"),
        client_endpoint: format!("https://{id}.example/rest/"),
        server_endpoint: "https://oauth.example/rest/".into(),
        lang: "en".into(),
        state: PortalState::Active,
    };
    db.portal_put(portal, Millis(0)).await.unwrap();
    PortalId(id.into())
}
