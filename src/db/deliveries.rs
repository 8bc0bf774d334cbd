//! Deliveries: intended transfers to the other side, and the attempts at them.
//!
//! A *lane* is the order in which the deliveries of one chat in one direction must happen: only the oldest open delivery
//! of a lane may run. A delivery is open while it waits, runs or is parked, so a failing one holds its lane and nothing else.

use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, QueryDsl as _, Queryable, RunQueryDsl as _, dsl::exists,
};

use super::{
    Db, DbError, DbResult,
    conn::Conn,
    schema::{attempt, delivery, portal},
    stored_enum,
};
use crate::{
    clock::Millis,
    domain::ids::{ChannelId, ChatId, DeliveryId, InstallationId, MessageId, PartId, PortalId, RunId},
};

stored_enum! {
    DeliveryState {
        Waiting = "waiting",
        /// An attempt is under way.
        Sending = "sending",
        /// Held until a person has repaired the channel.
        Parked = "parked",
        Done = "done",
        Failed = "failed",
        /// It may have happened; nobody could tell. Never repeated blindly.
        Unknown = "unknown",
        /// Made pointless by another delivery's failure.
        Cancelled = "cancelled",
    }
}

stored_enum! {
    DeliveryKind {
        /// A part of an operator's message to the messenger.
        ToCore = "to_core",
        /// A client's message to the Open Channel.
        ToPortal = "to_portal",
        /// The delivery status of an operator's message.
        Status = "status",
        /// A system text in the Open Channel: a failure, or what a robot or a card sent.
        Note = "note",
        /// A text to an address, by a robot or from a card.
        ToAddress = "to_address",
        /// `bizproc.event.send`.
        RobotAnswer = "robot_answer",
        /// A comment in the CRM card.
        CardComment = "card_comment",
        /// Setting the application up in its portal.
        Provision = "provision",
        /// Finding out whether an announced uninstall is true.
        Uninstall = "uninstall",
    }
}

/// Lower runs first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    Urgent,
    Normal,
    Status,
}

impl Priority {
    const fn number(self) -> i32 {
        match self {
            Self::Urgent => 0,
            Self::Normal => 1,
            Self::Status => 9,
        }
    }
}

/// Which lane a new delivery joins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Towards the messenger, of the chat that the message is written into.
    ChatOut,
    /// Towards the portal, of the chat that the message is written into.
    ChatIn,
    /// The same of a chat that is known already.
    OutOf(ChatId),
    InOf(ChatId),
    /// Statuses of a chat: they wait for nobody and nobody waits for them.
    StatusOf(ChatId),
    /// Texts to one address of a channel that is no chat yet.
    Address(ChannelId, String),
    Run(RunId),
    Card(RunId),
    Installation(InstallationId),
}

impl Lane {
    fn text(&self) -> DbResult<String> {
        Ok(match self {
            Self::ChatOut | Self::ChatIn => return Err(DbError::Corrupt("a lane without its chat".into())),
            Self::OutOf(chat) => format!("out:{chat}"),
            Self::InOf(chat) => format!("in:{chat}"),
            Self::StatusOf(chat) => format!("status:{chat}"),
            Self::Address(channel, address) => format!("address:{channel}:{address}"),
            Self::Run(run) => format!("run:{run}"),
            Self::Card(run) => format!("card:{run}"),
            Self::Installation(id) => format!("installation:{id}"),
        })
    }
}

#[derive(Clone, Debug)]
pub struct NewDelivery {
    pub lane: Lane,
    pub kind: DeliveryKind,
    pub priority: Priority,
    pub message: Option<MessageId>,
    pub part: Option<PartId>,
    pub run: Option<RunId>,
    /// JSON, read by the kind's own code in `relay`.
    pub payload: String,
    pub due_at: Millis,
}

impl NewDelivery {
    pub fn new(lane: Lane, kind: DeliveryKind, due_at: Millis) -> Self {
        let priority = if kind == DeliveryKind::Status { Priority::Status } else { Priority::Normal };
        Self { lane, kind, priority, message: None, part: None, run: None, payload: "{}".into(), due_at }
    }

    #[must_use]
    pub fn payload(mut self, payload: &impl serde::Serialize) -> Self {
        self.payload = serde_json::to_string(payload).unwrap_or_else(|_never| "{}".into());
        self
    }

    #[must_use]
    pub fn message(mut self, message: MessageId) -> Self {
        self.message = Some(message);
        self
    }

    #[must_use]
    pub fn run(mut self, run: RunId) -> Self {
        self.run = Some(run);
        self
    }

    #[must_use]
    pub fn urgent(mut self) -> Self {
        self.priority = Priority::Urgent;
        self
    }

    pub(super) fn in_chat(mut self, chat: ChatId) -> Self {
        self.lane = match self.lane {
            Lane::ChatOut => Lane::OutOf(chat),
            Lane::ChatIn => Lane::InOf(chat),
            other => other,
        };
        self
    }
}

