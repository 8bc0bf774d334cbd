//! Nodes: processes that work on this database, and whose portals are whose.
//!
//! A process has a number that none had before it. A portal's work is done by the node that its row names; `epoch` grows when
//! another one takes over, and what an older epoch brings back is not believed. A node that has fallen silent is declared dead by
//! any other: its portals are free, and what it was doing is marked, so that the other side is asked before anything is repeated.

use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, NullableExpressionMethods as _, OptionalExtension as _,
    QueryDsl as _, RunQueryDsl as _,
    dsl::{exists, not},
};

use super::{
    Db, DbResult, DeliveryKind, DeliveryState,
    conditions::IsSending,
    conn::Conn,
    dispatch::touch,
    on_each,
    schema::{delivery, node, portal},
};
use crate::{
    clock::Millis,
    domain::ids::{NodeId, PortalId},
};

/// What becomes of attempts that a dead node left under way.
#[derive(Clone, Copy, Debug)]
pub struct Resumption {
    /// Doing these twice is the same as doing it once: they are made again at once.
    pub repeatable: &'static [DeliveryKind],
    pub now: Millis,
    /// When the other side is asked about the rest: it may be at work on the dead node's call.
    pub ask_at: Millis,
}

/// Attempts that a dead node left under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interrupted {
    /// They are made again.
    pub again: usize,
    /// They might do something twice: the other side is asked first.
    pub uncertain: usize,
    /// Portals that are free now.
    pub portals: usize,
}

/// Frees the portals whose node is no more.
fn release(conn: &mut Conn, then: Resumption) -> DbResult<Interrupted> {
    let alive = node::table.filter(portal::node_id.eq(node::id.nullable()));
    let orphans: Vec<String> =
        portal::table.filter(portal::node_id.is_not_null().and(not(exists(alive)))).select(portal::id).load(conn)?;
    let mut interrupted = Interrupted::default();
    for owner in &orphans {
        diesel::update(portal::table.find(owner))
            .set((portal::node_id.eq(None::<i64>), portal::epoch.eq(portal::epoch + 1)))
            .execute(conn)?;
        let (again, uncertain) = sweep(conn, owner, then)?;
        interrupted.again += again;
        interrupted.uncertain += uncertain;
    }
    interrupted.portals = orphans.len();
    Ok(interrupted)
}

/// Attempts of a portal that nobody finished run again; those that might do something twice are marked.
fn sweep(conn: &mut Conn, owner: &str, then: Resumption) -> DbResult<(usize, usize)> {
    let kinds: Vec<&str> = then.repeatable.iter().map(|kind| kind.text()).collect();
    let sending = || delivery::portal_id.eq(owner).and(IsSending);
    let waits = |at: Millis| (delivery::state.eq(DeliveryState::Waiting.text()), delivery::due_at.eq(at.0));
    let again = diesel::update(delivery::table.filter(sending()).filter(delivery::kind.eq_any(kinds)))
        .set(waits(then.now))
        .execute(conn)?;
    let uncertain = diesel::update(delivery::table.filter(sending()))
        .set((waits(then.ask_at), delivery::uncertain.eq(true)))
        .execute(conn)?;
    if again + uncertain > 0 {
        touch(conn, owner, then.now.0)?;
    }
    Ok((again, uncertain))
}

impl Db {
    /// Whether other nodes can work on the same database.
    pub fn is_shared(&self) -> bool {
        self.shared
    }

    /// A process begins. What a dead one left under the same name is free at once; where nobody else can be, so is what any left.
    pub async fn node_join(&self, name: String, then: Resumption) -> DbResult<(NodeId, Interrupted)> {
        let shared = self.shared;
        self.write(move |conn| {
            if shared {
                diesel::delete(node::table.filter(node::name.eq(&name))).execute(conn)?;
            } else {
                diesel::delete(node::table).execute(conn)?;
            }
            let interrupted = release(conn, then)?;
            let id: i64 = on_each!(conn, |c| diesel::insert_into(node::table)
                .values((node::name.eq(&name), node::beat.eq(0)))
                .returning(node::id)
                .get_result(c))?;
            Ok((NodeId(id), interrupted))
        })
        .await
    }

