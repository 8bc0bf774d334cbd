//! What connectors bring into open lines: `imconnector.send.messages` and its sisters.
//!
//! Nothing here is deduplicated: the same external message twice is two messages. Files are fetched while the call waits.

use serde_json::{Map, Value, json};

use super::{
    Author, Chat, ChatId, Connector, Counter, LineId, Message, Portal, Session, State, Upload, UserId,
    chats::Draft,
    clients::{client, known_client},
    journal::Overlap,
    rest::{RestError, params::Params},
};

/// Texts are cut at the messenger's own limit.
const TEXT_CHARS: usize = 20_000;

/// The connector and line that a call names, after the checks that the whole call must pass.
pub(super) struct Provider {
    pub connector: String,
    pub line: LineId,
}

/// One element of `MESSAGES`, its keys in lower case.
struct Item {
    user: Map<String, Value>,
    message: Map<String, Value>,
    chat: Map<String, Value>,
}

impl Item {
    fn new(raw: &Value) -> Option<Self> {
        let lowered = lower_keys(raw);
        let block = |name: &str| lowered.get(name).and_then(Value::as_object).cloned();
        Some(Self { user: block("user")?, message: block("message")?, chat: block("chat")? })
    }

    fn external_user(&self) -> String {
        Params(&self.user).text("id")
    }

    fn external_chat(&self) -> String {
        Params(&self.chat).text("id")
    }

    fn text(&self) -> String {
        Params(&self.message).text("text").chars().take(TEXT_CHARS).collect()
    }

    fn answer(&self) -> Map<String, Value> {
        let chat = Params(&self.chat);
        let message = Params(&self.message);
        let mut extra = Map::new();
        if let Some(flag) = self.user.get("skip_phone_validate") {
            extra.insert("skip_phone_validate".to_owned(), flag.clone());
        }
        if let Some(flag) = self.message.get("disable_crm") {
            extra.insert("disable_tracker".to_owned(), flag.clone());
        }
        let extra = if extra.is_empty() { json!([]) } else { Value::Object(extra) };
        let answer = json!({
            "message": {"id": message.text("id"), "date": {}, "text": message.text("text"), "files": []},
            "chat": {"id": chat.text("id"), "name": chat.text("name"), "description": chat.text("description")},
            "extra": extra,
        });
        answer.as_object().cloned().unwrap_or_default()
    }

    fn failure(&self, text: &str) -> Value {
        let mut answer = self.answer();
        answer.insert("user".to_owned(), json!(self.external_user()));
        answer.insert("SUCCESS".to_owned(), json!(false));
        answer.insert("ERRORS".to_owned(), json!([text]));
        Value::Object(answer)
    }

    fn success(&self, user: UserId) -> Map<String, Value> {
        let mut answer = self.answer();
        answer.insert("user".to_owned(), json!(user.to_string()));
        answer.insert("SUCCESS".to_owned(), json!(true));
        answer.insert("ERRORS".to_owned(), json!([]));
        answer
    }
}

fn lower_keys(value: &Value) -> Value {
    match value {
        Value::Object(map) => map.iter().map(|(key, inner)| (key.to_lowercase(), lower_keys(inner))).collect(),
        Value::Array(items) => items.iter().map(lower_keys).collect(),
        other => other.clone(),
    }
}

impl Portal {
    /// The checks that precede every message call.
    pub(super) fn provider(&self, client_id: &str, params: Params<'_>) -> Result<Provider, RestError> {
        let connector = params.text("CONNECTOR").to_lowercase();
        let line = params.int("LINE").unwrap_or(0);
        self.read(|state| {
            let own = state.connectors.get(&connector).is_some_and(|it| it.client_id == client_id);
            if !own {
                return Err(RestError::new(
                    400,
                    "IMCONNECTOR_NO_CORRECT_PROVIDER",
                    "Could not find a suitable provider for the connector",
                ));
            }
            let active = state.lines.get(&line).is_some_and(|line| line.is_on("ACTIVE"))
                && state.statuses.get(&(connector.clone(), line)).is_some_and(|status| status.active);
            if active {
                Ok(())
            } else {
                Err(RestError::new(400, "NOT_ACTIVE_LINE", "Line with this ID is inactive or does not exist"))
            }
        })?;
        Ok(Provider { connector, line })
    }

    /// `imconnector.send.messages`: one outcome per element, in order.
    pub(super) async fn send_messages(&self, provider: &Provider, messages: &[Value]) -> Value {
        let mut results = Vec::new();
        for raw in messages {
            let Some(item) = Item::new(raw) else { continue };
            let key = (provider.connector.clone(), item.external_chat());
            self.enters(&key);
            let result = self.receive(provider, &item).await;
            self.leaves(&key);
            results.push(result);
        }
        json!({"SUCCESS": true, "DATA": {"RESULT": results}})
    }

