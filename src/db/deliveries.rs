//! Deliveries: intended transfers to the other side. `dispatch` says which of them runs when.

use std::sync::Arc;

use diesel::{BoolExpressionMethods as _, ExpressionMethods as _, QueryDsl as _, Queryable, RunQueryDsl as _};

use super::{
    Carried, Db, DbError, DbResult, First,
    conditions::{Holds, IsAsked},
    dead::DeadDelivery,
    schema::delivery,
    stored_enum,
};
use crate::{
    clock::Millis,
    domain::ids::{
        BindingId, ChannelId, ChatId, DeliveryId, InstallationId, LoginId, MessageId, PartId, PortalId, RunId, Trace,
    },
};

stored_enum! {
    DeliveryState {
        /// Behind another one of its lane.
        Queued = "queued",
        /// At the head of its lane.
        Waiting = "waiting",
        /// An attempt is under way.
        Sending = "sending",
        /// Held until a person has repaired the channel or the portal; now and then it looks for itself.
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
        /// What an operator changed in a part of his message, to the messenger.
        EditToCore = "edit_to_core",
        /// Taking an operator's message back.
        DeleteToCore = "delete_to_core",
        /// What a client changed in his message, to the Open Channel.
        EditToPortal = "edit_to_portal",
        /// The delivery status of an operator's message.
        Status = "status",
        /// A system text in the Open Channel: a failure, or what a robot or a card sent.
        Note = "note",
        /// A text to an address, by a robot or from a card.
        ToAddress = "to_address",
        /// When a robot's text goes, if it has to wait for its turn.
        RobotWaits = "robot_waits",
        /// `bizproc.event.send`.
        RobotAnswer = "robot_answer",
        /// A comment in the CRM card.
        CardComment = "card_comment",
        /// Setting the application up in its portal.
        Provision = "provision",
        /// Finding out whether an announced uninstall is true.
        Uninstall = "uninstall",
        /// Looking whether a parked portal has come back.
        Probe = "probe",
        /// Telling a portal's administrators what they can repair.
        Notice = "notice",
        /// Comparing a chat with the portal's history.
        Look = "look",
        /// Telling the customer's own system what became of a message.
        Hook = "hook",
        /// Bringing the chats of a CRM card in step with it.
        CardInStep = "card_in_step",
        /// Bringing the CRM cards of a chat in step with it.
        ChatInStep = "chat_in_step",
        /// How far a message has come that was not written down yet when its messenger told of it.
        EarlyStatus = "early_status",
        /// What became of a text for which the channel is the provider.
        SmsStatus = "sms_status",
        /// A group's new title, to the portal.
        Rename = "rename",
        /// Comparing a channel with what its core remembers.
        Hearing = "hearing",
        /// Reading which channels a login may use, and until when they are paid.
        Licenses = "licenses",
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
    pub(super) const ALL: [Self; 3] = [Self::Urgent, Self::Normal, Self::Status];

    pub(super) const fn number(self) -> i32 {
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
    /// Of its own: setting a closed portal up waits, and the word that the portal is gone must not wait behind it.
    Uninstall(InstallationId),
    /// Whether a parked portal has come back.
    Probe(PortalId),
    /// What administrators are told, by what it is about.
    Notice(PortalId, String),
    /// Comparing a chat with the portal's history: nobody waits for it.
    Look(ChatId),
    /// A CRM card by Bitrix24's type id and number, and the chats that follow it.
    CardInStep(i64, i64),
    /// The CRM cards that follow a chat.
    ChatInStep(ChatId),
    /// What a customer's own system is told, in its order.
    Hook(BindingId),
    /// What came before its message was written down, by channel and the messenger's id.
    Early(String),
    /// What the portal is told of a text, by the portal's id of it.
    Sms(String),
    /// What a group is called: no message waits for it.
    Title(ChatId),
    /// Comparing a channel with what its core remembers.
    Hearing(ChannelId),
    /// What a login may use.
    Login(LoginId),
}

impl Lane {
    pub(super) fn text(&self) -> DbResult<String> {
        Ok(match self {
            Self::ChatOut | Self::ChatIn => return Err(DbError::Corrupt("a lane without its chat".into())),
            Self::OutOf(chat) => format!("out:{chat}"),
            Self::InOf(chat) => format!("in:{chat}"),
            Self::StatusOf(chat) => format!("status:{chat}"),
            Self::Address(channel, address) => format!("address:{channel}:{address}"),
            Self::Run(run) => format!("run:{run}"),
            Self::Card(run) => format!("card:{run}"),
            Self::Installation(id) => format!("installation:{id}"),
            Self::Uninstall(id) => format!("uninstall:{id}"),
            Self::Probe(portal) => format!("probe:{portal}"),
            Self::Notice(portal, about) => format!("notice:{portal}:{about}"),
            Self::Look(chat) => format!("look:{chat}"),
            Self::CardInStep(kind, id) => format!("card_in_step:{kind}:{id}"),
            Self::ChatInStep(chat) => format!("chat_in_step:{chat}"),
            Self::Hook(binding) => format!("hook:{binding}"),
            Self::Early(message) => format!("early:{message}"),
            Self::Sms(id) => format!("sms:{id}"),
            Self::Title(chat) => format!("title:{chat}"),
            Self::Hearing(channel) => format!("hearing:{channel}"),
            Self::Login(login) => format!("login:{login}"),
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
    /// It waits for a turn of its channel, if it is the first to this person.
    pub first: Option<First>,
    /// Where it stands in its lane, if it has not to stand at the end: behind lower numbers.
    pub place: i64,
    /// Of what this follows from.
    pub trace: Option<Trace>,
}

impl NewDelivery {
    pub fn new(lane: Lane, kind: DeliveryKind, due_at: Millis) -> Self {
        let priority = match kind {
            DeliveryKind::Status
            | DeliveryKind::Look
            | DeliveryKind::Hook
            | DeliveryKind::SmsStatus
            | DeliveryKind::CardInStep
            | DeliveryKind::ChatInStep
            | DeliveryKind::Rename
            | DeliveryKind::Hearing
            | DeliveryKind::Licenses => Priority::Status,
            _other => Priority::Normal,
        };
        Self {
            lane,
            kind,
            priority,
            message: None,
            part: None,
            run: None,
            payload: "{}".into(),
            due_at,
            first: None,
            place: 0,
            trace: None,
        }
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
    /// What it carries, as it was when it was claimed.
    pub carried: Option<Arc<Carried>>,
    pub state: DeliveryState,
    /// How many attempts have been made, this one included.
    pub tries: i32,
    /// An earlier attempt may have succeeded without our seeing it: ask before trying again.
    pub uncertain: bool,
    pub told: Option<String>,
    pub error: Option<String>,
    pub created_at: Millis,
    /// Before this no attempt can have done anything.
    pub tried_at: Millis,
    pub trace: Option<Trace>,
    /// When it is tried next, or was to be.
    pub due_at: Millis,
    pub(super) lane: String,
    /// Of its portal when it was claimed.
    pub(super) epoch: i64,
    /// When the running attempt did.
    pub(super) began_at: Millis,
}

#[derive(Queryable)]
pub(super) struct Row {
    pub(super) id: i64,
    pub(super) portal_id: String,
    pub(super) lane: String,
    pub(super) kind: String,
    _priority: i32,
    pub(super) message_id: Option<i64>,
    part_id: Option<i64>,
    run_id: Option<i64>,
    payload: String,
    pub(super) state: String,
    pub(super) due_at: i64,
    pub(super) tries: i32,
    pub(super) uncertain: bool,
    told: Option<String>,
    error: Option<String>,
    created_at: i64,
    changed_at: i64,
    pub(super) place: i64,
    trace: Option<i64>,
    tried_at: Option<i64>,
}

impl DeliveryKind {
    pub const ALL: [Self; 24] = [
        Self::ToCore,
        Self::ToPortal,
        Self::Status,
        Self::Note,
        Self::ToAddress,
        Self::RobotAnswer,
        Self::CardComment,
        Self::Provision,
        Self::Uninstall,
        Self::Look,
        Self::Probe,
        Self::Notice,
        Self::RobotWaits,
        Self::EditToCore,
        Self::DeleteToCore,
        Self::EditToPortal,
        Self::Hook,
        Self::SmsStatus,
        Self::CardInStep,
        Self::ChatInStep,
        Self::EarlyStatus,
        Self::Rename,
        Self::Hearing,
        Self::Licenses,
    ];

    /// Whether it calls a messenger, or anybody else outside; all others call the portal.
    pub fn is_to_messenger(self) -> bool {
        matches!(
            self,
            Self::ToCore
                | Self::ToAddress
                | Self::EditToCore
                | Self::DeleteToCore
                | Self::Hook
                | Self::Hearing
                | Self::Licenses
        )
    }
}

impl Row {
    pub(super) fn is_to_messenger(&self) -> bool {
        DeliveryKind::read(&self.kind).is_ok_and(DeliveryKind::is_to_messenger)
    }
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
            uncertain: row.uncertain,
            told: row.told,
            error: row.error,
            created_at: Millis(row.created_at),
            tried_at: Millis(row.tried_at.unwrap_or(row.created_at)),
            trace: row.trace.map(Trace),
            due_at: Millis(row.due_at),
            lane: row.lane,
            carried: None,
            epoch: 0,
            began_at: Millis(0),
        })
    }
}

impl TryFrom<Row> for DeadDelivery {
    type Error = DbError;

    fn try_from(row: Row) -> DbResult<Self> {
        Ok(Self {
            id: DeliveryId(row.id),
            portal: PortalId(row.portal_id),
            kind: DeliveryKind::read(&row.kind)?,
            state: DeliveryState::read(&row.state)?,
            message: row.message_id.map(MessageId),
            told: row.told,
            error: row.error,
            tries: row.tries,
            created_at: Millis(row.created_at),
            ended_at: Millis(row.changed_at),
        })
    }
}

impl Db {
    /// Newest texts to addresses, notices or hooks of a lane, newest first, ended ones too: what became of them.
    pub async fn delivery_newest_in(&self, portal: &PortalId, lane: Lane, limit: i64) -> DbResult<Vec<Delivery>> {
        let (portal, lane) = (portal.0.clone(), lane.text()?);
        self.read(move |conn| {
            let rows: Vec<Row> = delivery::table
                .filter(delivery::portal_id.eq(portal).and(delivery::lane.eq(lane)).and(IsAsked))
                .order(delivery::id.desc())
                .limit(limit)
                .load(conn)?;
            rows.into_iter().map(Delivery::try_from).collect()
        })
        .await
    }

    /// Whether a lane holds something that has not begun.
    pub async fn delivery_is_ahead(&self, portal: &PortalId, lane: Lane) -> DbResult<bool> {
        let (portal, lane) = (portal.0.clone(), lane.text()?);
        self.read(move |conn| {
            let own = delivery::portal_id.eq(portal).and(delivery::lane.eq(lane));
            let waits = Holds.and(delivery::state.ne(DeliveryState::Sending.text()));
            Ok(diesel::select(diesel::dsl::exists(delivery::table.filter(own.and(waits)))).get_result(conn)?)
        })
        .await
    }

    /// Texts of a run that are still to go, those that go first first.
    pub async fn delivery_waiting_of(&self, portal: &PortalId, run: RunId) -> DbResult<Vec<Delivery>> {
        let portal = portal.0.clone();
        self.read(move |conn| {
            let waits = [DeliveryState::Queued, DeliveryState::Waiting].map(DeliveryState::text);
            let rows: Vec<Row> = delivery::table
                .filter(delivery::portal_id.eq(portal).and(delivery::run_id.eq(run.0)))
                .filter(delivery::kind.eq(DeliveryKind::ToAddress.text()).and(delivery::state.eq_any(waits)))
                .order((delivery::due_at, delivery::id))
                .load(conn)?;
            rows.into_iter().map(Delivery::try_from).collect()
        })
        .await
    }
}