#[derive(Clone, Debug)]
pub struct Delivery {
    pub id: DeliveryId,
    pub portal: PortalId,
    pub kind: DeliveryKind,
    pub message: Option<MessageId>,
    pub part: Option<PartId>,
    pub run: Option<RunId>,
    pub payload: String,
    pub state: DeliveryState,
    /// How many attempts have been made, this one included.
    pub tries: i32,
    pub told: Option<String>,
    pub error: Option<String>,
    pub created_at: Millis,
}

#[derive(Queryable)]
struct Row {
    id: i64,
    portal_id: String,
    _lane: String,
    kind: String,
    _priority: i32,
    message_id: Option<i64>,
    part_id: Option<i64>,
    run_id: Option<i64>,
    payload: String,
    state: String,
    _due_at: i64,
    tries: i32,
    told: Option<String>,
    error: Option<String>,
    created_at: i64,
    _changed_at: i64,
}

impl TryFrom<Row> for Delivery {
    type Error = DbError;

    fn try_from(row: Row) -> DbResult<Self> {
        Ok(Self {
            id: DeliveryId(row.id),
            portal: PortalId(row.portal_id),
            kind: DeliveryKind::read(&row.kind)?,
            message: row.message_id.map(MessageId),
            part: row.part_id.map(PartId),
            run: row.run_id.map(RunId),
            payload: row.payload,
            state: DeliveryState::read(&row.state)?,
            tries: row.tries,
            told: row.told,
            error: row.error,
            created_at: Millis(row.created_at),
        })
    }
}

/// Deliveries that are not finished, and those that ended badly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenCounts {
    pub waiting: i64,
    pub sending: i64,
    pub parked: i64,
    pub failed: i64,
    pub unknown: i64,
    /// Inbox items not yet expanded.
    pub inbox: i64,
    /// Inbox items given up.
    pub inbox_dead: i64,
}

const OPEN: [&str; 3] = [DeliveryState::Waiting.text(), DeliveryState::Sending.text(), DeliveryState::Parked.text()];

pub(super) fn insert(conn: &mut Conn, portal: &str, new: &NewDelivery, now: Millis) -> DbResult<()> {
    diesel::insert_into(delivery::table)
        .values((
            delivery::portal_id.eq(portal),
            delivery::lane.eq(new.lane.text()?),
            delivery::kind.eq(new.kind.text()),
            delivery::priority.eq(new.priority.number()),
            delivery::message_id.eq(new.message.map(|id| id.0)),
            delivery::part_id.eq(new.part.map(|id| id.0)),
            delivery::run_id.eq(new.run.map(|id| id.0)),
            delivery::payload.eq(&new.payload),
            delivery::state.eq(DeliveryState::Waiting.text()),
            delivery::due_at.eq(new.due_at.0),
            delivery::tries.eq(0),
            delivery::created_at.eq(now.0),
            delivery::changed_at.eq(now.0),
        ))
        .execute(conn)?;
    Ok(())
}

impl Db {
    /// Adds deliveries that belong to no message.
    pub async fn delivery_add(&self, portal: &PortalId, new: NewDelivery, now: Millis) -> DbResult<()> {
        let portal = portal.0.clone();
        self.write(move |conn| insert(conn, &portal, &new, now)).await
    }

    /// Takes due deliveries of all portals, at most one per lane, and records that an attempt at each begins.
    pub async fn delivery_claim(&self, limit: i64, now: Millis) -> DbResult<Vec<Delivery>> {
        self.write(move |conn| {
            let older = diesel::alias!(delivery as older);
            let blocked = older
                .filter(older.field(delivery::lane).eq(delivery::lane))
                .filter(older.field(delivery::id).lt(delivery::id))
                .filter(older.field(delivery::state).eq_any(OPEN));
            let runs = portal::table.filter(portal::id.eq(delivery::portal_id)).filter(portal::state.eq("active"));
            let rows: Vec<Row> = delivery::table
                .filter(delivery::state.eq(DeliveryState::Waiting.text()))
                .filter(delivery::due_at.le(now.0))
                .filter(diesel::dsl::not(exists(blocked)))
                .filter(exists(runs).or(delivery::kind.eq(DeliveryKind::Uninstall.text())))
                .order((delivery::priority, delivery::due_at, delivery::id))
                .limit(limit)
                .load(conn)?;
            let mut claimed = Vec::with_capacity(rows.len());
            for mut row in rows {
                diesel::update(delivery::table.find(row.id))
                    .set((
                        delivery::state.eq(DeliveryState::Sending.text()),
                        delivery::tries.eq(delivery::tries + 1),
                        delivery::changed_at.eq(now.0),
                    ))
                    .execute(conn)?;
                diesel::insert_into(attempt::table)
                    .values((
                        attempt::portal_id.eq(&row.portal_id),
                        attempt::delivery_id.eq(row.id),
                        attempt::started_at.eq(now.0),
                    ))
                    .execute(conn)?;
                row.tries += 1;
                row.state = DeliveryState::Sending.text().into();
                claimed.push(Delivery::try_from(row)?);
            }
            Ok(claimed)
        })
        .await
    }

