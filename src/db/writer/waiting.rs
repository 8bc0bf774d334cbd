//! What waits for the writer, and who shares a transaction.

use std::{
    collections::VecDeque,
    sync::mpsc::Receiver,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::Command;

/// Measured: beyond some 256 rows a larger group gains nothing and only delays its first command.
const GROUP_LIMIT: usize = 256;
/// Commands for which only the server itself waits, in a group with some for which somebody outside waits: Bitrix24 slows its
/// events down for a server that answers late.
const OWN_BESIDE: usize = 4;
/// The same in a group of their own, before what came meanwhile from outside gets its turn, or the group has taken so long: in
/// PostgreSQL other nodes may wait for its rows.
const OWN_AT_ONCE: usize = 16;
const LONGEST: Duration = Duration::from_millis(5);
/// After a group with so many commands from outside others follow: they are waited for a moment, before the server's own have
/// a group of their own and everybody waits for its commit.
const CROWD: usize = 8;
pub(super) const LULL: Duration = Duration::from_micros(500);
pub(super) enum Job {
    /// Somebody outside waits for it.
    Accept(Command),
    Write(Command),
    Stop(oneshot::Sender<()>),
}

/// What the thread has been given and has not done.
#[derive(Default)]
pub(super) struct Waiting {
    accepts: VecDeque<Command>,
    own: VecDeque<Command>,
    pub(super) stop: Option<oneshot::Sender<()>>,
}

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.accepts.is_empty() && self.own.is_empty()
    }

    pub(super) fn push(&mut self, job: Job) {
        match job {
            Job::Accept(command) => self.accepts.push_back(command),
            Job::Write(command) => self.own.push_back(command),
            Job::Stop(stopped) => self.stop = Some(stopped),
        }
    }

    pub(super) fn take(&mut self, queue: &Receiver<Job>) {
        for job in queue.try_iter() {
            self.push(job);
        }
    }

    /// Waits for somebody from outside, unless one waits already.
    pub(super) fn take_accept(&mut self, queue: &Receiver<Job>, at_most: Duration) {
        let end = Instant::now() + at_most;
        while self.accepts.is_empty() {
            let Ok(job) = queue.recv_timeout(end.saturating_duration_since(Instant::now())) else { return };
            self.push(job);
        }
    }

    /// The next command of a group; None: it is whole.
    pub(super) fn next(&mut self, group: &mut Group) -> Option<Command> {
        if group.accepts + group.own >= GROUP_LIMIT {
            return None;
        }
        if group.own == 0
            && let Some(command) = self.accepts.pop_front()
        {
            group.accepts += 1;
            return Some(command);
        }
        let is_full = match group.accepts {
            // While nobody comes, a longer group saves commits.
            0 => group.own >= OWN_AT_ONCE && (!self.accepts.is_empty() || group.began.elapsed() >= LONGEST),
            _ => group.own >= OWN_BESIDE,
        };
        if is_full {
            return None;
        }
        group.own += 1;
        self.own.pop_front()
    }

    /// Drops what waits: its callers are told that nothing can be written.
    pub(super) fn refuse(&mut self) {
        self.accepts.clear();
        self.own.clear();
    }
}

/// How many commands have run in a transaction.
pub(super) struct Group {
    accepts: usize,
    own: usize,
    began: Instant,
}

impl Group {
    pub(super) fn begins() -> Self {
        Self { accepts: 0, own: 0, began: Instant::now() }
    }

    /// Whether others may be expected to come right after it.
    pub(super) fn is_crowded(&self) -> bool {
        self.accepts >= CROWD
    }
}
