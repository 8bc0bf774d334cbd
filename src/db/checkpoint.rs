//! Brings what was committed from SQLite's journal into its own file, beside the writer. The writer would do it by itself after
//! a commit now and then, and whoever wants something written would wait meanwhile.

use std::{
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::{self, JoinHandle},
};

use diesel::connection::SimpleConnection as _;

use super::conn::{Conn, Manager};

/// Commands between two checkpoints: some thousand pages of the journal. (After twice as many the writer lends a hand, which is
/// also what lets the journal begin anew when it never pauses.)
const COMMANDS: usize = 500;

/// The thread that does it. It ends, and is waited for, when this is dropped.
pub struct Checkpoints {
    asks: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    commands: usize,
}

impl Checkpoints {
    /// None where there is no journal of ours.
    pub fn start(manager: &Manager) -> Option<Self> {
        if manager.is_shared() {
            return None;
        }
        let (asks, asked) = sync_channel(1);
        let manager = manager.clone();
        let thread = thread::Builder::new().name("db-checkpoint".into()).spawn(move || run(&manager, &asked));
        let thread = thread.inspect_err(|error| tracing::error!(%error, "the writer has to do its checkpoints itself"));
        Some(Self { asks: Some(asks), thread: Some(thread.ok()?), commands: 0 })
    }

    /// So many commands were committed.
    pub fn committed(&mut self, commands: usize) {
        self.commands += commands;
        if self.commands >= COMMANDS {
            self.commands = 0;
            // One that waits already will see this, too.
            let _ = self.asks.as_ref().map(|asks| asks.try_send(()));
        }
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        drop(self.asks.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(manager: &Manager, asked: &Receiver<()>) {
    let mut kept: Option<Conn> = None;
    while asked.recv().is_ok() {
        let opened = match kept.take() {
            Some(conn) => Ok(conn),
            None => manager.open(),
        };
        // Passive: it waits for nobody, and nobody for it.
        let done = opened.and_then(|mut conn| {
            conn.batch_execute("PRAGMA wal_checkpoint(PASSIVE)")?;
            Ok(conn)
        });
        match done {
            Ok(conn) => kept = Some(conn),
            Err(error) => tracing::debug!(%error, "a checkpoint failed; the next one does its work"),
        }
    }
}
