//! State of the Bot API double, its knobs for tests and its journal.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use serde_json::Value;

use super::Refused;
use crate::{
    messengers::{
        Messengers,
        model::{AccountRow, Core},
        phone::Account,
    },
    random_hex,
};

#[derive(Default)]
pub(crate) struct State {
    pub bots: Vec<BotRow>,
    pub knobs: Knobs,
    pub requests: Vec<Request>,
    pub posted: Vec<Posted>,
}

pub(crate) struct BotRow {
    pub id: i64,
    pub token: String,
    pub username: String,
    pub name: String,
    pub account: String,
    pub last_message: i64,
    pub last_update: i64,
    pub queue: VecDeque<Update>,
    /// `None`: everything but what must be asked for.
    pub allowed_updates: Option<Vec<String>>,
    pub webhook: Option<Webhook>,
    /// A task is posting this queue now.
    pub busy: bool,
    /// Counts long polls: a newer one ends the older.
    pub polls: u64,
    /// Paths that `getFile` gave, with the stored file and the end of their life in milliseconds.
    pub paths: HashMap<String, (String, String, i64)>,
}

#[derive(Clone)]
pub(crate) struct Update {
    pub id: i64,
    pub body: Value,
    pub expires_ms: i64,
    /// How often it is still to be posted.
    pub posts: u8,
}

#[derive(Clone, Default)]
pub(crate) struct Webhook {
    pub url: String,
    pub secret: String,
    pub last_error: Option<(i64, String)>,
    /// Failures in a row.
    pub failures: u32,
}

#[derive(Default)]
pub(crate) struct Knobs {
    refuse: VecDeque<Refused>,
    lose_answers: u32,
    pub slow_answers: Duration,
    pub late_answers: Duration,
    pub twice: bool,
    pub plain_http: bool,
}

impl Knobs {
    /// What tests have ordered for this call: a refusal, or a lost answer. Only for calls that send something.
    pub(super) fn ordered_for(&mut self, method: &str) -> (Option<Refused>, bool) {
        let sending = method.starts_with("send") || method.starts_with("edit");
        if !sending {
            return (None, false);
        }
        if let Some(refused) = self.refuse.pop_front() {
            return (Some(refused), false);
        }
        let lost = self.lose_answers > 0;
        self.lose_answers -= u32::from(lost);
        (None, lost)
    }
}

impl State {
    pub(crate) fn bot(&self, token: &str) -> Option<&BotRow> {
        self.bots.iter().find(|row| row.token == token)
    }

    pub(crate) fn bot_mut(&mut self, token: &str) -> Option<&mut BotRow> {
        self.bots.iter_mut().find(|row| row.token == token)
    }

    pub(crate) fn next_message_id(&mut self, token: &str) -> i64 {
        self.bot_mut(token).map_or(0, |row| {
            row.last_message += 1;
            row.last_message
        })
    }
}

/// One call of a bot's program, as it was answered. The method is in small letters.
#[derive(Clone, Debug)]
pub struct Request {
    pub token: String,
    pub method: String,
    pub status: u16,
}

/// One attempt to post an update to a webhook. `status` is 0 when nobody answered.
#[derive(Clone, Debug)]
pub struct Posted {
    pub url: String,
    pub body: Value,
    pub status: u16,
}

/// Knobs and journal of the Bot API double. Clones turn the same knobs.
#[derive(Clone)]
pub struct Telegram {
    messengers: Messengers,
}

impl Telegram {
    pub(crate) fn new(messengers: Messengers) -> Self {
        Self { messengers }
    }

    fn turn(&self, turn: impl FnOnce(&mut Knobs)) {
        self.messengers.quietly(|store| turn(&mut store.telegram.knobs));
    }

    /// The next sending call is told to wait so many seconds. Several calls queue up.
    pub fn too_many_requests_next(&self, retry_after_s: u32) {
        let refused = Refused::too_many(retry_after_s);
        self.turn(|knobs| knobs.refuse.push_back(refused));
    }

    /// The next sending call is refused. `description` is the whole text, as "Bad Request: …".
    pub fn reject_next(&self, code: u16, description: &str) {
        let refused = Refused::new(code, description);
        self.turn(|knobs| knobs.refuse.push_back(refused));
    }

