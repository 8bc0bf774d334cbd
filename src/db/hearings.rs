//! When a channel is compared with what its core remembers, and up to when that has been done. Only channels that are connected have
//! a row here.

use std::time::Duration;

use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, RunQueryDsl as _,
};

use super::{
    Db, DbResult, Intake, NewDelivery,
    conn::Conn,
    deliveries::{DeliveryKind, Lane},
    dispatch, on_each,
    schema::{binding, channel, hearing},
};
use crate::{
    clock::Millis,
    domain::ids::{ChannelId, PortalId},
    messaging::CoreKind,
};

/// Rows written at once when every channel is to be looked at.
const AT_ONCE: usize = 256;

/// A channel, and whose it is.
type Remembered = (String, String);

/// Has a channel looked at, not later than `at`. A new row begins with what is told from `complete_to` on.
fn expect(conn: &mut Conn, (id, owner): &Remembered, (at, complete_to): (Millis, Millis)) -> DbResult<()> {
    let row = (
        hearing::channel_id.eq(id),
        hearing::portal_id.eq(owner),
        hearing::look_at.eq(at.0),
        hearing::complete_to.eq(complete_to.0),
    );
    on_each!(conn, |c| diesel::insert_into(hearing::table).values(row).on_conflict_do_nothing().execute(c))?;
    let own = hearing::channel_id.eq(id).and(hearing::portal_id.eq(owner));
    diesel::update(hearing::table.filter(own.and(hearing::look_at.gt(at.0))))
        .set(hearing::look_at.eq(at.0))
        .execute(conn)?;
    Ok(())
}

/// Turns a channel's due look into a delivery, unless another node was faster or one is under way.
fn begin(conn: &mut Conn, (id, owner, due): (String, String, i64), every: Duration, now: Millis) -> DbResult<()> {
    let taken = diesel::update(hearing::table.find(&id).filter(hearing::look_at.eq(due)))
        .set(hearing::look_at.eq(now.after(every).0))
        .execute(conn)?;
    if taken == 0 {
        return Ok(());
    }
    let look = NewDelivery::new(Lane::Hearing(ChannelId(id.clone())), DeliveryKind::Hearing, now);
    dispatch::insert_look(conn, &owner, &look.payload(&serde_json::json!({ "channel": id })), now)
}

impl Db {
    /// Has a channel looked at, not later than `at`; of one that is new here, what is told from now on.
    pub async fn hearing_expect(&self, portal: &PortalId, id: &ChannelId, at: Millis, now: Millis) -> DbResult<()> {
        let remembered = (id.0.clone(), portal.0.clone());
        self.write(move |conn| expect(conn, &remembered, (at, now))).await
    }

    /// The same for every connected channel whose core remembers, or posts, of whatever it remembers.
    pub async fn hearing_expect_all(&self, at: Millis) -> DbResult<usize> {
        let remembered: Vec<Remembered> = self
            .read(move |conn| {
                let bound = binding::table.select(binding::channel_id);
                let hears = channel::core.eq(CoreKind::Chatapp.name()).or(channel::intake.eq(Intake::Webhook.text()));
                Ok(channel::table
                    .filter(hears.and(channel::id.eq_any(bound)))
                    .select((channel::id, channel::portal_id))
                    .load(conn)?)
            })
            .await?;
        for some in remembered.chunks(AT_ONCE).map(<[Remembered]>::to_vec) {
            self.write(move |conn| some.iter().try_for_each(|one| expect(conn, one, (at, Millis(0))))).await?;
        }
        Ok(remembered.len())
    }

    /// Turns due looks into deliveries, those that have waited longest first, and has each repeated after `every`.
    pub async fn hearing_begin_due(&self, limit: i64, every: Duration, now: Millis) -> DbResult<()> {
        let is_due = move |conn: &mut Conn| -> DbResult<Vec<(String, String, i64)>> {
            let due = hearing::table.filter(hearing::look_at.le(now.0)).order(hearing::look_at).limit(limit);
            Ok(due.select((hearing::channel_id, hearing::portal_id, hearing::look_at)).load(conn)?)
        };
        // Mostly nothing is due, and reading keeps nobody who writes.
        let due = self.read(is_due).await?;
        if !due.is_empty() {
            self.write(move |conn| due.iter().try_for_each(|row| begin(conn, row.clone(), every, now))).await?;
        }
        Ok(())
    }

    /// Up to when everything that the core remembers has been brought here.
    pub async fn hearing_complete_to(&self, portal: &PortalId, id: &ChannelId) -> DbResult<Option<Millis>> {
        let (owner, id) = (portal.0.clone(), id.0.clone());
        self.read(move |conn| {
            let own = hearing::table.find(id).filter(hearing::portal_id.eq(owner));
            let known: Option<i64> = own.select(hearing::complete_to).first(conn).optional()?;
            Ok(known.map(Millis))
        })
        .await
    }

    /// Everything from before `complete_to` is here.
    pub async fn hearing_completed(&self, portal: &PortalId, id: &ChannelId, complete_to: Millis) -> DbResult<()> {
        let (owner, id) = (portal.0.clone(), id.0.clone());
        self.write(move |conn| {
            let own = hearing::portal_id.eq(owner).and(hearing::complete_to.lt(complete_to.0));
            diesel::update(hearing::table.find(id).filter(own))
                .set(hearing::complete_to.eq(complete_to.0))
                .execute(conn)?;
            Ok(())
        })
        .await
    }

    /// The channel is not connected any more.
    pub async fn hearing_end(&self, portal: &PortalId, id: &ChannelId) -> DbResult<()> {
        let (owner, id) = (portal.0.clone(), id.0.clone());
        self.write(move |conn| {
            diesel::delete(hearing::table.find(id).filter(hearing::portal_id.eq(owner))).execute(conn)?;
            Ok(())
        })
        .await
    }
}
