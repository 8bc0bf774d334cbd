//! A make-believe Bitrix24 account.

use std::sync::Arc;

use crate::World;

/// A handle on one portal; clones are the same portal.
#[derive(Clone)]
pub struct Portal {
    inner: Arc<Inner>,
}

struct Inner {
    world: Arc<World>,
    member_id: String,
    domain: String,
}

impl Portal {
    pub(crate) fn new(world: Arc<World>, member_id: String, domain: String) -> Self {
        Self {
            inner: Arc::new(Inner {
                world,
                member_id,
                domain,
            }),
        }
    }

    pub fn world(&self) -> &Arc<World> {
        &self.inner.world
    }

    /// 32 hexadecimal digits: the portal's name for ever.
    pub fn member_id(&self) -> &str {
        &self.inner.member_id
    }

    /// `localhost:{port}`.
    pub fn domain(&self) -> &str {
        &self.inner.domain
    }
}
