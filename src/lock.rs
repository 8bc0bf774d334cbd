//! One process for a data folder. Two on one embedded database would both send what waits, and each would take the other's calls for
//! interrupted ones; two on one spool would take each other's files away.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    path::Path,
    time::{Duration, Instant},
};

/// How often a taken folder is tried again.
const LOOK: Duration = Duration::from_millis(20);
const NAME: &str = "lock";

/// Held as long as it lives; the system lets it go when the process ends, however that comes.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "the open file is the lock")] File);

impl Lock {
    /// Takes the folder, which exists, or says in a sentence that another process has it.
    pub fn take(folder: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(folder.join(NAME))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => {
                let folder = folder.display();
                Err(io::Error::other(format!(
                    "another server works with the data folder {folder}: stop that one first"
                )))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// The same, and gives the process that has the folder so long to end.
    pub async fn take_within(folder: &Path, patience: Duration) -> io::Result<Self> {
        let began = Instant::now();
        loop {
            match Self::take(folder) {
                Err(_taken) if began.elapsed() < patience => tokio::time::sleep(LOOK).await,
                done => return done,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_holder_at_a_time() {
        let folder = std::env::temp_dir().join(format!("chatapp-lock-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let held = Lock::take(&folder).unwrap();
        assert!(Lock::take(&folder).unwrap_err().to_string().contains("another server"));
        drop(held);
        Lock::take(&folder).unwrap();
    }

    #[tokio::test]
    async fn a_folder_is_waited_for() {
        let folder = std::env::temp_dir().join(format!("chatapp-lock-wait-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let held = Lock::take(&folder).unwrap();
        let mut waits = std::pin::pin!(Lock::take_within(&folder, Duration::from_mins(1)));
        assert!(tokio::time::timeout(LOOK * 3, &mut waits).await.is_err());
        drop(held);
        waits.await.unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
