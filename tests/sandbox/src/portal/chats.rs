//! Chats of open lines: sessions, messages, and what operators do.

use super::{Author, Chat, ChatId, Counter, File, Message, MessageId, Portal, Session, State, Upload, UserId};

/// Why an operator's act is refused by the portal's own page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocked {
    NoChat,
    NoMessage,
    /// The connector does not work on the line: not connected, switched off, or in error.
    Connector,
    /// Neither text nor a file.
    Empty,
    /// Not his message.
    Foreign,
}

/// A message before it is one.
pub(super) struct Draft {
    pub author: Author,
    pub text: String,
    pub files: Vec<Upload>,
    pub connector_mid: Vec<String>,
    /// It goes to the connector.
    pub forward: bool,
    /// In whisper mode.
    pub whispered: bool,
}

impl Draft {
    pub fn new(author: Author, text: &str) -> Self {
        Self {
            author,
            text: text.to_owned(),
            files: Vec::new(),
            connector_mid: Vec::new(),
            forward: false,
            whispered: false,
        }
    }
}

impl Portal {
    /// Open-line chats, oldest first.
    pub fn chats(&self) -> Vec<Chat> {
        self.read(|state| state.chats.values().cloned().collect())
    }

    pub fn chat(&self, chat: ChatId) -> Option<Chat> {
        self.read(|state| state.chats.get(&chat).cloned())
    }

    /// The chat with the external id, as a connector names it.
    pub fn chat_of(&self, connector: &str, external_id: &str) -> Option<Chat> {
        self.read(|state| {
            let is_it = |chat: &&Chat| chat.connector == connector && chat.external_id == external_id;
            state.chats.values().find(is_it).cloned()
        })
    }

    pub fn messages(&self, chat: ChatId) -> Vec<Message> {
        self.chat(chat).map(|chat| chat.messages).unwrap_or_default()
    }

    /// The employee writes into a chat. Panics when the portal's page would not let him.
    pub fn operator_writes(&self, chat: ChatId, text: &str, files: &[Upload]) -> MessageId {
        self.user_writes(self.employee(), chat, text, files).expect("the portal lets the operator write")
    }

    /// The employee answers a message of the chat. The portal's page writes what he answers before his text: between two dashed
    /// lines the author with the time in brackets, then the words (Bitrix24's "message formatting" of chat bots). No id of it goes out.
    pub fn operator_quotes(&self, chat: ChatId, message: MessageId, text: &str) -> MessageId {
        let quoted = self.read(|state| {
            let row = state.chats.get(&chat)?.messages.iter().find(|it| it.id == message)?;
            let author = match row.author {
                Author::Client(user) | Author::Operator(user) => state.user_name(user),
                Author::System => state.text("Системное сообщение", "System message"),
            };
            Some(format!("{author} [22.11.2026 10:00]\n{}", row.text))
        });
        let dashes = "-".repeat(54);
        let quoted = quoted.expect("the message is in the chat");
        self.operator_writes(chat, &format!("{dashes}\n{quoted}\n{dashes}\n{text}"), &[])
    }

    /// Any employee writes into a chat.
    pub fn user_writes(&self, user: UserId, chat: ChatId, text: &str, files: &[Upload]) -> Result<MessageId, Blocked> {
        self.change(|state| {
            let row = state.chats.get(&chat).ok_or(Blocked::NoChat)?;
            if !connector_works(state, row) {
                return Err(Blocked::Connector);
            }
            if text.trim().is_empty() && files.is_empty() {
                return Err(Blocked::Empty);
            }
            if row.session.closed_ms.is_some() {
                self.open_session(state, chat);
            }
            let draft = Draft { files: files.to_vec(), forward: true, ..Draft::new(Author::Operator(user), text) };
            let id = self.add_message(state, chat, draft);
            if let Some(row) = state.chats.get_mut(&chat) {
                row.operator.get_or_insert(user);
                row.unread = 0;
            }
            Ok(id)
        })
    }

    /// A chat goes to another employee, or into the queue. A line may make him responsible for the chat's cards.
    pub fn transfers_chat(&self, chat: ChatId, to: UserId) {
        self.change(|state| self.gives_chat(state, chat, Some(to)));
    }

    pub(super) fn gives_chat(&self, state: &mut State, chat: ChatId, to: Option<UserId>) {
        let Some(row) = state.chats.get_mut(&chat) else { return };
        row.operator = to;
        let (line, cards) = (row.line, row.cards.clone());
        let changes = state.lines.get(&line).is_some_and(|line| line.is_on("CRM_TRANSFER_CHANGE"));
        for at in cards.into_iter().filter(|_| changes) {
            if let (Some(to), Some(card)) = (to, state.cards.get_mut(&at))
                && std::mem::replace(&mut card.assigned, to) != to
            {
                self.tells_card(state, at, "UPDATE");
            }
        }
    }

    /// The employee writes for his colleagues alone (the chat's whisper mode).
    pub fn operator_whispers(&self, chat: ChatId, text: &str) -> MessageId {
        let author = Author::Operator(self.employee());
        self.change(|state| self.add_message(state, chat, Draft { whispered: true, ..Draft::new(author, text) }))
    }

    /// The author changes his message. The connector hears it only if it has told the message's external id and takes edits.
    pub fn operator_edits(&self, chat: ChatId, message: MessageId, text: &str) -> Result<(), Blocked> {
        self.user_edits(self.employee(), chat, message, text)
    }

