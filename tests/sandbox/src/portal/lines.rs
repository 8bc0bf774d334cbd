//! Open lines and the connectors on them.

use serde_json::{Map, Value, json};

use super::{Connector, Counter, Line, LineId, Portal, State, Status, UserId, events::Event};

/// Settings of a new line with their values on creation, as the module's code has them.
const DEFAULTS: &[(&str, &str)] = &[
    ("ACTIVE", "Y"),
    ("QUEUE_TYPE", "all"),
    ("QUEUE_TIME", "60"),
    ("NO_ANSWER_TIME", "60"),
    ("CHECK_AVAILABLE", "N"),
    ("WATCH_TYPING", "Y"),
    ("MAX_CHAT", "0"),
    ("TYPE_MAX_CHAT", "answered"),
    ("OPERATOR_DATA", "profile"),
    ("CRM", "Y"),
    ("CRM_CREATE", "lead"),
    ("CRM_CREATE_SECOND", ""),
    ("CRM_CREATE_THIRD", "Y"),
    ("CRM_FORWARD", "Y"),
    ("CRM_CHAT_TRACKER", "Y"),
    ("CRM_TRANSFER_CHANGE", "Y"),
    ("CRM_SOURCE", "create"),
    ("WELCOME_MESSAGE", "Y"),
    ("SEND_WELCOME_EACH_SESSION", "N"),
    ("WELCOME_BOT_ENABLE", "N"),
    ("AGREEMENT_MESSAGE", "N"),
    ("AGREEMENT_ID", "0"),
    ("CATEGORY_ENABLE", "N"),
    ("CATEGORY_ID", "0"),
    ("SESSION_PRIORITY", "0"),
    ("NO_ANSWER_RULE", "none"),
    ("WORKTIME_ENABLE", "N"),
    ("WORKTIME_FROM", "9"),
    ("WORKTIME_TO", "18.30"),
    ("WORKTIME_TIMEZONE", ""),
    ("CLOSE_RULE", "text"),
    ("FULL_CLOSE_TIME", "10"),
    ("AUTO_CLOSE_RULE", "none"),
    ("AUTO_CLOSE_TIME", "14400"),
    ("AUTO_EXPIRE_TIME", "86400"),
    ("VOTE_MESSAGE", "Y"),
    ("VOTE_TIME_LIMIT", "0"),
    ("VOTE_BEFORE_FINISH", "Y"),
    ("VOTE_CLOSING_DELAY", "N"),
    ("KPI_CHECK_OPERATOR_ACTIVITY", "N"),
    ("SEND_NOTIFICATION_EMPTY_QUEUE", "N"),
    ("CONFIRM_CLOSE", "N"),
    ("TEMPORARY", "N"),
];

impl Portal {
    /// A new line as `imopenlines.config.add` makes it: with a welcome text and a vote.
    pub fn adds_line(&self, name: &str) -> LineId {
        let config = Map::from_iter([("LINE_NAME".to_owned(), json!(name))]);
        self.change(|state| add_line(state, &config, super::seed::ADMIN))
    }

    /// The portal's first line.
    pub fn line(&self) -> LineId {
        self.read(|state| state.lines.keys().next().copied()).unwrap_or(0)
    }

    pub fn lines(&self) -> Vec<Line> {
        self.read(|state| state.lines.values().cloned().collect())
    }

    /// Changes one setting of a line, by its name in `imopenlines.config`.
    pub fn sets_line(&self, line: LineId, setting: &str, value: &str) {
        self.change(|state| {
            if let Some(line) = state.lines.get_mut(&line) {
                line.config.insert(setting.to_owned(), json!(value));
            }
        });
    }

    /// Removes a line; applications hear it with a bare number as data.
    pub fn deletes_line(&self, line: LineId) {
        self.change(|state| {
            state.lines.remove(&line);
            state.statuses.retain(|(_, of), _| *of != line);
            let event = Event {
                name: "ONIMCONNECTORLINEDELETE",
                data: json!(line),
                actor: Some(super::seed::ADMIN),
                only: None,
            };
            self.emit(state, &event);
        });
    }

    pub fn connectors(&self) -> Vec<Connector> {
        self.read(|state| state.connectors.values().cloned().collect())
    }

