//! The hint that there may be work.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Notify, time::timeout};

/// Rung after a commit that left work behind. Ringing twice is ringing once.
#[derive(Clone, Default)]
pub struct Bell(Arc<Ears>);

#[derive(Default)]
struct Ears {
    arrived: Notify,
    due: Notify,
}

impl Bell {
    /// Something has come in, or something is due.
    pub fn ring(&self) {
        self.0.arrived.notify_one();
        self.ring_due();
    }

    /// Something is due.
    pub fn ring_due(&self) {
        self.0.due.notify_one();
    }

    /// Waits until something has come in, at most `at_most`. A ring that came before the wait counts.
    pub async fn arrived(&self, at_most: Duration) {
        let _ = timeout(at_most, self.0.arrived.notified()).await;
    }

    /// The same until something is due.
    pub async fn due(&self, at_most: Duration) {
        let _ = timeout(at_most, self.0.due.notified()).await;
    }
}
