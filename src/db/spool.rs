//! The spool: where verified events lie while the database is away. Files of this node alone, in its data folder; knows nothing of
//! what it keeps.
//!
//! Who is who: a *record* is what somebody was answered 200 for; a *segment* is a file of records in the order in which they came.
//! One thread writes and reads: appends that arrive while it writes share the next write and its fsync, and are answered after that.
//! Records are read from the oldest on, and forgotten when they are in the database; a segment of which nothing is left is removed.
//!
//! A record is its length (4 bytes, little endian), the beginning of its SHA-256 (8 bytes) and its bytes. What was being written when
//! the machine stopped does not match its sum: nobody was answered for it, and the segment ends before it.

use std::{
    collections::VecDeque,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread,
};

use ring::digest::{SHA256, digest};
use tokio::sync::oneshot;

/// A segment that has grown so large is followed by another.
const SEGMENT_BYTES: u64 = 4 * 1024 * 1024;
/// The most that the spool takes of the disk. At 1 KB an event it is an outage of an hour at 70 events a second.
const MOST_BYTES: u64 = 256 * 1024 * 1024;
/// Records read at once, and appends that share a write.
const AT_ONCE: usize = 256;
const SUM_BYTES: usize = 8;
const HEAD_BYTES: usize = 4 + SUM_BYTES;
const SUFFIX: &str = "spool";
/// Records that the database refuses for good: kept for people to look at.
const REFUSED: &str = "refused";

type Done<T> = Result<T, String>;

/// The oldest records, and up to where they reach.
pub struct Batch {
    pub records: Vec<Vec<u8>>,
    pub end: End,
}

/// Up to where a segment was read.
#[derive(Clone, Copy, Debug)]
pub struct End {
    offset: u64,
    records: usize,
}

enum Job {
    Append(Vec<u8>, oneshot::Sender<Done<()>>),
    Oldest(oneshot::Sender<Done<Batch>>),
    Forget(End, oneshot::Sender<Done<()>>),
    Refuse(Vec<u8>, oneshot::Sender<Done<()>>),
}

/// The handle of the thread, which ends with its last handle.
#[derive(Clone)]
pub struct Spool {
    jobs: Sender<Job>,
    /// Records that are not forgotten yet; counted before their senders are answered.
    waiting: Arc<AtomicUsize>,
    folder: Arc<PathBuf>,
}

impl Spool {
    /// Opens the folder, which nobody else may have open, with what an earlier process has left in it.
    pub fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let files = Files::open(folder, MOST_BYTES)?;
        let waiting = Arc::new(AtomicUsize::new(files.segments.iter().map(|segment| segment.records).sum()));
        let (jobs, queue) = mpsc::channel();
        let count = Arc::clone(&waiting);
        thread::Builder::new().name("db-spool".into()).spawn(move || run(files, &queue, &count))?;
        Ok(Self { jobs, waiting, folder: Arc::new(folder.to_owned()) })
    }

    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    pub fn has_refused(&self) -> bool {
        self.folder.join(REFUSED).exists()
    }

    /// When it answers, the record is on disk.
    pub async fn append(&self, record: Vec<u8>) -> Done<()> {
        self.ask(|answer| Job::Append(record, answer)).await
    }

    pub async fn oldest(&self) -> Done<Batch> {
        self.ask(Job::Oldest).await
    }

    /// The records of the last [`Self::oldest`] are in the database.
    pub async fn forget(&self, end: End) -> Done<()> {
        self.ask(|answer| Job::Forget(end, answer)).await
    }

    /// Keeps a record that the database will never take.
    pub async fn refuse(&self, record: Vec<u8>) -> Done<()> {
        self.ask(|answer| Job::Refuse(record, answer)).await
    }

    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<Done<T>>) -> Job) -> Done<T> {
        let (answer, answered) = oneshot::channel();
        let gone = || "the spool's thread is gone".to_owned();
        self.jobs.send(job(answer)).map_err(|_gone| gone())?;
        answered.await.map_err(|_gone| gone())?
    }
}

