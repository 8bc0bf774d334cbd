//! A folder of files. The name is random, so that nobody can guess his way to a neighbour's file.

use std::{
    io,
    path::{Path, PathBuf},
};

use tokio::{fs, io::AsyncWriteExt as _};

use crate::secret::random_id;

/// Enough that keys never meet: 32^24 names.
const KEY_LENGTH: usize = 24;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the media store failed: {0}")]
    Io(#[from] io::Error),
    #[error("the media key is not one of ours")]
    Key,
    #[error(transparent)]
    Random(#[from] crate::secret::SealError),
}

/// Keeps the bytes of files.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Writes bytes and answers their key once they are on disk.
    pub async fn put(&self, bytes: &[u8]) -> Result<String, StoreError> {
        let key = random_id(KEY_LENGTH)?;
        let path = self.path(&key)?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).await?;
        }
        // A reader must never see half a file: written aside, flushed, then named.
        let aside = path.with_extension("part");
        let mut file = fs::File::create(&aside).await?;
        file.write_all(bytes).await?;
        file.sync_all().await?;
        fs::rename(&aside, &path).await?;
        Ok(key)
    }

    pub async fn get(&self, key: &str) -> Result<Vec<u8>, StoreError> {
        Ok(fs::read(self.path(key)?).await?)
    }

    /// Opens bytes to be read piece by piece, with their number.
    pub async fn open(&self, key: &str) -> Result<(fs::File, u64), StoreError> {
        let file = fs::File::open(self.path(key)?).await?;
        let size = file.metadata().await?.len();
        Ok((file, size))
    }

    /// Removes bytes; those that are gone already are no error.
    pub async fn remove(&self, key: &str) -> Result<(), StoreError> {
        match fs::remove_file(self.path(key)?).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _removed => Ok(()),
        }
    }

    fn path(&self, key: &str) -> Result<PathBuf, StoreError> {
        let ours = key.len() == KEY_LENGTH && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let folder = key.get(..2).filter(|_prefix| ours).ok_or(StoreError::Key)?;
        Ok(self.root.join(Path::new(folder)).join(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bytes_come_back_and_foreign_keys_do_not() {
        let root = std::env::temp_dir().join(format!("chatapp-store-{}", std::process::id()));
        let store = Store::new(root.clone());
        let key = store.put(b"hello").await.unwrap();
        assert_eq!(store.get(&key).await.unwrap(), b"hello");
        for foreign in ["", "..", "../../etc/passwd", "aaaaaaaaaaaaaaaaaaaaaa/.", &key.to_uppercase()] {
            assert!(matches!(store.get(foreign).await, Err(StoreError::Key)), "{foreign}");
        }
        store.remove(&key).await.unwrap();
        store.remove(&key).await.unwrap();
        assert!(store.get(&key).await.is_err());
        std::fs::remove_dir_all(root).unwrap();
    }
}
