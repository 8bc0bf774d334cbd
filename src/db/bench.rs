//! For `bench` alone: what the intake is compared with (one row and a commit, without anything of ours around it), and the
//! filling of a database with more than would come in through the door in reasonable time.

use std::{sync::mpsc, thread};

use diesel::{
    Connection as _, ExpressionMethods as _, QueryDsl as _, RunQueryDsl as _, connection::SimpleConnection as _,
};
use tokio::sync::oneshot;

use super::{Db, DbError, DbResult, NewContact, NewMessage, chats, conn::SQLITE_PRAGMAS, messages, schema::chat};
use crate::{
    clock::Millis,
    domain::ids::{ChannelId, PortalId},
};

diesel::table! {
    ceiling (id) {
        id -> BigInt,
        body -> Text,
    }
}

/// One thread that inserts rows, `group` of them to a commit.
#[derive(Clone)]
pub struct Ceiling {
    rows: mpsc::Sender<Waiting>,
}

/// A row, and whom its commit is told.
type Waiting = (String, oneshot::Sender<bool>);

impl Ceiling {
    /// Opens a SQLite file of its own with the pragmas of the real one.
    pub fn open(path: &str, group: usize) -> DbResult<Self> {
        let away = |error: &dyn std::fmt::Display| DbError::Unavailable(error.to_string());
        let mut conn = diesel::SqliteConnection::establish(path).map_err(|error| away(&error))?;
        conn.batch_execute(SQLITE_PRAGMAS)?;
        conn.batch_execute("CREATE TABLE ceiling (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, body TEXT NOT NULL)")?;
        let (rows, queue) = mpsc::channel();
        let work = move || {
            while let Ok(first) = queue.recv() {
                let waiting: Vec<Waiting> = std::iter::once(first).chain(queue.try_iter().take(group - 1)).collect();
                let done = insert_all(&mut conn, &waiting).is_ok();
                for (_row, answer) in waiting {
                    // Whoever does not wait any more needs no answer.
                    let _ = answer.send(done);
                }
            }
        };
        thread::Builder::new().name("ceiling".into()).spawn(work).map_err(|error| away(&error))?;
        Ok(Self { rows })
    }

    /// Resolves after the commit.
    pub fn insert(&self, body: String) -> oneshot::Receiver<bool> {
        let (answer, answered) = oneshot::channel();
        // A thread that is gone drops the answer, which tells the caller.
        let _ = self.rows.send((body, answer));
        answered
    }
}

fn insert_all(conn: &mut diesel::SqliteConnection, rows: &[Waiting]) -> DbResult<()> {
    conn.batch_execute("BEGIN IMMEDIATE")?;
    for (body, _) in rows {
        diesel::insert_into(ceiling::table).values(ceiling::body.eq(body)).execute(conn)?;
    }
    Ok(conn.batch_execute("COMMIT")?)
}

impl Db {
    /// Chats that the portal knows already, by its own numbers.
    pub async fn bench_chats(
        &self,
        portal: &PortalId,
        channel: ChannelId,
        known: Vec<(String, NewContact, i64)>,
        now: Millis,
    ) -> DbResult<()> {
        let portal = portal.0.clone();
        self.write(move |conn| {
            for (peer, who, number) in &known {
                let other = chats::Other { channel: &channel, peer, who: Some(who), group: None };
                let (id, _contact) = chats::upsert(conn, &portal, other, (now, None))?;
                diesel::update(chat::table.find(id)).set(chat::b24_chat_id.eq(number)).execute(conn)?;
            }
            Ok(())
        })
        .await
    }

    /// Messages with their deliveries, as if they had come in and been expanded.
    pub async fn bench_messages(&self, portal: &PortalId, new: Vec<NewMessage>, now: Millis) -> DbResult<()> {
        let portal = portal.0.clone();
        self.write(move |conn| {
            new.iter().try_for_each(|message| messages::insert(conn, &portal, message, now).map(drop))
        })
        .await
    }
}
