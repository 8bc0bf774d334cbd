//! The inbox: what came in, verified and durable, not yet understood. One row stands between an event and its 200.

use std::collections::BTreeSet;

use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, JoinOnDsl as _, NullableExpressionMethods as _, QueryDsl as _,
    Queryable, RunQueryDsl as _,
    dsl::{exists, not},
};

use super::{
    Db, DbError, DbResult,
    conditions::{IsNew, IsOlderNew},
    conn::Conn,
    kept::kept,
    schema::{inbox, portal},
    stored_enum,
};
use crate::{
    clock::Millis,
    domain::ids::{ChannelId, InboxId, InstallationId, NodeId, PortalId, Trace},
    failpoint,
};

stored_enum! {
    InboxState {
        New = "new",
        Done = "done",
        /// Understood, and nothing has to happen (an echo, a kind that we do not serve).
        Ignored = "ignored",
        /// Not understood after several tries; kept to be looked at.
        Dead = "dead",
    }
}

/// Who brought an item: a repeat is one only inside its source.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// An event of the portal.
    Portal(InstallationId),
    /// A firing of a robot.
    Robot(InstallationId),
    /// A text that somebody wants to be sent from a CRM card.
    Card(InstallationId),
    /// A text for which the portal has taken one of our channels as the provider.
    Sms(InstallationId),
    /// A core's webhook or poll.
    Channel(ChannelId),
}

impl Source {
    /// What brought it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Portal(_) => "portal",
            Self::Robot(_) => "robot",
            Self::Card(_) => "card",
            Self::Sms(_) => "sms",
            Self::Channel(_) => "channel",
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Self::Portal(id) => format!("portal:{id}"),
            Self::Robot(id) => format!("robot:{id}"),
            Self::Card(id) => format!("card:{id}"),
            Self::Sms(id) => format!("sms:{id}"),
            Self::Channel(id) => format!("channel:{id}"),
        }
    }

    pub(super) fn read(text: &str) -> DbResult<Self> {
        let unknown = || DbError::Corrupt(format!("inbox source `{text}`"));
        let (kind, id) = text.split_once(':').ok_or_else(unknown)?;
        let row = || id.parse().map(InstallationId).map_err(|_not_a_number| unknown());
        match kind {
            "portal" => row().map(Self::Portal),
            "robot" => row().map(Self::Robot),
            "card" => row().map(Self::Card),
            "sms" => row().map(Self::Sms),
            "channel" => Ok(Self::Channel(ChannelId(id.to_owned()))),
            _ => Err(unknown()),
        }
    }
}

#[derive(Clone, Debug)]
pub struct NewInbox {
    pub source: Source,
    /// Unique inside the source.
    pub key: String,
    /// JSON.
    pub body: String,
}

impl NewInbox {
    pub fn trace(&self, portal: &PortalId) -> Trace {
        Trace::of(portal, &self.source.text(), &self.key)
    }
}

/// What became of an offered item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    Stored,
    /// It had been stored before: nothing happens twice.
    Repeated,
}

#[derive(Clone, Debug)]
pub struct InboxItem {
    pub id: InboxId,
    pub portal: PortalId,
    pub source: Source,
    pub body: String,
    pub tries: i32,
    pub received_at: Millis,
    pub trace: Trace,
}

#[derive(Queryable)]
struct Row {
    id: i64,
    portal_id: String,
    source: String,
    dedup_key: String,
    body: String,
    _state: String,
    tries: i32,
    _due_at: i64,
    _error: Option<String>,
    received_at: i64,
}

impl TryFrom<Row> for InboxItem {
    type Error = DbError;

    fn try_from(row: Row) -> DbResult<Self> {
        Ok(Self {
            trace: Trace::of(&PortalId(row.portal_id.clone()), &row.source, &row.dedup_key),
            id: InboxId(row.id),
            portal: PortalId(row.portal_id),
            source: Source::read(&row.source)?,
            body: row.body,
            tries: row.tries,
            received_at: Millis(row.received_at),
        })
    }
}

pub(super) fn insert(conn: &mut Conn, portal: &PortalId, items: &[NewInbox], now: Millis) -> DbResult<Vec<Accepted>> {
    let mut outcome = Vec::with_capacity(items.len());
    for item in items {
        let row = (
            inbox::portal_id.eq(&portal.0),
            inbox::source.eq(item.source.text()),
            inbox::dedup_key.eq(&item.key),
            inbox::body.eq(&item.body),
            inbox::state.eq(InboxState::New.text()),
            inbox::tries.eq(0),
            inbox::due_at.eq(now.0),
            inbox::received_at.eq(now.0),
        );
        let key = (inbox::portal_id, inbox::source, inbox::dedup_key);
        let stored = kept!(conn, execute, diesel::insert_into(inbox::table).values(row).on_conflict(key).do_nothing())?;
        outcome.push(if stored == 1 { Accepted::Stored } else { Accepted::Repeated });
    }
    failpoint::pass("inbox-stored");
    Ok(outcome)
}

