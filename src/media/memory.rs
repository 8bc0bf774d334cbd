//! How much of the memory files may take while they are on their way.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const MIB: i64 = 1024 * 1024;
/// Mebibytes for all files together.
const WHOLE: u32 = 400;
/// A file of the largest size still leaves room for others.
const LARGEST: u32 = 100;
/// Taken for a file whose size nobody told.
const UNKNOWN: u32 = 20;

/// Small files never wait for large ones as long as there is any room.
#[derive(Clone, Debug)]
pub struct Memory(Arc<Semaphore>);

impl Default for Memory {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(usize::try_from(WHOLE).unwrap_or(1))))
    }
}

impl Memory {
    /// Waits until a file of about `size` bytes may be held, and holds the room until the answer is dropped.
    pub async fn take(&self, size: Option<i64>) -> Option<OwnedSemaphorePermit> {
        let mebibytes =
            size.map_or(UNKNOWN, |size| u32::try_from(size.max(0) / MIB + 1).unwrap_or(LARGEST)).min(LARGEST);
        // The semaphore is never closed.
        Arc::clone(&self.0).acquire_many_owned(mebibytes).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn large_files_wait_for_each_other() {
        let memory = Memory::default();
        let mut held = Vec::new();
        for _file in 0..4 {
            held.push(memory.take(Some(i64::MAX / 2)).await.unwrap());
        }
        let small = || tokio::time::timeout(Duration::from_millis(20), memory.take(Some(1)));
        assert!(small().await.is_err(), "there is no room left");
        held.pop();
        assert!(small().await.is_ok());
    }
}
