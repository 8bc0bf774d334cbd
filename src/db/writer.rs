//! The writer: one thread, one connection, many commands to a transaction.
//!
//! A commit costs an fsync whatever it holds, so commands that arrive while one is under way share the next. Each command
//! has a savepoint of its own: one that fails (or panics) rolls back alone. Answers go out only after the commit; if the
//! commit fails, every command of the group is told so.
//!
//! A database that goes away is found again by the next group. A COMMIT whose answer was not seen is asked about before
//! anybody is told anything: a caller that hears of a failure may rely on it that nothing was written.

mod waiting;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use diesel::{RunQueryDsl as _, connection::SimpleConnection as _};
use tokio::sync::oneshot;

use super::{
    DbError, DbResult,
    checkpoint::Checkpoints,
    conditions::statement,
    conn::{Conn, Manager, TransactionId},
    on_each,
};
use crate::metrics::METRICS;

use waiting::{Group, Job, LULL, Waiting};

/// How long a database that was found away is not asked again: whoever writes meanwhile is told at once.
const ASK_AGAIN: Duration = Duration::from_millis(250);
/// A group that takes longer than this is held up by something: a lock, a machine that does not answer.
const HELD_UP: Duration = Duration::from_secs(2);
/// How often who waits for a group looks whether it is held up.
const LOOK: Duration = Duration::from_millis(100);
/// A thread that cannot be stopped by then hangs in the database, which has what it was given or has not.
const STOP_PATIENCE: Duration = Duration::from_secs(15);

const PANICKED: &str = "the command panicked";

/// Tells the waiting caller how it went, once the commit is decided.
type Answer = Box<dyn FnOnce(Result<(), String>) + Send>;
type Command = Box<dyn FnOnce(&mut Conn) -> Ran + Send>;

/// A command that ran inside the transaction.
struct Ran {
    answer: Answer,
    /// Why the transaction is gone, if it is, and with it all that ran before.
    broken: Option<String>,
}

/// How the thread gets on, for those who must not wait for it.
#[derive(Default)]
struct Pulse {
    /// When the database was found away, and why.
    away: Option<(Instant, String)>,
    /// When the group under way began.
    began: Option<Instant>,
}

/// The handle of the thread. It stops when it is told to, or when the last handle is gone.
#[derive(Clone)]
pub struct Writer {
    jobs: Sender<Job>,
    pulse: Arc<Mutex<Pulse>>,
    /// Held so that the thread can be joined when it has been told to stop.
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Writer {
    pub fn start(manager: Manager) -> DbResult<Self> {
        let (jobs, queue) = mpsc::channel();
        let pulse = Arc::<Mutex<Pulse>>::default();
        let checkpoints = Checkpoints::start(&manager);
        let own = Loop { manager, checkpoints, crowded: false, conn: None, unseen: None, pulse: Arc::clone(&pulse) };
        let thread = thread::Builder::new()
            .name("db-writer".into())
            .spawn(move || own.run(&queue))
            .map_err(|error| DbError::Unavailable(error.to_string()))?;
        Ok(Self { jobs, pulse, thread: Arc::new(Mutex::new(Some(thread))) })
    }

    pub async fn write<T, F>(&self, command: F) -> DbResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Conn) -> DbResult<T> + Send + 'static,
    {
        self.write_then(command, |_done| {}).await
    }