    /// When the next waiting delivery is due, if any.
    pub async fn delivery_next_due(&self) -> DbResult<Option<Millis>> {
        self.read(move |conn| {
            let next: Option<i64> = delivery::table
                .filter(delivery::state.eq(DeliveryState::Waiting.text()))
                .select(diesel::dsl::min(delivery::due_at))
                .first(conn)?;
            Ok(next.map(Millis))
        })
        .await
    }

    /// After a crash: attempts that nobody finished. What may be repeated without harm waits again; for the rest nobody
    /// knows whether it happened, so it is shown as unknown. Returns how many of each.
    pub async fn delivery_sweep(&self, repeatable: &'static [DeliveryKind], now: Millis) -> DbResult<(usize, usize)> {
        self.write(move |conn| {
            let kinds: Vec<&str> = repeatable.iter().map(|kind| kind.text()).collect();
            let sending = delivery::state.eq(DeliveryState::Sending.text());
            diesel::update(attempt::table.filter(attempt::ended_at.is_null()))
                .set((attempt::ended_at.eq(now.0), attempt::outcome.eq("interrupted")))
                .execute(conn)?;
            let again = diesel::update(delivery::table.filter(sending.and(delivery::kind.eq_any(kinds))))
                .set((delivery::state.eq(DeliveryState::Waiting.text()), delivery::due_at.eq(now.0)))
                .execute(conn)?;
            let unknown = diesel::update(delivery::table.filter(delivery::state.eq(DeliveryState::Sending.text())))
                .set((delivery::state.eq(DeliveryState::Unknown.text()), delivery::error.eq("interrupted")))
                .execute(conn)?;
            Ok((again, unknown))
        })
        .await
    }

    /// Lets the deliveries of a portal that wait for a repaired channel run again.
    pub async fn delivery_resume(&self, portal: &PortalId, now: Millis) -> DbResult<usize> {
        let portal = portal.0.clone();
        self.write(move |conn| {
            let parked = delivery::portal_id.eq(portal).and(delivery::state.eq(DeliveryState::Parked.text()));
            Ok(diesel::update(delivery::table.filter(parked))
                .set((delivery::state.eq(DeliveryState::Waiting.text()), delivery::due_at.eq(now.0)))
                .execute(conn)?)
        })
        .await
    }

    /// True while a delivery of this kind is open in the lane.
    pub async fn delivery_open_in(&self, portal: &PortalId, lane: Lane, kind: DeliveryKind) -> DbResult<bool> {
        let (portal, lane) = (portal.0.clone(), lane.text()?);
        self.read(move |conn| {
            let open = delivery::table
                .filter(delivery::portal_id.eq(portal).and(delivery::lane.eq(lane)).and(delivery::kind.eq(kind.text())))
                .filter(delivery::state.eq_any(OPEN));
            Ok(open.count().get_result::<i64>(conn)? > 0)
        })
        .await
    }

    /// The deliveries of a message, for pages.
    pub async fn delivery_of_message(&self, portal: &PortalId, message: MessageId) -> DbResult<Vec<Delivery>> {
        let portal = portal.0.clone();
        self.read(move |conn| {
            let rows: Vec<Row> = delivery::table
                .filter(delivery::portal_id.eq(portal).and(delivery::message_id.eq(message.0)))
                .order(delivery::id)
                .load(conn)?;
            rows.into_iter().map(Delivery::try_from).collect()
        })
        .await
    }

    /// Newest deliveries of a lane, newest first, for pages: the state of what was asked for.
    pub async fn delivery_newest_in(&self, portal: &PortalId, lane: Lane, limit: i64) -> DbResult<Vec<Delivery>> {
        let (portal, lane) = (portal.0.clone(), lane.text()?);
        self.read(move |conn| {
            let rows: Vec<Row> = delivery::table
                .filter(delivery::portal_id.eq(portal).and(delivery::lane.eq(lane)))
                .order(delivery::id.desc())
                .limit(limit)
                .load(conn)?;
            rows.into_iter().map(Delivery::try_from).collect()
        })
        .await
    }

    /// What is left, over all portals: for `/health` and for tests that must leave nothing behind.
    pub async fn delivery_counts(&self) -> DbResult<OpenCounts> {
        use super::schema::inbox;
        self.read(move |conn| {
            let rows: Vec<(String, i64)> = delivery::table
                .group_by(delivery::state)
                .select((delivery::state, diesel::dsl::count_star()))
                .load(conn)?;
            let items: Vec<(String, i64)> =
                inbox::table.group_by(inbox::state).select((inbox::state, diesel::dsl::count_star())).load(conn)?;
            let of = |rows: &[(String, i64)], state: &str| {
                rows.iter().find(|(name, _)| name == state).map_or(0, |(_, count)| *count)
            };
            Ok(OpenCounts {
                waiting: of(&rows, DeliveryState::Waiting.text()),
                sending: of(&rows, DeliveryState::Sending.text()),
                parked: of(&rows, DeliveryState::Parked.text()),
                failed: of(&rows, DeliveryState::Failed.text()),
                unknown: of(&rows, DeliveryState::Unknown.text()),
                inbox: of(&items, "new"),
                inbox_dead: of(&items, "dead"),
            })
        })
        .await
    }
}