fn run(mut files: Files, queue: &Receiver<Job>, waiting: &AtomicUsize) {
    let mut next = queue.recv().ok();
    while let Some(job) = next.take() {
        let mut appends = Vec::new();
        let mut other = Some(job);
        // What comes after an append joins it, as long as it is one too.
        while let Some(Job::Append(record, answer)) = other {
            appends.push((record, answer));
            other = (appends.len() < AT_ONCE).then(|| queue.try_recv().ok()).flatten();
        }
        if !appends.is_empty() {
            let (records, answers): (Vec<_>, Vec<_>) = appends.into_iter().unzip();
            let done = files.append(&records).map_err(told);
            waiting.fetch_add(if done.is_ok() { records.len() } else { 0 }, Ordering::SeqCst);
            for answer in answers {
                drop(answer.send(done.clone()));
            }
        }
        match other {
            Some(Job::Oldest(answer)) => drop(answer.send(files.oldest().map_err(told))),
            Some(Job::Forget(end, answer)) => {
                let done = files.forget(end).map_err(told);
                waiting.fetch_sub(end.records, Ordering::SeqCst);
                drop(answer.send(done));
            }
            Some(Job::Refuse(record, answer)) => drop(answer.send(files.refuse(&record).map_err(told))),
            Some(Job::Append(..)) | None => {}
        }
        next = queue.recv().ok();
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to `map_err`")]
fn told(error: io::Error) -> String {
    format!("the spool: {error}")
}

struct Segment {
    number: u64,
    /// Up to the end of its last whole record.
    bytes: u64,
    /// Not forgotten yet.
    records: usize,
}

struct Files {
    folder: PathBuf,
    /// Oldest first.
    segments: VecDeque<Segment>,
    /// The last segment, if it can be written to.
    open: Option<File>,
    /// Of the first segment: up to where it is forgotten.
    forgotten: u64,
    next: u64,
    /// Bytes that all segments may have together.
    most: u64,
}

impl Files {
    fn open(folder: &Path, most: u64) -> io::Result<Self> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|suffix| suffix == SUFFIX)
                && let Some(number) = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok())
            {
                numbers.push(number);
            }
        }
        numbers.sort_unstable();
        let next = numbers.last().map_or(1, |last| last + 1);
        let mut files =
            Self { folder: folder.to_owned(), segments: VecDeque::new(), open: None, forgotten: 0, next, most };
        for number in numbers {
            let bytes = fs::read(files.path(number))?;
            let (records, end) = read(&bytes, usize::MAX);
            if end < bytes.len() {
                tracing::warn!(number, lost = bytes.len() - end, "a spooled record was not written to its end");
            }
            if records.is_empty() {
                fs::remove_file(files.path(number))?;
            } else {
                files.segments.push_back(Segment { number, bytes: length(end), records: records.len() });
            }
        }
        Ok(files)
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:012}.{SUFFIX}"))
    }

    fn append(&mut self, records: &[Vec<u8>]) -> io::Result<()> {
        let written: Vec<u8> = records.iter().map(|record| framed(record)).collect::<Vec<_>>().concat();
        let held: u64 = self.segments.iter().map(|segment| segment.bytes).sum();
        if held + length(written.len()) > self.most {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "it holds as much as it may"));
        }
        let full = self.segments.back().is_some_and(|last| last.bytes >= SEGMENT_BYTES);
        if full || self.open.is_none() {
            self.begin_segment()?;
        }
        let (Some(file), Some(last)) = (&mut self.open, self.segments.back_mut()) else {
            return Err(io::Error::other("no segment"));
        };
        let done = file.write_all(&written).and_then(|()| file.sync_data());
        if done.is_ok() {
            last.bytes += length(written.len());
            last.records += records.len();
            return done;
        }
        // What may have been written of it was answered for nobody; the next append begins a file of its own.
        let _ = file.set_len(last.bytes);
        self.open = None;
        if last.bytes == 0 {
            let _ = fs::remove_file(self.path(self.next - 1));
            self.segments.pop_back();
        }
        done
    }

    fn begin_segment(&mut self) -> io::Result<()> {
        let number = self.next;
        let made = OpenOptions::new().append(true).create_new(true).mode(0o600).open(self.path(number))?;
        self.next += 1;
        // The file's name must be on disk as well.
        File::open(&self.folder)?.sync_all()?;
        if self.segments.is_empty() {
            self.forgotten = 0;
        }
        self.segments.push_back(Segment { number, bytes: 0, records: 0 });
        self.open = Some(made);
        Ok(())
    }

    fn oldest(&mut self) -> io::Result<Batch> {
        let Some(first) = self.segments.front() else {
            return Ok(Batch { records: Vec::new(), end: End { offset: 0, records: 0 } });
        };
        let left = usize::try_from(first.bytes - self.forgotten).map_err(io::Error::other)?;
        let mut bytes = vec![0; left];
        File::open(self.path(first.number))?.read_exact_at(&mut bytes, self.forgotten)?;
        let (records, end) = read(&bytes, AT_ONCE);
        if records.is_empty() && left > 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a record does not match its sum any more"));
        }
        let end = End { offset: self.forgotten + length(end), records: records.len() };
        Ok(Batch { records, end })
    }

    fn forget(&mut self, end: End) -> io::Result<()> {
        let Some(first) = self.segments.front_mut() else { return Ok(()) };
        self.forgotten = end.offset;
        first.records -= end.records.min(first.records);
        if self.forgotten < first.bytes {
            return Ok(());
        }
        let number = first.number;
        self.segments.pop_front();
        self.forgotten = 0;
        if self.segments.is_empty() {
            self.open = None;
        }
        fs::remove_file(self.path(number))
    }

    fn refuse(&self, record: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(self.folder.join(REFUSED))?;
        file.write_all(&framed(record))?;
        file.sync_all()
    }
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

