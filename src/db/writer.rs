//! The writer: one thread, one connection, many commands to a transaction.
//!
//! A commit costs an fsync whatever it holds, so commands that arrive while one is under way share the next. Each command
//! has a savepoint of its own: one that fails (or panics) rolls back alone. Answers go out only after the commit; if the
//! commit fails, every command of the group is told so.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, Sender},
    },
    thread::{self, JoinHandle},
    time::Instant,
};

use diesel::connection::SimpleConnection as _;
use tokio::sync::oneshot;

use super::{
    DbError, DbResult,
    conn::{Conn, Manager},
};
use crate::metrics::METRICS;

/// Measured: beyond some 256 rows a larger group gains nothing and only delays its first command.
const GROUP_LIMIT: usize = 256;

/// Tells the waiting caller how it went, once the commit is decided.
type Answer = Box<dyn FnOnce(Result<(), String>) + Send>;
type Command = Box<dyn FnOnce(&mut Conn) -> Answer + Send>;

enum Job {
    Write(Command),
    Stop(oneshot::Sender<()>),
}

/// The handle of the thread. It stops when it is told to, or when the last handle is gone.
#[derive(Clone)]
pub struct Writer {
    jobs: Sender<Job>,
    /// Held so that the thread can be joined when it has been told to stop.
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Writer {
    pub fn start(manager: Manager) -> DbResult<Self> {
        let (jobs, queue) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("db-writer".into())
            .spawn(move || Loop { manager, conn: None }.run(&queue))
            .map_err(|error| DbError::Unavailable(error.to_string()))?;
        Ok(Self { jobs, thread: Arc::new(Mutex::new(Some(thread))) })
    }

    pub async fn write<T, F>(&self, command: F) -> DbResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Conn) -> DbResult<T> + Send + 'static,
    {
        self.write_then(command, || {}).await
    }

    /// The same, and does `then` after the commit and before the answer, whether somebody still waits for that or not.
    pub async fn write_then<T, F, G>(&self, command: F, then: G) -> DbResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Conn) -> DbResult<T> + Send + 'static,
        G: FnOnce() + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job: Command = Box::new(move |conn| {
            let done = in_savepoint(conn, command);
            Box::new(move |committed| {
                let outcome = match committed {
                    Ok(()) => done,
                    Err(reason) => Err(DbError::Unavailable(reason)),
                };
                then();
                // Nobody waits any more when the request was cancelled; the row is written all the same.
                let _ = answer.send(outcome);
            })
        });
        self.jobs.send(Job::Write(job)).map_err(|_gone| closed())?;
        answered.await.map_err(|_gone| closed())?
    }

    pub async fn close(&self) {
        let (stopped, wait) = oneshot::channel();
        if self.jobs.send(Job::Stop(stopped)).is_ok() {
            let _ = wait.await;
        }
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

fn closed() -> DbError {
    DbError::Unavailable("the write was not taken: the database is away or closing".into())
}

/// The command's own result; a failure leaves nothing of it behind.
fn in_savepoint<T>(conn: &mut Conn, command: impl FnOnce(&mut Conn) -> DbResult<T>) -> DbResult<T> {
    conn.batch_execute("SAVEPOINT command")?;
    let done = catch_unwind(AssertUnwindSafe(|| command(conn)))
        .unwrap_or_else(|_panic| Err(DbError::Unavailable("the command panicked".into())));
    let released = done.is_ok().then(|| conn.batch_execute("RELEASE SAVEPOINT command"));
    if let Some(Ok(())) = released {
        return done;
    }
    // PostgreSQL refuses the release when the command hid a failed query. Without the roll-back the whole transaction would
    // stay broken, and its COMMIT would quietly undo what the others were told is written.
    conn.batch_execute("ROLLBACK TO SAVEPOINT command; RELEASE SAVEPOINT command")?;
    match released {
        Some(Err(error)) => Err(error.into()),
        _failed => done,
    }
}

struct Loop {
    manager: Manager,
    /// None until the first group, and after the connection broke.
    conn: Option<Conn>,
}

impl Loop {
    fn run(mut self, queue: &Receiver<Job>) {
        while let Ok(first) = queue.recv() {
            let mut group = Vec::new();
            let mut stop = None;
            let mut next = Some(first);
            while let Some(job) = next {
                match job {
                    Job::Write(command) => group.push(command),
                    Job::Stop(stopped) => stop = Some(stopped),
                }
                next = (stop.is_none() && group.len() < GROUP_LIMIT).then(|| queue.try_recv().ok()).flatten();
            }
            self.commit(group);
            if let Some(stopped) = stop {
                drop(self.conn.take());
                let _ = stopped.send(());
                return;
            }
        }
    }

    fn commit(&mut self, group: Vec<Command>) {
        if group.is_empty() {
            return;
        }
        let size = group.len();
        let mut conn = match self.begun() {
            Ok(conn) => conn,
            // The commands are dropped unrun, which tells their callers that the database is not available.
            Err(error) => return tracing::error!(%error, size, "a group of writes could not begin"),
        };
        let began = Instant::now();
        let answers: Vec<Answer> = group.into_iter().map(|command| command(&mut conn)).collect();
        // A broken transaction refuses every query; its COMMIT would be a roll-back that looks like a success.
        let outcome = conn.batch_execute("SELECT 1").and_then(|()| conn.batch_execute("COMMIT"));
        let outcome = outcome.map_err(|error| error.to_string());
        METRICS.committed(size, began.elapsed(), outcome.is_ok());
        match &outcome {
            Ok(()) => self.conn = Some(conn),
            Err(reason) => tracing::error!(reason, size, "a group of writes was not committed"),
        }
        for answer in answers {
            answer(outcome.clone());
        }
    }

    /// A connection inside a fresh transaction. A kept one that fails is replaced once.
    fn begun(&mut self) -> DbResult<Conn> {
        if let Some(mut conn) = self.conn.take()
            && conn.batch_execute(self.manager.begin()).is_ok()
        {
            return Ok(conn);
        }
        let mut conn = self.manager.open()?;
        conn.batch_execute(self.manager.begin())?;
        Ok(conn)
    }
}
