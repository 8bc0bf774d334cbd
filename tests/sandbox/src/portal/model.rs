//! What a portal consists of, as tests and pages see it.

use actix_web::web::Bytes;
use serde::Serialize;
use serde_json::{Map, Value};

/// An employee's or a connector client's id in the portal.
pub type UserId = u32;
/// A chat's id (`chat1763` without the word).
pub type ChatId = i64;
/// A message's id in the portal's messenger.
pub type MessageId = i64;
/// An open line's id.
pub type LineId = i64;

/// What the portal pays for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// No automation: the robots' methods do not exist.
    Free,
    Commercial,
    /// REST itself is refused: `ACCESS_DENIED` for every call.
    WithoutRest,
}

/// Someone the portal knows.
#[derive(Clone, Debug)]
pub struct User {
    pub id: UserId,
    pub name: String,
    pub last_name: String,
    pub admin: bool,
    pub active: bool,
    pub phone: String,
    pub email: String,
    /// A client from outside: connector and external id. `None`: an employee.
    pub external: Option<(String, String)>,
}

impl User {
    pub fn full_name(&self) -> String {
        format!("{} {}", self.name, self.last_name).trim().to_owned()
    }
}

/// An application in this portal.
#[derive(Clone, Debug)]
pub struct Install {
    pub local_id: u32,
    pub client_id: String,
    pub active: bool,
    pub installed: bool,
    pub application_token: String,
    pub options: Map<String, Value>,
    pub user_options: Vec<(UserId, Map<String, Value>)>,
}

/// A handler bound to an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    pub id: u32,
    pub client_id: String,
    /// Upper case.
    pub event: String,
    pub handler: String,
    /// Whose tokens are sent; 0: the acting user's.
    pub auth_type: UserId,
    pub offline: bool,
}

/// A screen bound to a place.
#[derive(Clone, Debug)]
pub struct Placement {
    pub id: u32,
    pub client_id: String,
    pub placement: String,
    pub handler: String,
    pub title: String,
    pub description: String,
    pub lang_all: Map<String, Value>,
    pub options: Map<String, Value>,
    pub user_id: UserId,
}

/// A registered connector.
#[derive(Clone, Debug)]
pub struct Connector {
    pub id: String,
    pub client_id: String,
    pub name: String,
    pub icon: Value,
    pub handler: String,
    pub del_external: bool,
    pub edit_internal: bool,
    pub del_internal: bool,
    pub need_system: bool,
    pub need_signature: bool,
    pub chat_group: bool,
}

/// A connector on a line.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Status {
    pub active: bool,
    pub connection: bool,
    pub register: bool,
    pub error: bool,
    /// `ID`, `URL`, `URL_IM`, `NAME` as set by `connector.data.set`.
    pub data: Map<String, Value>,
}

impl Status {
    pub fn works(&self) -> bool {
        self.active && self.connection && self.register && !self.error
    }
}

/// An open line.
#[derive(Clone, Debug)]
pub struct Line {
    pub id: LineId,
    pub name: String,
    /// The remaining fields of its settings, scalars as strings.
    pub config: Map<String, Value>,
    pub queue: Vec<UserId>,
}

impl Line {
    pub fn setting(&self, key: &str) -> &str {
        self.config.get(key).and_then(Value::as_str).unwrap_or("")
    }

    pub fn is_on(&self, key: &str) -> bool {
        self.setting(key) == "Y"
    }
}

/// Who a message is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    Client(UserId),
    Operator(UserId),
    System,
}

impl Author {
    /// The id as events carry it; 0 is the system.
    pub fn id(self) -> UserId {
        match self {
            Self::Client(id) | Self::Operator(id) => id,
            Self::System => 0,
        }
    }
}

/// A file in a chat.
#[derive(Clone, Debug, Serialize)]
pub struct File {
    pub id: i64,
    pub name: String,
    /// `image`, `video`, `audio` or `file`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub mime: String,
    pub size: usize,
    /// Where the portal's own pages find it, relative.
    pub url: String,
    #[serde(skip)]
    pub bytes: Bytes,
}

/// A file that someone puts into a message.
#[derive(Clone, Debug)]
pub struct Upload {
    pub name: String,
    pub mime: String,
    pub bytes: Bytes,
}

impl Upload {
    pub fn new(name: &str, mime: &str, bytes: impl Into<Bytes>) -> Self {
        Self { name: name.to_owned(), mime: mime.to_owned(), bytes: bytes.into() }
    }
}

/// A message of an open-line chat.
#[derive(Clone, Debug)]
pub struct Message {
    pub id: MessageId,
    pub author: Author,
    /// With BB codes.
    pub text: String,
    pub files: Vec<File>,
    pub at_ms: i64,
    /// The spinner: handed to the connector, not confirmed yet.
    pub sending: bool,
    pub edited: bool,
    pub deleted: bool,
    /// The messenger's ids, `CONNECTOR_MID`.
    pub connector_mid: Vec<String>,
    /// Written in whisper mode: for colleagues, not for the client.
    pub whispered: bool,
    /// The talk that it belongs to.
    pub session: i64,
}

/// The current talk in a chat.
#[derive(Clone, Debug)]
pub struct Session {
    pub id: i64,
    pub parent_id: i64,
    pub closed_ms: Option<i64>,
    pub waits_for_vote: bool,
    pub vote: Option<bool>,
}

