//! One process for a data folder. Two on one embedded database would both send what waits, and each would take the other's calls for
//! interrupted ones.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    path::Path,
};

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
        std::fs::remove_dir_all(folder).unwrap();
    }
}
