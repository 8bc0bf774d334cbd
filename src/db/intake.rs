//! How a verified event becomes durable: in the inbox, or in the spool while the database is away.
//!
//! What was spooled comes before what came after it: as long as something lies in the spool, everything goes there, and
//! [`Db::spool_drain`] brings it into the inbox from the oldest on. An embedded database lies on the same disk as the spool would: it
//! has none.

use std::{path::Path, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    Accepted, Db, DbError, DbResult, NewInbox, Source,
    conn::Conn,
    inbox::insert,
    spool::{Batch, Spool},
    writer::Extent,
};
use crate::{clock::Millis, domain::ids::PortalId, failpoint, metrics::METRICS};

/// One request's items, as the spool keeps them. Files that an earlier version wrote must stay readable.
#[derive(Serialize, Deserialize)]
struct Offered {
    portal: String,
    at: i64,
    items: Vec<OfferedItem>,
}

#[derive(Serialize, Deserialize)]
struct OfferedItem {
    source: String,
    key: String,
    body: String,
}

/// What lies in the spool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spooled {
    /// Requests that wait for the database.
    pub waiting: usize,
    /// Some were refused by it for good, and are kept beside.
    pub refused: bool,
}

impl Offered {
    fn new(portal: &PortalId, items: &[NewInbox], now: Millis) -> Self {
        let item = |item: &NewInbox| OfferedItem {
            source: item.source.text(),
            key: item.key.clone(),
            body: item.body.clone(),
        };
        Self { portal: portal.0.clone(), at: now.0, items: items.iter().map(item).collect() }
    }

    fn store(&self, conn: &mut Conn) -> DbResult<()> {
        let items = self.items.iter().map(|item| {
            let source = Source::read(&item.source)?;
            Ok(NewInbox { source, key: item.key.clone(), body: item.body.clone() })
        });
        let items: Vec<NewInbox> = items.collect::<DbResult<_>>()?;
        insert(conn, &PortalId(self.portal.clone()), &items, Millis(self.at)).map(|_outcomes| ())
    }
}

impl Db {
    /// Gives the database a spool in this folder, which belongs to this process alone.
    pub fn begin_spool(&self, folder: &Path) -> std::io::Result<()> {
        let spool = Spool::open(folder)?;
        self.spool.set(spool).map_err(|_has_one| std::io::Error::other("the database has a spool already"))
    }

    /// Stores verified items; all or none. When it answers, they are durable. An item that was spooled counts as stored: whether
    /// it is a repeat is seen when the database is back.
    pub async fn inbox_accept(&self, portal: &PortalId, items: Vec<NewInbox>, now: Millis) -> DbResult<Vec<Accepted>> {
        let items = Arc::new(items);
        let outcome = self.accept(portal, Arc::clone(&items), now).await?;
        for (accepted, item) in outcome.iter().zip(items.iter()) {
            let source = item.source.kind();
            METRICS.accepted(source, *accepted == Accepted::Repeated);
            tracing::debug!(trace = %item.trace(portal), %portal, source, ?accepted, "accepted");
        }
        Ok(outcome)
    }

    async fn accept(&self, portal: &PortalId, items: Arc<Vec<NewInbox>>, now: Millis) -> DbResult<Vec<Accepted>> {
        let owner = portal.clone();
        let own = Arc::clone(&items);
        let command = move |conn: &mut Conn| insert(conn, &owner, &own, now);
        let extent = if items.len() == 1 { Extent::Statement } else { Extent::Many };
        let committed = |_accepted: &Vec<Accepted>| failpoint::pass("inbox-committed");
        let Some(spool) = self.spool.get() else {
            return self.writer.accept(extent, command).await.inspect(committed);
        };
        if spool.waiting() == 0 {
            match self.writer.write_soon(extent, command).await {
                Err(DbError::Unavailable(_why)) => {}
                done => return done.inspect(committed),
            }
        }
        let record = serde_json::to_vec(&Offered::new(portal, &items, now));
        let record = record.map_err(|error| DbError::Corrupt(error.to_string()))?;
        spool.append(record).await.map_err(DbError::Unavailable)?;
        failpoint::pass("inbox-committed");
        Ok(vec![Accepted::Stored; items.len()])
    }

    pub fn spooled(&self) -> Spooled {
        let spool = self.spool.get();
        spool.map_or_else(Spooled::default, |spool| Spooled { waiting: spool.waiting(), refused: spool.has_refused() })
    }

    /// Brings the oldest spooled items into the inbox; how many requests' it were. What is there already is a repeat, so a drain that
    /// was broken off is simply done again.
    pub async fn spool_drain(&self) -> DbResult<usize> {
        let Some(spool) = self.spool.get().filter(|spool| spool.waiting() > 0) else { return Ok(0) };
        let Batch { records, end } = spool.oldest().await.map_err(DbError::Unavailable)?;
        let drained = records.len();
        let all = Arc::new(records);
        let own = Arc::clone(&all);
        match self.write(move |conn| own.iter().try_for_each(|record| store(conn, record))).await {
            Ok(()) => {}
            Err(DbError::Unavailable(why)) => return Err(DbError::Unavailable(why)),
            // One of them is refused for good. The others must not wait for it.
            Err(_refused) => self.drain_singly(spool, &all).await?,
        }
        spool.forget(end).await.map_err(DbError::Unavailable)?;
        Ok(drained)
    }

    async fn drain_singly(&self, spool: &Spool, records: &[Vec<u8>]) -> DbResult<()> {
        for record in records {
            let own = record.clone();
            match self.write(move |conn| store(conn, &own)).await {
                Ok(()) => {}
                Err(DbError::Unavailable(why)) => return Err(DbError::Unavailable(why)),
                Err(error) => {
                    tracing::error!(%error, "a spooled event is refused by the database, and put aside");
                    spool.refuse(record.clone()).await.map_err(DbError::Unavailable)?;
                }
            }
        }
        Ok(())
    }
}

fn store(conn: &mut Conn, record: &[u8]) -> DbResult<()> {
    let offered: Offered = serde_json::from_slice(record).map_err(|error| DbError::Corrupt(error.to_string()))?;
    offered.store(conn)
}