/// A chat of an open line.
#[derive(Clone, Debug)]
pub struct Chat {
    pub id: ChatId,
    pub connector: String,
    pub line: LineId,
    pub external_id: String,
    /// The client's portal user; 0 in a group chat.
    pub client: UserId,
    pub title: String,
    pub operator: Option<UserId>,
    pub session: Session,
    /// Cards that the session is linked to.
    pub cards: Vec<CardRef>,
    pub unread: u32,
    /// The delivery call marks the chat as read by the client.
    pub read_by_client: bool,
    pub messages: Vec<Message>,
    pub created_ms: i64,
}

impl Chat {
    /// `connector|line|chat|user`.
    pub fn user_code(&self) -> String {
        format!("{}|{}|{}|{}", self.connector, self.line, self.external_id, self.client)
    }
}

/// Kinds of CRM cards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CardKind {
    Lead,
    Deal,
    Contact,
    Company,
}

impl CardKind {
    pub const ALL: [Self; 4] = [Self::Lead, Self::Deal, Self::Contact, Self::Company];

    /// `lead`, `deal`, `contact`, `company`, in any case.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(name))
    }

    pub fn from_type_id(id: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.type_id() == id)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Lead => "lead",
            Self::Deal => "deal",
            Self::Contact => "contact",
            Self::Company => "company",
        }
    }

    pub fn type_id(self) -> i64 {
        match self {
            Self::Lead => 1,
            Self::Deal => 2,
            Self::Contact => 3,
            Self::Company => 4,
        }
    }
}

/// Which card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CardRef {
    pub kind: CardKind,
    pub id: i64,
}

/// A comment in a card's timeline.
#[derive(Clone, Debug)]
pub struct Comment {
    pub id: i64,
    pub author: UserId,
    pub text: String,
    pub at_ms: i64,
}

/// A CRM card.
#[derive(Clone, Debug)]
pub struct Card {
    pub at: CardRef,
    pub title: String,
    pub name: String,
    pub last_name: String,
    /// Stage of a deal or status of a lead.
    pub stage: String,
    pub phones: Vec<String>,
    pub emails: Vec<String>,
    /// Messenger values, `imol|...` among them.
    pub ims: Vec<String>,
    /// Of a deal: its contacts, the primary one first.
    pub contacts: Vec<i64>,
    pub company: Option<i64>,
    pub assigned: UserId,
    pub comments: Vec<Comment>,
    /// Who may see it besides administrators. `None`: everyone.
    pub visible_to: Option<Vec<UserId>>,
}

/// What a new card begins with.
#[derive(Clone, Debug, Default)]
pub struct NewCard {
    pub title: String,
    pub name: String,
    pub last_name: String,
    pub stage: String,
    pub phones: Vec<String>,
    pub emails: Vec<String>,
    pub ims: Vec<String>,
    pub contacts: Vec<i64>,
    pub company: Option<i64>,
    pub visible_to: Option<Vec<UserId>>,
}

/// A robot as an application registered it.
#[derive(Clone, Debug)]
pub struct Robot {
    pub client_id: String,
    pub code: String,
    pub handler: String,
    pub auth_user: UserId,
    /// `Y`, `N` or empty as registered.
    pub use_subscription: String,
    pub name: Value,
    pub description: Value,
    pub properties: Map<String, Value>,
    pub returns: Map<String, Value>,
    pub filter: Value,
    pub placement_handler: Option<String>,
}

/// A robot that someone put on a stage.
#[derive(Clone, Debug)]
pub struct Placed {
    pub id: i64,
    pub stage: String,
    pub client_id: String,
    pub code: String,
    /// Values or expressions as saved.
    pub properties: Map<String, Value>,
    /// Frozen when it was placed.
    pub use_subscription: String,
    pub auth_user: UserId,
}

/// Where a robot's step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StepState {
    /// Waits for `bizproc.event.send`.
    Waiting,
    /// Answered, or needs no answer.
    Done,
    /// Ended by a stage change.
    Terminated,
    /// The application or the robot is not there.
    Failed,
}

/// One firing of a robot.
#[derive(Clone, Debug)]
pub struct Step {
    pub workflow: String,
    pub card: CardRef,
    pub code: String,
    pub client_id: String,
    pub token: String,
    pub state: StepState,
    pub started_ms: i64,
    /// Return values, by the codes of the registration.
    pub returned: Map<String, Value>,
    pub log: Vec<String>,
}

/// A notification of the portal.
#[derive(Clone, Debug)]
pub struct Notification {
    pub user: UserId,
    pub text: String,
    pub tag: String,
    pub at_ms: i64,
}

/// A text message provider of an application.
#[derive(Clone, Debug)]
pub struct Sender {
    pub client_id: String,
    pub code: String,
    pub handler: String,
    pub name: Value,
    pub description: Value,
}

/// A text message that went to a provider.
#[derive(Clone, Debug)]
pub struct Sms {
    pub id: String,
    pub sender: String,
    pub client_id: String,
    /// The card from which it was sent.
    pub card: CardRef,
    pub to: String,
    pub text: String,
    /// `queued` until the provider says more.
    pub status: String,
}