fn sum(record: &[u8]) -> [u8; SUM_BYTES] {
    let mut sum = [0; SUM_BYTES];
    sum.iter_mut().zip(digest(&SHA256, record).as_ref()).for_each(|(to, from)| *to = *from);
    sum
}

fn framed(record: &[u8]) -> Vec<u8> {
    let length = u32::try_from(record.len()).unwrap_or(u32::MAX).to_le_bytes();
    [&length, sum(record).as_slice(), record].concat()
}

/// The whole records at the beginning, `most` of them, and where they end.
fn read(bytes: &[u8], most: usize) -> (Vec<Vec<u8>>, usize) {
    let mut records = Vec::new();
    let mut end = 0;
    while records.len() < most
        && let Some((head, rest)) = bytes.get(end..).and_then(|rest| rest.split_at_checked(HEAD_BYTES))
        && let Some((size, stored)) = head.split_first_chunk::<4>()
        && let Ok(size) = usize::try_from(u32::from_le_bytes(*size))
        && let Some(record) = rest.get(..size)
        && size > 0
        && sum(record) == *stored
    {
        records.push(record.to_vec());
        end += HEAD_BYTES + size;
    }
    (records, end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::testing::Folder;

    fn folder(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("chatapp-spool-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Folder(path)
    }

    async fn texts(spool: &Spool) -> Vec<String> {
        let batch = spool.oldest().await.unwrap();
        batch.records.into_iter().map(|record| String::from_utf8(record).unwrap()).collect()
    }

    fn segments(folder: &Folder) -> Vec<PathBuf> {
        let mut paths: Vec<_> = fs::read_dir(&folder.0).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    }

    #[tokio::test]
    async fn what_was_appended_is_read_in_order_and_forgotten() {
        let folder = folder("order");
        let spool = Spool::open(&folder.0).unwrap();
        for at in 0..600 {
            spool.append(at.to_string().into_bytes()).await.unwrap();
        }
        assert_eq!(spool.waiting(), 600);
        let mut read = Vec::new();
        while spool.waiting() > 0 {
            let batch = spool.oldest().await.unwrap();
            read.extend(batch.records.into_iter().map(|record| String::from_utf8(record).unwrap()));
            spool.forget(batch.end).await.unwrap();
        }
        assert_eq!(read, (0..600).map(|at| at.to_string()).collect::<Vec<_>>());
        assert!(segments(&folder).is_empty(), "nothing is left on disk");
        spool.append(b"later".to_vec()).await.unwrap();
        assert_eq!(texts(&spool).await, ["later"]);
    }

    #[tokio::test]
    async fn a_torn_tail_costs_nothing_that_was_answered() {
        let folder = folder("torn");
        let spool = Spool::open(&folder.0).unwrap();
        spool.append(b"one".to_vec()).await.unwrap();
        spool.append(b"two".to_vec()).await.unwrap();
        drop(spool);
        let path = segments(&folder).pop().unwrap();
        let whole = fs::read(&path).unwrap();
        let torn = framed(b"never answered");
        for cut in 1..torn.len() {
            fs::write(&path, [whole.as_slice(), &torn[..cut]].concat()).unwrap();
            let spool = Spool::open(&folder.0).unwrap();
            assert_eq!((spool.waiting(), texts(&spool).await), (2, vec!["one".to_owned(), "two".to_owned()]));
        }
        fs::write(&path, [whole.as_slice(), &[0; 64]].concat()).unwrap();
        let spool = Spool::open(&folder.0).unwrap();
        spool.append(b"three".to_vec()).await.unwrap();
        assert_eq!(texts(&spool).await, ["one", "two"]);
        spool.forget(spool.oldest().await.unwrap().end).await.unwrap();
        assert_eq!(texts(&spool).await, ["three"]);
    }

    #[test]
    fn it_has_its_bound() {
        let folder = folder("bound");
        fs::create_dir_all(&folder.0).unwrap();
        let mut files = Files::open(&folder.0, 100).unwrap();
        let record = [vec![7; 30]];
        files.append(&record).unwrap();
        files.append(&record).unwrap();
        assert_eq!(files.append(&record).unwrap_err().kind(), io::ErrorKind::StorageFull);
        let all = files.oldest().unwrap();
        assert_eq!(all.records.len(), 2);
        files.forget(all.end).unwrap();
        files.append(&record).unwrap();
    }
}