    fn enters(&self, key: &(String, String)) {
        self.journal(|journal| {
            let count = journal.under_way.entry(key.clone()).or_default();
            *count += 1;
            if *count > 1 {
                journal.overlaps.push(Overlap { connector: key.0.clone(), chat: key.1.clone() });
            }
        });
    }

    fn leaves(&self, key: &(String, String)) {
        self.journal(|journal| {
            if let Some(count) = journal.under_way.get_mut(key) {
                *count = count.saturating_sub(1);
            }
        });
    }

    async fn receive(&self, provider: &Provider, item: &Item) -> Value {
        const INCOMPLETE: &str = "Not all the required data: IMCONNECTOR_NOT_ALL_THE_REQUIRED_DATA";
        if let Some(text) = self.refuses_message() {
            return item.failure(&text);
        }
        let text = item.text();
        let given = Params(&item.message).list("files");
        if item.external_user().is_empty() || (text.is_empty() && given.is_empty()) {
            return item.failure(INCOMPLETE);
        }
        let mut files = Vec::new();
        for file in given.iter().filter_map(Value::as_object) {
            let file = Params(file);
            files.extend(self.fetch(&file.text("url"), Some(&file.text("name"))).await);
        }
        if text.is_empty() && files.is_empty() {
            return item.failure(INCOMPLETE);
        }
        self.change(|state| self.accept(state, provider, item, (text, files)))
    }

    fn accept(&self, state: &mut State, provider: &Provider, item: &Item, content: (String, Vec<Upload>)) -> Value {
        let Some(connector) = state.connectors.get(&provider.connector).cloned() else {
            return item.failure("IMCONNECTOR_NO_CORRECT_PROVIDER");
        };
        let user = client(state, &connector.id, &item.user);
        let chat = self.chat_for(state, provider, item, user);
        let mut answer = item.success(user);
        let (text, files) = content;
        let voted = item.message.get("user_id").is_none_or(Value::is_null) && self.votes(state, chat, &text);
        if !voted {
            let author = match Params(&item.message).int("user_id") {
                None => Author::Client(user),
                Some(0) => Author::System,
                Some(id) => Author::Operator(UserId::try_from(id).unwrap_or(0)),
            };
            let draft = Draft {
                files,
                connector_mid: vec![Params(&item.message).text("id")],
                forward: matches!(author, Author::Operator(_)),
                ..Draft::new(author, &text)
            };
            self.add_message(state, chat, draft);
        }
        if let Some(row) = state.chats.get(&chat) {
            let session = json!({"ID": row.session.id.to_string(), "CHAT_ID": row.id.to_string()});
            answer.insert("session".to_owned(), session);
        }
        Value::Object(answer)
    }

    /// A bare "1" or "0", or such a first word, is a vote while the session waits for one, and no message.
    fn votes(&self, state: &mut State, chat: ChatId, text: &str) -> bool {
        let good = match text.split(' ').next() {
            Some("1") => true,
            Some("0") => false,
            _ => return false,
        };
        let Some(row) = state.chats.get_mut(&chat).filter(|row| row.session.waits_for_vote) else {
            return false;
        };
        row.session.waits_for_vote = false;
        row.session.vote = Some(good);
        let key = if good { "VOTE_MESSAGE_2_LIKE" } else { "VOTE_MESSAGE_2_DISLIKE" };
        let reply = state.lines.get(&row.line).map(|line| line.setting(key).to_owned()).unwrap_or_default();
        self.says_automatically(state, chat, &reply);
        true
    }

    /// The chat of this client, with an open session.
    fn chat_for(&self, state: &mut State, provider: &Provider, item: &Item, user: UserId) -> ChatId {
        let group = state.connectors.get(&provider.connector).is_some_and(|it| it.chat_group);
        let part = if group { 0 } else { user };
        let found = find_chat(state, provider, &item.external_chat(), part);
        let now = self.now_ms();
        let Some(id) = found else {
            let id = state.next(Counter::Chat);
            let line = state.lines.get(&provider.line).map(|line| line.name.clone()).unwrap_or_default();
            let named = Params(&item.chat).text("name");
            let title = if group && !named.is_empty() { named } else { state.user_name(user) };
            let session = Session { id: 0, parent_id: 0, closed_ms: None, waits_for_vote: false, vote: None };
            state.chats.insert(
                id,
                Chat {
                    id,
                    connector: provider.connector.clone(),
                    line: provider.line,
                    external_id: item.external_chat(),
                    client: part,
                    title: format!("{title} - {line}"),
                    operator: None,
                    session,
                    cards: Vec::new(),
                    unread: 0,
                    read_by_client: false,
                    messages: Vec::new(),
                    created_ms: now,
                },
            );
            self.begin(state, id);
            return id;
        };
        let closed = state.chats.get(&id).and_then(|chat| chat.session.closed_ms);
        if let Some(closed) = closed {
            // A text that answers the vote does not begin a new talk.
            let waits = state.chats.get(&id).is_some_and(|chat| chat.session.waits_for_vote);
            let minutes = state.lines.get(&provider.line).and_then(|line| line.setting("FULL_CLOSE_TIME").parse().ok());
            let window_ms: i64 = minutes.unwrap_or(0_i64) * 60_000;
            if now - closed >= window_ms {
                self.begin(state, id);
            } else if !waits && let Some(chat) = state.chats.get_mut(&id) {
                chat.session.closed_ms = None;
            }
        }
        id
    }