    /// The node lives; false when it has been declared dead.
    pub async fn node_beat(&self, id: NodeId) -> DbResult<bool> {
        self.write(move |conn| {
            let beaten = diesel::update(node::table.find(id.0)).set(node::beat.eq(node::beat + 1)).execute(conn)?;
            Ok(beaten == 1)
        })
        .await
    }

    /// All nodes, each with its beat.
    pub async fn node_list(&self) -> DbResult<Vec<(NodeId, i64)>> {
        self.read(|conn| {
            let rows: Vec<(i64, i64)> = node::table.order(node::id).select((node::id, node::beat)).load(conn)?;
            Ok(rows.into_iter().map(|(id, beat)| (NodeId(id), beat)).collect())
        })
        .await
    }

    /// These nodes are no more; with none, frees what was taken in a dead node's name at the very moment of its burial.
    pub async fn node_end(&self, ended: Vec<NodeId>, then: Resumption) -> DbResult<Interrupted> {
        self.write(move |conn| {
            for id in ended {
                diesel::delete(node::table.find(id.0)).execute(conn)?;
            }
            release(conn, then)
        })
        .await
    }

    /// Takes a portal that is free; false when it is another node's, or this one is no more.
    pub async fn portal_own(&self, portal: &PortalId, me: NodeId) -> DbResult<bool> {
        let owner = portal.0.clone();
        self.write(move |conn| {
            if !is_alive(conn, me)? {
                return Ok(false);
            }
            take(conn, &owner, me)?;
            let mine = portal::table.find(&owner).filter(portal::node_id.eq(me.0)).select(portal::id);
            Ok(mine.first::<String>(conn).optional()?.is_some())
        })
        .await
    }

    /// Gives free portals and those of this node that have nothing to do now back, as many as `count`, so that others can take them.
    pub async fn node_yield(&self, me: NodeId, count: i64) -> DbResult<usize> {
        self.write(move |conn| {
            let idle: Vec<String> = portal::table
                .filter(portal::node_id.eq(me.0).and(portal::ready_at.is_null()))
                .limit(count)
                .select(portal::id)
                .load(conn)?;
            for owner in &idle {
                let working: Option<i64> = delivery::table
                    .filter(delivery::portal_id.eq(owner))
                    .filter(IsSending)
                    .select(delivery::id)
                    .first(conn)
                    .optional()?;
                if working.is_none() {
                    diesel::update(portal::table.find(owner)).set(portal::node_id.eq(None::<i64>)).execute(conn)?;
                }
            }
            Ok(idle.len())
        })
        .await
    }

    /// How many portals this node has, and how many all nodes have.
    pub async fn node_share(&self, me: NodeId) -> DbResult<(i64, i64)> {
        self.read(move |conn| {
            let owned = portal::table.filter(portal::node_id.is_not_null());
            let mine = portal::table.filter(portal::node_id.eq(me.0)).count().get_result(conn)?;
            Ok((mine, owned.count().get_result(conn)?))
        })
        .await
    }
}

pub(super) fn is_alive(conn: &mut Conn, me: NodeId) -> DbResult<bool> {
    Ok(node::table.find(me.0).select(node::id).first::<i64>(conn).optional()?.is_some())
}

/// Takes a portal if it is free; its new epoch when it was.
pub(super) fn take(conn: &mut Conn, owner: &str, me: NodeId) -> DbResult<bool> {
    let free = portal::table.filter(portal::id.eq(owner).and(portal::node_id.is_null()));
    let taken =
        diesel::update(free).set((portal::node_id.eq(me.0), portal::epoch.eq(portal::epoch + 1))).execute(conn)?;
    Ok(taken == 1)
}