    /// The next sending call takes effect, but is answered with an empty 502: the caller cannot know.
    pub fn lose_next_answer(&self) {
        self.turn(|knobs| knobs.lose_answers += 1);
    }

    /// Time that every call takes. Real time.
    pub fn delay(&self, answers: Duration) {
        self.turn(|knobs| knobs.slow_answers = answers);
    }

    /// Time between what a sending call does and its answer. Real time.
    pub fn answers_late(&self, by: Duration) {
        self.turn(|knobs| knobs.late_answers = by);
    }

    /// Posts every update twice.
    pub fn post_webhook_twice(&self, on: bool) {
        self.turn(|knobs| knobs.twice = on);
    }

    /// Takes webhook addresses without TLS, as a server of one's own with `--local` does. The cloud's does not.
    pub fn plain_http_webhooks(&self, on: bool) {
        self.turn(|knobs| knobs.plain_http = on);
    }

    pub fn requests(&self) -> Vec<Request> {
        self.messengers.read().telegram.requests.clone()
    }

    /// Every attempt to post an update, the oldest first.
    pub fn posted(&self) -> Vec<Posted> {
        self.messengers.read().telegram.posted.clone()
    }
}

/// A make-believe bot.
#[derive(Clone)]
pub struct Bot {
    messengers: Messengers,
    pub token: String,
    account: String,
}

impl Bot {
    pub fn account(&self) -> Account {
        self.messengers.phone().account(&self.account).expect("a bot has its account")
    }

    /// Updates that nobody has taken yet.
    pub fn updates_waiting(&self) -> usize {
        let store = self.messengers.read();
        store.telegram.bot(&self.token).map_or(0, |row| row.queue.len())
    }

    /// The kinds of updates that are told, as the last who asked for them wanted it; none: those that Telegram tells by default.
    pub fn allowed_updates(&self) -> Option<Vec<String>> {
        self.messengers.read().telegram.bot(&self.token)?.allowed_updates.clone()
    }

    /// As if its webhook had been set by somebody who wanted only these kinds of updates.
    pub fn tells_only(&self, kinds: &[&str]) {
        self.messengers.quietly(|store| {
            if let Some(bot) = store.telegram.bot_mut(&self.token) {
                bot.allowed_updates = Some(kinds.iter().map(|&kind| kind.to_owned()).collect());
            }
        });
    }

    /// The owner has taken the token back: every call is 401 from now on.
    pub fn revoke(&self) {
        let new = format!("{}:revoked-{}", self.token, random_hex(8));
        self.messengers.change(|store| {
            if let Some(row) = store.telegram.bot_mut(&self.token) {
                row.token.clone_from(&new);
            }
            // The account stays: people keep their chats with the bot.
            let account = store.accounts.iter_mut().find(|row| row.id == self.account);
            if let Some(account) = account {
                account.core = Core::TelegramBot { token: new };
            }
        });
    }
}

impl Messengers {
    /// Makes a bot. The token must be like `7000001:letters`, its number being the bot's id.
    pub fn add_bot(&self, token: &str, username: &str) -> Bot {
        let id =
            token.split_once(':').and_then(|(id, _)| id.parse().ok()).expect("a bot's token is <number>:<letters>");
        let account = format!("bot-{id}");
        self.change(|store| {
            store.accounts.push(AccountRow {
                id: account.clone(),
                title: "Telegram Bot".to_owned(),
                hint: format!("@{username}"),
                core: Core::TelegramBot { token: token.to_owned() },
            });
            store.telegram.bots.push(BotRow {
                id,
                token: token.to_owned(),
                username: username.to_owned(),
                name: username.to_owned(),
                account: account.clone(),
                last_message: 0,
                // Any number will do; the real ones start anywhere too.
                last_update: 800_000_000 + id % 1_000_000,
                queue: VecDeque::new(),
                allowed_updates: None,
                webhook: None,
                busy: false,
                polls: 0,
                paths: HashMap::new(),
            });
        });
        Bot { messengers: self.clone(), token: token.to_owned(), account }
    }
}