    fn begin(&self, state: &mut State, chat: ChatId) {
        self.open_session(state, chat);
        self.link_session(state, chat);
    }

    /// `imconnector.update.messages`: only the text changes, and no event comes back.
    pub(super) fn update_messages(&self, provider: &Provider, messages: &[Value]) -> Value {
        self.change_each(provider, messages, |_, message, item| {
            message.text = item.text();
            message.edited = true;
        })
    }

    /// `imconnector.delete.messages`, if the connector was registered with that right.
    pub(super) fn delete_messages(&self, provider: &Provider, messages: &[Value]) -> Value {
        self.change_each(provider, messages, |connector, message, _| {
            message.deleted = message.deleted || connector.del_external;
        })
    }

    fn change_each(
        &self,
        provider: &Provider,
        messages: &[Value],
        act: impl Fn(&Connector, &mut Message, &Item),
    ) -> Value {
        let results: Vec<Value> = messages
            .iter()
            .filter_map(Item::new)
            .map(|item| {
                self.change(|state| {
                    let connector = state.connectors.get(&provider.connector).cloned()?;
                    let user = known_client(state, &provider.connector, &item.external_user())?;
                    let part = if connector.chat_group { 0 } else { user };
                    let chat = find_chat(state, provider, &item.external_chat(), part)?;
                    let mid = Params(&item.message).text("id");
                    let row = state.chats.get_mut(&chat)?;
                    let message = row.messages.iter_mut().find(|it| it.connector_mid.contains(&mid))?;
                    act(&connector, message, &item);
                    Some(Value::Object(item.success(user)))
                })
                .unwrap_or_else(|| item.failure("Message not found"))
            })
            .collect();
        json!({"SUCCESS": true, "DATA": {"RESULT": results}})
    }

    /// `imconnector.send.status.delivery`: the client has read the chat, and the first confirmation of a message ends its
    /// spinner and stores the external ids.
    pub(super) fn confirm_delivery(&self, messages: &[Value]) {
        self.change(|state| {
            for raw in messages {
                let lowered = lower_keys(raw);
                let im = lowered.get("im").and_then(Value::as_object).cloned().unwrap_or_default();
                let message = lowered.get("message").and_then(Value::as_object).cloned().unwrap_or_default();
                let Some(chat) = state.chats.get_mut(&Params(&im).int("chat_id").unwrap_or(0)) else {
                    continue;
                };
                chat.read_by_client = true;
                let id = Params(&im).int("message_id").unwrap_or(0);
                let Some(row) = chat.messages.iter_mut().find(|row| row.id == id && row.sending) else {
                    continue;
                };
                row.sending = false;
                let ids = Params(&message).texts("id");
                if !ids.is_empty() {
                    row.connector_mid = ids;
                }
            }
        });
    }

    /// `imconnector.chat.name.set`: gives whether there is such a chat.
    pub(super) fn name_chat(&self, provider: &Provider, params: Params<'_>) -> bool {
        self.change(|state| {
            let group = state.connectors.get(&provider.connector).is_some_and(|connector| connector.chat_group);
            let part = if group { Some(0) } else { known_client(state, &provider.connector, &params.text("USER_ID")) };
            let chat = part.and_then(|part| find_chat(state, provider, &params.text("CHAT_ID"), part));
            let Some(chat) = chat.and_then(|chat| state.chats.get_mut(&chat)) else {
                return false;
            };
            chat.title = params.text("NAME");
            true
        })
    }
}

fn find_chat(state: &State, provider: &Provider, external: &str, client: UserId) -> Option<ChatId> {
    let is_it = |chat: &&Chat| {
        chat.connector == provider.connector
            && chat.line == provider.line
            && chat.external_id == external
            && chat.client == client
    };
    state.chats.values().find(is_it).map(|chat| chat.id)
}
