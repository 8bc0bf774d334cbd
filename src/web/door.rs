//! Who is inside: requests that have begun and are not answered. A server that leaves answers them, asks their connections to close,
//! and goes when nobody is left.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::{sleep, timeout};

/// How often it is looked whether somebody is left.
const LOOK: Duration = Duration::from_millis(5);
/// In this time a connection that was accepted has brought its request.
const ON_THE_WAY: Duration = Duration::from_millis(100);

#[derive(Clone, Default)]
pub struct Door(Arc<State>);

#[derive(Default)]
struct State {
    closing: AtomicBool,
    inside: AtomicUsize,
}

/// A request that is inside as long as this lives.
pub struct Inside(Door);

impl Door {
    pub fn enter(&self) -> Inside {
        self.0.inside.fetch_add(1, Ordering::SeqCst);
        Inside(self.clone())
    }

    /// From now on every answer ends its connection.
    pub fn close(&self) {
        self.0.closing.store(true, Ordering::SeqCst);
    }

    /// Waits until nobody is inside, and nobody on the way; at most so long.
    pub async fn empties(&self, at_most: Duration) {
        let empties = async {
            sleep(ON_THE_WAY).await;
            while self.0.inside.load(Ordering::SeqCst) > 0 {
                sleep(LOOK).await;
            }
        };
        if timeout(at_most, empties).await.is_err() {
            tracing::warn!("requests were not answered when the server stopped");
        }
    }
}

impl Inside {
    pub fn is_last(&self) -> bool {
        self.0.0.closing.load(Ordering::SeqCst)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.0.inside.fetch_sub(1, Ordering::SeqCst);
    }
}