    pub fn user_edits(&self, user: UserId, chat: ChatId, message: MessageId, text: &str) -> Result<(), Blocked> {
        self.change(|state| {
            let found = own_message(state, user, chat, message)?;
            text.clone_into(&mut found.text);
            found.edited = true;
            let mids = found.connector_mid.clone();
            self.tells_change(state, (chat, message), mids, Some(text));
            Ok(())
        })
    }

    /// The author deletes his message; the same condition.
    pub fn operator_deletes(&self, chat: ChatId, message: MessageId) -> Result<(), Blocked> {
        self.user_deletes(self.employee(), chat, message)
    }

    pub fn user_deletes(&self, user: UserId, chat: ChatId, message: MessageId) -> Result<(), Blocked> {
        self.change(|state| {
            let found = own_message(state, user, chat, message)?;
            found.deleted = true;
            let mids = found.connector_mid.clone();
            self.tells_change(state, (chat, message), mids, None);
            Ok(())
        })
    }

    /// The operator ends the talk. A line with a vote asks the client, and his next "1" or "0" is the answer.
    pub fn finishes_chat(&self, user: UserId, chat: ChatId) {
        let now = self.now_ms();
        self.change(|state| {
            let Some(row) = state.chats.get_mut(&chat) else {
                return;
            };
            if row.session.closed_ms.is_some() {
                return;
            }
            row.session.closed_ms = Some(now);
            let line = state.lines.get(&row.line);
            if line.is_some_and(|line| line.is_on("VOTE_MESSAGE")) {
                row.session.waits_for_vote = true;
                let text = line.map(|line| line.setting("VOTE_MESSAGE_2_TEXT").to_owned()).unwrap_or_default();
                self.says_automatically(state, chat, &text);
            }
            self.tells_session(state, chat, "ONIMCONNECTORDIALOGFINISH", Some(user));
        });
    }

    /// The operator opens the chat in his messenger.
    pub fn reads_chat(&self, chat: ChatId) {
        if self.read(|state| state.chats.get(&chat).is_some_and(|chat| chat.unread > 0)) {
            self.change(|state| {
                if let Some(chat) = state.chats.get_mut(&chat) {
                    chat.unread = 0;
                }
            });
        }
    }

    /// An automatic text: of the system, and sent to the client if the connector wants such.
    pub(super) fn says_automatically(&self, state: &mut State, chat: ChatId, text: &str) {
        if text.is_empty() {
            return;
        }
        let wanted = state
            .chats
            .get(&chat)
            .and_then(|chat| state.connectors.get(&chat.connector))
            .is_some_and(|connector| connector.need_system);
        self.add_message(state, chat, Draft { forward: wanted, ..Draft::new(Author::System, text) });
    }

    /// Starts the next session of a chat, with a welcome if the line has one.
    pub(super) fn open_session(&self, state: &mut State, chat: ChatId) {
        let id = state.next(Counter::Session);
        let Some(row) = state.chats.get_mut(&chat) else {
            return;
        };
        let parent_id = if row.session.id == 0 { 0 } else { row.session.id };
        row.session = Session { id, parent_id, closed_ms: None, waits_for_vote: false, vote: None };
        row.operator = None;
        let line = state.lines.get(&row.line);
        let greets = line.is_some_and(|line| {
            line.is_on("WELCOME_MESSAGE") && (parent_id == 0 || line.is_on("SEND_WELCOME_EACH_SESSION"))
        });
        let text = line.map(|line| line.setting("WELCOME_MESSAGE_TEXT").to_owned()).unwrap_or_default();
        self.tells_session(state, chat, "ONIMCONNECTORDIALOGSTART", None);
        if greets {
            self.says_automatically(state, chat, &text);
        }
    }

    /// Adds a message to a chat and tells who must know.
    pub(super) fn add_message(&self, state: &mut State, chat: ChatId, draft: Draft) -> MessageId {
        let id = state.next(Counter::Message);
        let files: Vec<File> = draft.files.into_iter().map(|upload| Self::keep(state, upload)).collect();
        let message = Message {
            session: state.chats.get(&chat).map_or(0, |row| row.session.id),
            whispered: draft.whispered,
            id,
            author: draft.author,
            text: draft.text,
            files,
            at_ms: self.now_ms(),
            sending: draft.forward,
            edited: false,
            deleted: false,
            connector_mid: draft.connector_mid,
        };
        let Some(row) = state.chats.get_mut(&chat) else {
            return id;
        };
        if matches!(message.author, Author::Client(_)) {
            row.unread += 1;
        } else {
            row.read_by_client = false;
        }
        // Those who hear of it need the chat and not its history, which may be long.
        let history = std::mem::take(&mut row.messages);
        let told = row.clone();
        row.messages = history;
        row.messages.push(message.clone());
        let row = told;
        if draft.forward {
            self.tells_add(state, &row, &message);
        }
        self.tells_line_message(state, &row, &message);
        id
    }
}

fn connector_works(state: &State, chat: &Chat) -> bool {
    let on = state.lines.get(&chat.line).is_some_and(|line| line.is_on("ACTIVE"));
    let status = state.statuses.get(&(chat.connector.clone(), chat.line));
    on && status.is_some_and(super::Status::works)
}

fn own_message(state: &mut State, user: UserId, chat: ChatId, message: MessageId) -> Result<&mut Message, Blocked> {
    let row = state.chats.get_mut(&chat).ok_or(Blocked::NoChat)?;
    let found = row.messages.iter_mut().find(|it| it.id == message && !it.deleted).ok_or(Blocked::NoMessage)?;
    if found.author == Author::Operator(user) { Ok(found) } else { Err(Blocked::Foreign) }
}