    /// How a connector stands on a line; `None`: it was never connected there.
    pub fn connector_status(&self, line: LineId, connector: &str) -> Option<Status> {
        self.read(|state| state.statuses.get(&(connector.to_owned(), line)).cloned())
    }

    /// "Connect" in the Contact Center: the connector is active on the line, and not yet connected nor registered.
    /// Gives whether there is such a connector and line.
    pub fn connects(&self, line: LineId, connector: &str) -> bool {
        self.change(|state| {
            if !state.connectors.contains_key(connector) || !state.lines.contains_key(&line) {
                return false;
            }
            state.statuses.entry((connector.to_owned(), line)).or_default().active = true;
            true
        })
    }

    /// An administrator takes the connector off the line.
    pub fn disconnects(&self, line: LineId, connector: &str) {
        self.change(|state| self.drop_status(state, connector, line, Some(super::seed::ADMIN)));
    }

    /// Removes the status row, which is heard by the connector's application alone and in lower-case keys.
    pub(super) fn drop_status(&self, state: &mut State, connector: &str, line: LineId, actor: Option<UserId>) {
        if state.statuses.remove(&(connector.to_owned(), line)).is_none() {
            return;
        }
        let owner = state.connectors.get(connector).map(|connector| connector.client_id.clone());
        let event = Event {
            name: "ONIMCONNECTORSTATUSDELETE",
            data: json!({"connector": connector, "line": line}),
            actor,
            only: owner.as_deref(),
        };
        if owner.is_some() {
            self.emit(state, &event);
        }
    }
}

pub(super) fn add_line(state: &mut State, given: &Map<String, Value>, creator: UserId) -> LineId {
    let id = state.next(Counter::Line);
    let mut config: Map<String, Value> =
        DEFAULTS.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
    let texts = [
        (
            "WELCOME_MESSAGE_TEXT",
            "Здравствуйте! Вам ответит первый освободившийся оператор.",
            "Hello! An operator will answer soon.",
        ),
        (
            "VOTE_MESSAGE_2_TEXT",
            "Пожалуйста, оцените работу оператора: 1 - хорошо, 0 - плохо",
            "Please rate the operator: 1 - good, 0 - bad",
        ),
        ("VOTE_MESSAGE_2_LIKE", "Спасибо за оценку!", "Thank you for the rating!"),
        ("VOTE_MESSAGE_2_DISLIKE", "Жаль, что не смогли помочь.", "We are sorry that we could not help."),
    ];
    for (key, russian, english) in texts {
        config.insert(key.to_owned(), json!(state.text(russian, english)));
    }
    config.insert("LANGUAGE_ID".to_owned(), json!(state.lang));
    for (key, value) in given {
        if !matches!(key.as_str(), "LINE_NAME" | "QUEUE") {
            let value = match value {
                Value::Number(number) => json!(number.to_string()),
                other => other.clone(),
            };
            config.insert(key.clone(), value);
        }
    }
    let unnamed = format!("{} {id}", state.text("Открытая линия", "Open Channel"));
    let name = given.get("LINE_NAME").and_then(Value::as_str).map_or(unnamed, str::to_owned);
    let queue = queue(given.get("QUEUE"));
    let queue = if queue.is_empty() { vec![creator] } else { queue };
    state.lines.insert(id, Line { id, name, config, queue });
    id
}

/// Operators of a queue: `{ENTITY_TYPE, ENTITY_ID}` rows, or bare user ids as in old versions. Departments are not known here.
fn queue(given: Option<&Value>) -> Vec<UserId> {
    let items: Vec<&Value> = match given {
        Some(Value::Array(items)) => items.iter().collect(),
        Some(Value::Object(map)) => map.values().collect(),
        _ => Vec::new(),
    };
    let number = |value: &Value| match value {
        Value::Number(number) => number.as_u64().and_then(|number| u32::try_from(number).ok()),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    items
        .into_iter()
        .filter_map(|item| match item {
            Value::Object(row) if row.get("ENTITY_TYPE").and_then(Value::as_str) != Some("department") => {
                row.get("ENTITY_ID").and_then(number)
            }
            Value::Object(_) => None,
            other => number(other),
        })
        .collect()
}