    /// The same, and does `then` after the commit and before the answer and the next transaction, whether somebody still waits
    /// for that or not. It is told whether the command is done.
    pub async fn write_then<T, F, G>(&self, command: F, then: G) -> DbResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Conn) -> DbResult<T> + Send + 'static,
        G: FnOnce(bool) + Send + 'static,
    {
        self.give((Extent::Many, command), then, Job::Write).await
    }

    /// The same before everything for which only the server itself waits.
    pub async fn accept<T, F>(&self, extent: Extent, command: F) -> DbResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Conn) -> DbResult<T> + Send + 'static,
    {
        self.give((extent, command), |_done| {}, Job::Accept).await
    }

    async fn give<T, F, G>(&self, (extent, command): (Extent, F), then: G, job: fn(Command) -> Job) -> DbResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Conn) -> DbResult<T> + Send + 'static,
        G: FnOnce(bool) + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let command: Command = Box::new(move |conn| {
            let (done, broken) = match extent {
                Extent::Statement if conn.undoes_a_statement() => alone(conn, command),
                _ => in_savepoint(conn, command),
            };
            let answer = Box::new(move |committed| {
                let outcome = match committed {
                    Ok(()) => done,
                    Err(reason) => Err(DbError::Unavailable(reason)),
                };
                then(outcome.is_ok());
                // Nobody waits any more when the request was cancelled; the row is written all the same.
                let _ = answer.send(outcome);
            });
            Ran { answer, broken }
        });
        self.jobs.send(job(command)).map_err(|_gone| closed())?;
        answered.await.map_err(|_gone| closed())?
    }

    /// The same for somebody who has another place to write to: fails as soon as the database is known to be away or held
    /// up. The command may be carried out all the same, later.
    pub async fn write_soon<T, F>(&self, extent: Extent, command: F) -> DbResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Conn) -> DbResult<T> + Send + 'static,
    {
        let trouble = || self.trouble().map_or(Ok(()), |why| Err(DbError::Unavailable(why)));
        trouble()?;
        let mut written = std::pin::pin!(self.accept(extent, command));
        loop {
            tokio::select! {
                biased;
                done = &mut written => return done,
                () = tokio::time::sleep(LOOK) => trouble()?,
            }
        }
    }

    /// Why nothing can be written now, in words for the server's operators.
    pub fn trouble(&self) -> Option<String> {
        let pulse = held(&self.pulse);
        let held_up = pulse.began.is_some_and(|began| began.elapsed() > HELD_UP);
        let away = pulse.away.as_ref().map(|(_, why)| why.clone());
        away.or_else(|| held_up.then(|| "a transaction is held up, by a lock or by a database that is silent".into()))
    }

    pub async fn close(&self) {
        let (stopped, wait) = oneshot::channel();
        if self.jobs.send(Job::Stop(stopped)).is_err() {
            return;
        }
        if tokio::time::timeout(STOP_PATIENCE, wait).await.is_err() {
            return tracing::error!("the database was silent when the server stopped");
        }
        let thread = held(&self.thread).take();
        if let Some(thread) = thread {
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

fn closed() -> DbError {
    DbError::Unavailable("the write was not taken: the database is away or closing".into())
}

/// How much a command writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// By one statement: where a database undoes a failed one by itself, a savepoint would cost more than the statement.
    Statement,
    Many,
}

/// Like [`in_savepoint`], for one statement that leaves nothing behind when it fails.
fn alone<T>(conn: &mut Conn, command: impl FnOnce(&mut Conn) -> DbResult<T>) -> (DbResult<T>, Option<String>) {
    let Ok(done) = catch_unwind(AssertUnwindSafe(|| command(conn))) else {
        return (Err(DbError::Unavailable(PANICKED.into())), Some(PANICKED.into()));
    };
    // What is not the statement's own fault may have ended the whole transaction.
    let why = done.as_ref().err().filter(|error| matches!(error, DbError::Unavailable(_))).map(ToString::to_string);
    (done, why)
}

/// The command's own result, and why the transaction is no longer there, if it is not; a failure leaves nothing of it behind.
fn in_savepoint<T>(conn: &mut Conn, command: impl FnOnce(&mut Conn) -> DbResult<T>) -> (DbResult<T>, Option<String>) {
    if let Err(error) = on_each!(conn, |c| Savepoint.execute(c)) {
        let why = error.to_string();
        return (Err(error.into()), Some(why));
    }
    let done = catch_unwind(AssertUnwindSafe(|| command(conn)))
        .unwrap_or_else(|_panic| Err(DbError::Unavailable(PANICKED.into())));
    let done = done.and_then(|done| {
        // PostgreSQL refuses the release when the command hid a failed query. Without the roll-back the whole transaction
        // would stay broken, and its COMMIT would quietly undo what the others were told is written.
        on_each!(conn, |c| Release.execute(c))?;
        Ok(done)
    });
    // A full disk, or a connection that broke, may have ended the transaction itself: then there is no savepoint any more.
    let why = done.as_ref().err().map(ToString::to_string);
    let back = |_why: &String| conn.batch_execute("ROLLBACK TO SAVEPOINT command; RELEASE SAVEPOINT command").is_err();
    (done, why.filter(back))
}

statement! { Savepoint = "SAVEPOINT command" }
statement! { Release = "RELEASE SAVEPOINT command" }

/// A group whose COMMIT was sent, and nobody knows whether it arrived.
struct Unseen {
    id: TransactionId,
    answers: Vec<Answer>,
    why: String,
}

struct Loop {
    manager: Manager,
    checkpoints: Option<Checkpoints>,
    crowded: bool,
    /// None until the first group, and after the connection broke.
    conn: Option<Conn>,
    /// Decided before anything else is written.
    unseen: Option<Unseen>,
    pulse: Arc<Mutex<Pulse>>,
}

impl Loop {
    fn run(mut self, queue: &Receiver<Job>) {
        let mut waiting = Waiting::default();
        loop {
            if waiting.is_empty() {
                if let Some(stopped) = waiting.stop {
                    drop(self.checkpoints.take());
                    drop(self.conn.take());
                    drop(self.unseen.take());
                    let _ = stopped.send(());
                    return;
                }
                let first = if self.unseen.is_some() {
                    queue.recv_timeout(ASK_AGAIN)
                } else {
                    queue.recv().map_err(Into::into)
                };
                match first {
                    Ok(job) => waiting.push(job),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
            waiting.take(queue);
            if self.crowded {
                waiting.take_accept(queue, LULL);
            }
            self.carry_out(&mut waiting, queue);
        }
    }

    /// Carries a group out, in one transaction. When the database is away, what waits is refused.
    fn carry_out(&mut self, waiting: &mut Waiting, queue: &Receiver<Job>) {
        held(&self.pulse).began = Some(Instant::now());
        // Not even a fault of a driver may end the only thread that writes.
        let done =
            catch_unwind(AssertUnwindSafe(|| self.decide() && (waiting.is_empty() || self.transact(waiting, queue))));
        if done.is_err() {
            self.away("the writer panicked".into());
        }
        if !done.unwrap_or(false) {
            waiting.refuse();
        }
        held(&self.pulse).began = None;
    }

    /// One transaction with the next commands. False when the database is away.
    fn transact(&mut self, waiting: &mut Waiting, queue: &Receiver<Job>) -> bool {
        let mut conn = match self.begun() {
            Ok(conn) => conn,
            Err(error) => {
                self.away(error.to_string());
                return false;
            }
        };
        let began = Instant::now();
        let (mut answers, mut broken) = (Vec::new(), None);
        let mut group = Group::begins();
        while broken.is_none()
            && let Some(command) = waiting.next(&mut group)
        {
            let ran = command(&mut conn);
            answers.push(ran.answer);
            broken = ran.broken;
            waiting.take(queue);
        }
        self.crowded = group.is_crowded();
        let id = match broken {
            None => conn.transaction_id().map_err(|error| error.to_string()),
            Some(why) => Err(format!("the transaction was broken off: {why}")),
        };
        let (outcome, id) = match id {
            Ok(id) => (conn.batch_execute("COMMIT").map_err(|error| error.to_string()), id),
            Err(why) => (Err(why), None),
        };
        METRICS.committed(answers.len(), began.elapsed(), outcome.is_ok());
        if let Some(checkpoints) = &mut self.checkpoints {
            checkpoints.committed(answers.len());
        }
        match (outcome, id) {
            (Err(why), Some(id)) => self.unseen = Some(Unseen { id, answers, why }),
            (outcome, _nothing_to_ask) => {
                match &outcome {
                    Ok(()) => self.conn = Some(conn),
                    Err(why) => tracing::error!(why, size = answers.len(), "a group of writes was not committed"),
                }
                for answer in answers {
                    answer(outcome.clone());
                }
            }
        }
        true
    }

    /// Finds out how the group ended of which it was not seen. False while nobody can tell.
    fn decide(&mut self) -> bool {
        let Some(unseen) = self.unseen.take() else { return true };
        if self.is_resting() {
            self.unseen = Some(unseen);
            return false;
        }
        let found = self.manager.open().and_then(|mut conn| Ok(conn.transaction_outcome(unseen.id)?));
        let outcome = match found {
            Ok(Some(true)) => Ok(()),
            Ok(Some(false)) => Err(unseen.why),
            Ok(None) => {
                self.away("the outcome of a transaction is not known yet".into());
                self.unseen = Some(unseen);
                return false;
            }
            Err(DbError::Query(error)) => Err(error.to_string()),
            Err(error) => {
                self.away(error.to_string());
                self.unseen = Some(unseen);
                return false;
            }
        };
        let size = unseen.answers.len();
        tracing::warn!(size, committed = outcome.is_ok(), "the answer to a commit was lost, and asked for");
        for answer in unseen.answers {
            answer(outcome.clone());
        }
        true
    }

    /// A connection inside a fresh transaction. A kept one that fails is replaced once.
    fn begun(&mut self) -> DbResult<Conn> {
        if let Some(mut conn) = self.conn.take()
            && conn.batch_execute(self.manager.begin()).is_ok()
        {
            return Ok(conn);
        }
        if self.is_resting() {
            return Err(closed());
        }
        let mut conn = self.manager.open_to_write()?;
        conn.batch_execute(self.manager.begin())?;
        if held(&self.pulse).away.take().is_some() {
            tracing::info!("the database is back");
        }
        Ok(conn)
    }

    /// Whether the database was found away a moment ago.
    fn is_resting(&self) -> bool {
        held(&self.pulse).away.as_ref().is_some_and(|(at, _)| at.elapsed() < ASK_AGAIN)
    }

    fn away(&self, why: String) {
        let mut pulse = held(&self.pulse);
        match &mut pulse.away {
            // Refusing in between is no news, and does not lengthen the rest.
            Some((at, _)) if at.elapsed() < ASK_AGAIN => {}
            Some((at, _)) => *at = Instant::now(),
            None => {
                tracing::error!(why, "the database is away: nothing can be written");
                pulse.away = Some((Instant::now(), why));
            }
        }
    }
}