impl Db {
    /// The oldest items that are due of this node's portals, in the order in which they came; portals that no node has become its
    /// own where `takes`. An item that could not be expanded yet holds back the later ones of its source, which may be of the
    /// same chat, and nobody else's.
    pub async fn inbox_due(&self, me: NodeId, takes: bool, limit: i64, now: Millis) -> DbResult<Vec<InboxItem>> {
        let found: Vec<(Row, Option<String>, Option<i64>)> = self
            .read(move |conn| {
                let older = diesel::alias!(inbox as older);
                let held = older
                    .filter(older.field(inbox::portal_id).eq(inbox::portal_id))
                    .filter(older.field(inbox::source).eq(inbox::source))
                    .filter(older.field(inbox::id).lt(inbox::id))
                    .filter(older.field(inbox::due_at).gt(now.0).and(IsOlderNew));
                // Literals, so that the partial indexes are seen to fit. An item of an erased portal is expanded into nothing.
                Ok(inbox::table
                    .left_join(portal::table.on(portal::id.eq(inbox::portal_id)))
                    .filter(IsNew)
                    .filter(inbox::due_at.le(now.0))
                    .filter(portal::node_id.is_null().or(portal::node_id.eq(me.0)))
                    .filter(not(exists(held)))
                    .order(inbox::id)
                    .limit(limit)
                    .select((inbox::all_columns, portal::id.nullable(), portal::node_id.nullable()))
                    .load(conn)?)
            })
            .await?;
        let mut refused: Vec<String> = Vec::new();
        let free = found.iter().filter(|(.., node)| node.is_none());
        let free: BTreeSet<String> = free.filter_map(|(_, portal, _)| portal.clone()).collect();
        for portal in free {
            if !takes || !self.portal_own(&PortalId(portal.clone()), me).await? {
                refused.push(portal);
            }
        }
        let mine = found.into_iter().map(|(row, ..)| row).filter(|row| !refused.contains(&row.portal_id));
        mine.map(InboxItem::try_from).collect()
    }

    /// The item could not be expanded now: it is looked at again at `again_at`, or never when that is None.
    pub async fn inbox_postpone(
        &self,
        portal: &PortalId,
        id: InboxId,
        again_at: Option<Millis>,
        error: String,
    ) -> DbResult<()> {
        let portal = portal.0.clone();
        self.write(move |conn| {
            let own = inbox::table.find(id.0).filter(inbox::portal_id.eq(portal));
            match again_at {
                Some(at) => diesel::update(own)
                    .set((inbox::due_at.eq(at.0), inbox::tries.eq(inbox::tries + 1), inbox::error.eq(error)))
                    .execute(conn)?,
                None => diesel::update(own)
                    .set((inbox::state.eq(InboxState::Dead.text()), inbox::error.eq(error)))
                    .execute(conn)?,
            };
            Ok(())
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::testing;

    #[tokio::test]
    async fn an_item_that_waits_holds_back_its_source_alone() {
        let (db, _folder) = testing::db("inbox-order");
        let portal = testing::portal(&db, "p").await;
        let item = |source: &str, key: &str| NewInbox {
            source: Source::Channel(ChannelId(source.into())),
            key: key.into(),
            body: format!("\"{source}{key}\""),
        };
        let items = vec![item("a", "1"), item("b", "1"), item("a", "2")];
        db.inbox_accept(&portal, items, Millis(0)).await.unwrap();
        let due = async |at| {
            let items = db.inbox_due(testing::node(&db).await, true, 9, Millis(at)).await.unwrap();
            items.into_iter().map(|item| (item.id, item.body)).collect::<Vec<_>>()
        };
        let first = due(0).await[0].0;
        db.inbox_postpone(&portal, first, Some(Millis(50)), "not now".into()).await.unwrap();
        assert_eq!(due(10).await.into_iter().map(|(_, body)| body).collect::<Vec<_>>(), ["\"b1\""]);
        assert_eq!(due(50).await.len(), 3);
        // Given up, it holds nobody back.
        db.inbox_postpone(&portal, first, None, "never".into()).await.unwrap();
        assert_eq!(due(10).await.len(), 2);
    }

    #[tokio::test]
    async fn a_repeated_item_is_stored_once() {
        let (db, _folder) = testing::db("inbox-once");
        let portal = testing::portal(&db, "p").await;
        let item = || NewInbox { source: Source::Channel(ChannelId("a".into())), key: "1".into(), body: "{}".into() };
        assert_eq!(
            db.inbox_accept(&portal, vec![item(), item()], Millis(0)).await.unwrap(),
            [Accepted::Stored, Accepted::Repeated]
        );
        assert_eq!(db.inbox_accept(&portal, vec![item()], Millis(9)).await.unwrap(), [Accepted::Repeated]);
    }
}
