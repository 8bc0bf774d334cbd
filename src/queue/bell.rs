//! The hint that there may be work.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Notify, time::timeout};

/// Rung after a commit that left work behind. Ringing twice is ringing once.
#[derive(Clone, Default)]
pub struct Bell(Arc<Notify>);

impl Bell {
    pub fn ring(&self) {
        self.0.notify_one();
    }

    /// Waits for a ring, at most `at_most`. A ring that came before the wait counts.
    pub async fn wait(&self, at_most: Duration) {
        let _ = timeout(at_most, self.0.notified()).await;
    }
}
