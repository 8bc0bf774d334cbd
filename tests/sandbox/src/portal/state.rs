//! The portal's memory.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

use super::model::{
    Binding, Card, CardRef, Chat, ChatId, Connector, File, Install, Line, LineId, Notification, Placed, Placement,
    Plan, Robot, Sender, Sms, Status, Step, User, UserId,
};

/// A frame that was opened: what the bridge knows by its `APP_SID`.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    pub client_id: String,
    pub user: UserId,
    pub placement: String,
    pub options: Value,
    /// The install page is shown.
    pub install: bool,
    pub lang: String,
    pub access: String,
    pub refresh: String,
}

/// A file that is downloadable by token.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub file: i64,
    pub expires_ms: i64,
}

pub(crate) struct State {
    pub title: String,
    pub domain: String,
    /// Domains that the portal had before; they redirect.
    pub former: HashSet<String>,
    pub lang: String,
    pub plan: Plan,
    pub users: BTreeMap<UserId, User>,
    /// Employees to whom the administrator has not opened the application.
    pub closed_to: HashSet<UserId>,
    pub installs: BTreeMap<String, Install>,
    pub frames: HashMap<String, Opened>,
    pub bindings: Vec<Binding>,
    pub placements: Vec<Placement>,
    pub connectors: BTreeMap<String, Connector>,
    pub statuses: BTreeMap<(String, LineId), Status>,
    pub lines: BTreeMap<LineId, Line>,
    pub chats: BTreeMap<ChatId, Chat>,
    pub files: HashMap<i64, File>,
    /// Files that a page has uploaded and no message holds yet.
    pub uploads: HashMap<String, super::model::Upload>,
    pub links: HashMap<String, Link>,
    pub cards: BTreeMap<CardRef, Card>,
    pub robots: BTreeMap<(String, String), Robot>,
    pub placed: Vec<Placed>,
    pub steps: Vec<Step>,
    pub notifications: Vec<Notification>,
    pub senders: Vec<Sender>,
    pub sms: Vec<Sms>,
    next: BTreeMap<Counter, i64>,
}

/// Things that are numbered. The starts differ, so that a mixed-up id does not work by chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Counter {
    App,
    Handler,
    Line,
    Chat,
    Session,
    Message,
    Client,
    File,
    Card,
    Comment,
    Placed,
}

impl Counter {
    fn start(self) -> i64 {
        match self {
            Self::App => 11,
            Self::Handler => 151,
            Self::Line => 1,
            Self::Chat => 1761,
            Self::Session => 321,
            Self::Message => 85_831,
            Self::Client => 585,
            Self::File => 5437,
            Self::Card => 1205,
            Self::Comment => 999,
            Self::Placed => 41,
        }
    }
}

impl State {
    pub fn new(title: String, domain: String) -> Self {
        Self {
            title,
            domain,
            former: HashSet::new(),
            lang: "ru".to_owned(),
            plan: Plan::Commercial,
            users: BTreeMap::new(),
            closed_to: HashSet::new(),
            installs: BTreeMap::new(),
            frames: HashMap::new(),
            bindings: Vec::new(),
            placements: Vec::new(),
            connectors: BTreeMap::new(),
            statuses: BTreeMap::new(),
            lines: BTreeMap::new(),
            chats: BTreeMap::new(),
            files: HashMap::new(),
            uploads: HashMap::new(),
            links: HashMap::new(),
            cards: BTreeMap::new(),
            robots: BTreeMap::new(),
            placed: Vec::new(),
            steps: Vec::new(),
            notifications: Vec::new(),
            senders: Vec::new(),
            sms: Vec::new(),
            next: BTreeMap::new(),
        }
    }

    /// The next number of a kind.
    pub fn next(&mut self, counter: Counter) -> i64 {
        let slot = self.next.entry(counter).or_insert_with(|| counter.start());
        let number = *slot;
        // Real ids of one kind are rarely neighbours.
        *slot += if counter == Counter::Line { 1 } else { 2 };
        number
    }

    /// The next number as an unsigned id.
    pub fn next_id(&mut self, counter: Counter) -> u32 {
        u32::try_from(self.next(counter)).unwrap_or(u32::MAX)
    }

    pub fn is_admin(&self, user: UserId) -> bool {
        self.users.get(&user).is_some_and(|user| user.admin && user.active)
    }

    pub fn user_name(&self, user: UserId) -> String {
        self.users.get(&user).map(User::full_name).unwrap_or_default()
    }

    pub fn text(&self, russian: &str, english: &str) -> String {
        if self.lang == "ru" { russian } else { english }.to_owned()
    }
}
