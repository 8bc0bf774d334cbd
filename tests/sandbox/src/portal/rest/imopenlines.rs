//! `imopenlines.*`: lines, dialogs, history, transfer, chats of cards.

use serde_json::{Map, Value, json};

use super::{Answer, Caller, RestError, files::PAGE_DOWNLOAD, params::Params};
use crate::{
    clock::iso,
    portal::{
        Author, CardKind, CardRef, Chat, ChatId, File, Line, Message, Portal, State, UserId, crm::may_see, lines,
    },
};

pub(super) fn call(portal: &Portal, caller: &Caller, method: &str, params: Params<'_>) -> Answer {
    match method {
        "imopenlines.config.list.get" => Ok(list(portal, params).into()),
        "imopenlines.config.get" => Ok(get(portal, params).into()),
        "imopenlines.config.add" => {
            let line = portal.change(|state| lines::add_line(state, &params.block("PARAMS"), caller.user));
            Ok(json!(line).into())
        }
        "imopenlines.config.path.get" => {
            Ok(json!({"SERVER_ADDRESS": portal.origin(), "PUBLIC_PATH": "/contact_center/"}).into())
        }
        "imopenlines.crm.chat.get" => crm_chats(portal, caller, params),
        "imopenlines.crm.chat.getLastId" => last_chat(portal, caller, params),
        "imopenlines.dialog.get" => dialog(portal, caller, params),
        "imopenlines.session.open" => open(portal, caller, params),
        "imopenlines.session.history.get" => history(portal, params),
        "imopenlines.operator.transfer" => transfer(portal, params),
        _ => Err(RestError::new(404, "ERROR_METHOD_NOT_FOUND", "Method not found!")),
    }
}

/// A line as the module answers it: scalars are strings, dates empty objects.
fn row(line: &Line) -> Map<String, Value> {
    let mut row = line.config.clone();
    row.insert("ID".to_owned(), json!(line.id.to_string()));
    row.insert("LINE_NAME".to_owned(), json!(line.name));
    row.insert("DATE_CREATE".to_owned(), json!({}));
    row.insert("DATE_MODIFY".to_owned(), json!({}));
    row.insert("WORKTIME_DAYOFF".to_owned(), json!([""]));
    row.insert("WORKTIME_HOLIDAYS".to_owned(), json!([""]));
    row.insert("DEFAULT_OPERATOR_DATA".to_owned(), json!([]));
    row.insert("XML_ID".to_owned(), Value::Null);
    row
}

fn list(portal: &Portal, params: Params<'_>) -> Value {
    let given = params.block("PARAMS");
    let given = Params(&given);
    let options = params.block("OPTIONS");
    let select: Vec<String> = given.texts("select").iter().map(|name| name.to_uppercase()).collect();
    let filter = given.block("filter");
    let limit = given.int("limit").unwrap_or(50).clamp(0, 200);
    let offset = given.int("offset").unwrap_or(0).max(0);
    let descending =
        given.block("order").values().any(|way| way.as_str().is_some_and(|way| way.eq_ignore_ascii_case("desc")));
    let mut rows: Vec<Value> = portal.read(|state| {
        state
            .lines
            .values()
            .filter_map(|line| {
                let mut row = row(line);
                let fits = filter.keys().all(|key| {
                    let name = key.trim_start_matches(['=', '@', '?', '%']).to_uppercase();
                    let have = row.get(&name).and_then(Value::as_str).unwrap_or("");
                    Params(&filter).texts(key).iter().any(|wanted| wanted == have)
                });
                if !fits {
                    return None;
                }
                if !select.is_empty() && !select.iter().any(|name| name == "*") {
                    row.retain(|name, _| name == "ID" || select.contains(name));
                }
                if Params(&options).text("QUEUE") == "Y" {
                    row.insert("QUEUE".to_owned(), json!(line.queue));
                }
                if Params(&options).text("CONFIG_QUEUE") == "Y" {
                    let of = |user: &UserId| json!({"ENTITY_ID": user.to_string(), "ENTITY_TYPE": "user"});
                    row.insert("CONFIG_QUEUE".to_owned(), line.queue.iter().map(of).collect());
                }
                Some(Value::Object(row))
            })
            .collect()
    });
    if descending {
        rows.reverse();
    }
    let (offset, limit) = (usize::try_from(offset).unwrap_or(0), usize::try_from(limit).unwrap_or(0));
    rows.into_iter().skip(offset).take(limit).collect()
}

fn get(portal: &Portal, params: Params<'_>) -> Value {
    let id = params.int("CONFIG_ID").unwrap_or(0);
    portal.read(|state| {
        let Some(line) = state.lines.get(&id) else {
            return json!(false);
        };
        let mut row = row(line);
        if params.text("WITH_QUEUE") != "N" {
            let queue: Vec<String> = line.queue.iter().map(UserId::to_string).collect();
            let full: Map<String, Value> = line
                .queue
                .iter()
                .enumerate()
                .map(|(index, user)| {
                    let place = json!({
                        "ID": (index + 1).to_string(),
                        "SORT": index.to_string(),
                        "USER_ID": user.to_string(),
                        "DEPARTMENT_ID": "0",
                        "USER_NAME": state.user_name(*user),
                    });
                    (user.to_string(), place)
                })
                .collect();
            row.insert("QUEUE".to_owned(), json!(queue));
            row.insert("QUEUE_FULL".to_owned(), Value::Object(full));
            row.insert("QUEUE_ONLINE".to_owned(), json!("Y"));
        }
        Value::Object(row)
    })
}

fn card_of(params: Params<'_>) -> Option<CardRef> {
    let kind = CardKind::named(&params.text("CRM_ENTITY_TYPE"))?;
    Some(CardRef { kind, id: params.int("CRM_ENTITY")? })
}

fn chats_of(state: &State, at: CardRef) -> impl Iterator<Item = &Chat> {
    state.chats.values().filter(move |chat| chat.cards.contains(&at))
}

fn crm_chats(portal: &Portal, caller: &Caller, params: Params<'_>) -> Answer {
    let Some(at) = card_of(params) else {
        return Err(RestError::argument(
            "CRM_ENTITY_TYPE",
            "The value of an argument CRM_ENTITY_TYPE has an invalid type",
        ));
    };
    portal.read(|state| {
        let Some(card) = state.cards.get(&at) else {
            return Ok(json!([]).into());
        };
        if !may_see(state, caller.user, card) {
            return Err(RestError::new(403, "ACCESS_DENIED", "Access denied! You dont have access to this action"));
        }
        let active_only = params.text("ACTIVE_ONLY") != "N";
        let rows: Vec<Value> = chats_of(state, at)
            .filter(|chat| !active_only || chat.session.closed_ms.is_none())
            .map(|chat| {
                let title = state.connectors.get(&chat.connector).map(|connector| connector.name.clone());
                json!({
                    "CHAT_ID": chat.id.to_string(),
                    "CONNECTOR_ID": chat.connector,
                    "CONNECTOR_TITLE": title.unwrap_or_default(),
                })
            })
            .collect();
        Ok(json!(rows).into())
    })
}

fn last_chat(portal: &Portal, caller: &Caller, params: Params<'_>) -> Answer {
    let missing = || RestError::new(400, "CRM_CHAT_EMPTY_CRM_DATA", "Could not find CRM entity");
    let at = card_of(params).ok_or_else(missing)?;
    portal.read(|state| {
        let card = state.cards.get(&at).filter(|card| may_see(state, caller.user, card)).ok_or_else(missing)?;
        let last = chats_of(state, card.at).map(|chat| chat.id).max().ok_or_else(missing)?;
        Ok(json!(last).into())
    })
}

/// The portal's members of a chat: its operator, the line's queue, administrators.
pub(super) fn may_enter(state: &State, user: UserId, chat: &Chat) -> bool {
    state.is_admin(user)
        || chat.operator == Some(user)
        || state.lines.get(&chat.line).is_some_and(|line| line.queue.contains(&user))
}

fn by_code<'a>(state: &'a State, code: &str) -> Option<&'a Chat> {
    let code = code.strip_prefix("imol|").unwrap_or(code);
    state.chats.values().find(|chat| chat.user_code() == code)
}

fn find<'a>(state: &'a State, params: Params<'_>) -> Option<&'a Chat> {
    let dialog = params.text("DIALOG_ID");
    if let Some(id) = params.int("CHAT_ID").or_else(|| dialog.strip_prefix("chat")?.parse().ok()) {
        return state.chats.get(&id);
    }
    if let Some(session) = params.int("SESSION_ID") {
        return state.chats.values().find(|chat| chat.session.id == session);
    }
    by_code(state, &params.text("USER_CODE"))
}

fn dialog(portal: &Portal, caller: &Caller, params: Params<'_>) -> Answer {
    portal.read(|state| {
        let missing = || RestError::new(400, "ACCESS_ERROR", "You do not have access to the specified dialog");
        let chat = find(state, params).filter(|chat| may_enter(state, caller.user, chat)).ok_or_else(missing)?;
        let last = chat.messages.last().map_or(0, |message| message.id);
        Ok(json!({
            "id": chat.id,
            "name": chat.title,
            "description": null,
            "owner": chat.operator.unwrap_or(0),
            "type": "lines",
            "message_type": "L",
            "entity_type": "LINES",
            "entity_id": chat.user_code(),
            "entity_data_1": data_1(chat),
            "entity_data_2": data_2(chat),
            "entity_data_3": "N",
            "manager_list": chat.operator.into_iter().collect::<Vec<_>>(),
            "mute_list": [],
            "readed_list": [],
            "last_message_id": last,
            "message_count": chat.messages.len(),
            "date_create": iso(chat.created_ms),
            "dialog_id": format!("chat{}", chat.id),
        })
        .into())
    })
}

fn data_1(chat: &Chat) -> String {
    let main = chat.cards.iter().find(|at| at.kind != CardKind::Contact).or(chat.cards.first());
    let (flag, kind, id) = main.map_or(("N", "NONE".to_owned(), 0), |at| ("Y", at.kind.name().to_uppercase(), at.id));
    format!("{flag}|{kind}|{id}|N|N|{}|{}|0|0|0", chat.session.id, chat.created_ms / 1000)
}

fn data_2(chat: &Chat) -> String {
    let id = |kind: CardKind| chat.cards.iter().find(|at| at.kind == kind).map_or(0, |at| at.id);
    format!(
        "LEAD|{}|COMPANY|{}|CONTACT|{}|DEAL|{}",
        id(CardKind::Lead),
        id(CardKind::Company),
        id(CardKind::Contact),
        id(CardKind::Deal)
    )
}

fn open(portal: &Portal, caller: &Caller, params: Params<'_>) -> Answer {
    portal.read(|state| {
        let chat = by_code(state, &params.text("USER_CODE")).filter(|chat| may_enter(state, caller.user, chat));
        let chat = chat.ok_or_else(|| RestError::new(403, "ACCESS_DENIED", "Access denied!"))?;
        Ok(json!({"chatId": chat.id.to_string()}).into())
    })
}

/// Where a page of the portal fetches a file: it opens only in a browser that is signed in.
pub(super) fn page_link(domain: &str, file: &File) -> String {
    let name: String = url::form_urlencoded::byte_serialize(file.name.as_bytes()).collect();
    format!("http://{domain}{PAGE_DOWNLOAD}?action=disk.api.file.download&fileId={}&fileName={name}", file.id)
}

/// The messages of one talk: the named one, else the last of the chat.
fn history(portal: &Portal, params: Params<'_>) -> Answer {
    portal.read(|state| {
        let missing = || RestError::new(400, "ACCESS_DENIED", "You dont have access to this session");
        let asked = params.int("SESSION_ID");
        let of = |chat: &&Chat, id: i64| chat.messages.iter().any(|message| message.session == id);
        let named = asked.and_then(|id| state.chats.values().find(|chat| chat.session.id == id || of(chat, id)));
        let chat = named.or_else(|| find(state, params)).ok_or_else(missing)?;
        let session = asked.unwrap_or(chat.session.id);
        let talk = || chat.messages.iter().filter(|message| message.session == session);
        let messages: Map<String, Value> =
            talk().map(|message| (message.id.to_string(), past(chat.id, message))).collect();
        let files: Map<String, Value> = talk()
            .flat_map(|message| message.files.iter().map(move |file| (message, file)))
            .map(|(message, file)| {
                let row = json!({
                    "id": file.id,
                    "chatid": chat.id,
                    "date": iso(message.at_ms),
                    "type": file.kind,
                    "name": file.name,
                    "extension": file.name.rsplit('.').next(),
                    "size": file.size,
                    "status": "done",
                    "authorid": message.author.id(),
                    "urldownload": page_link(&state.domain, file),
                });
                (file.id.to_string(), row)
            })
            .collect();
        let order: Vec<String> = talk().rev().map(|message| message.id.to_string()).collect();
        Ok(json!({
            "chatId": chat.id,
            "canJoin": "Y",
            "canVoteHead": "Y",
            "sessionId": session,
            "userId": format!("chat{}", chat.id),
            "message": messages,
            "usersMessage": {format!("chat{}", chat.id): order},
            "users": users(state, chat),
            "chat": {chat.id.to_string(): {
                "id": chat.id.to_string(),
                "name": chat.title,
                "owner": chat.operator.unwrap_or(0).to_string(),
                "entityType": "LINES",
                "entityId": chat.user_code(),
                "entityData1": data_1(chat),
                "entityData2": data_2(chat),
                "entityData3": "",
                "messageCount": chat.messages.len(),
                "type": "lines",
            }},
            "files": if files.is_empty() { json!([]) } else { Value::Object(files) },
        })
        .into())
    })
}

fn past(chat: ChatId, message: &Message) -> Value {
    let mut params = Map::new();
    if !message.connector_mid.is_empty() {
        params.insert("connectorMid".to_owned(), json!(message.connector_mid));
    }
    if !message.files.is_empty() && !message.deleted {
        params.insert("fileId".to_owned(), message.files.iter().map(|file| json!(file.id)).collect());
    }
    // What `onMessageSend` of the module sets: the spinner for what goes to a connector, a class for what stays inside.
    if message.sending {
        params.insert("sending".to_owned(), json!("Y"));
    }
    if message.whispered {
        params.insert("class".to_owned(), json!("bx-messenger-content-item-system"));
    }
    if message.deleted {
        params.insert("isDeleted".to_owned(), json!("Y"));
    }
    if message.edited {
        params.insert("isEdited".to_owned(), json!("Y"));
    }
    let text = if message.deleted { "" } else { message.text.as_str() };
    json!({
        "id": message.id.to_string(),
        "chatid": chat.to_string(),
        "senderid": message.author.id().to_string(),
        "recipientid": format!("chat{chat}"),
        "date": iso(message.at_ms),
        "text": text,
        // With HTML for the codes.
        "textlegacy": text.replace("[b]", "<b>").replace("[/b]", "</b>"),
        "params": if params.is_empty() { json!([]) } else { Value::Object(params) },
    })
}

fn users(state: &State, chat: &Chat) -> Map<String, Value> {
    let mut ids: Vec<UserId> =
        chat.messages.iter().map(|message| message.author).filter(|it| *it != Author::System).map(Author::id).collect();
    ids.sort_unstable();
    ids.dedup();
    ids.into_iter()
        .filter_map(|id| state.users.get(&id))
        .map(|user| {
            let row = json!({
                "id": user.id.to_string(),
                "name": user.full_name(),
                "firstName": user.name,
                "lastName": user.last_name,
                "connector": user.external.is_some(),
                "bot": false,
                "externalAuthId": if user.external.is_some() { "imconnector" } else { "default" },
            });
            (user.id.to_string(), row)
        })
        .collect()
}

fn transfer(portal: &Portal, params: Params<'_>) -> Answer {
    let error = |code: &str| Err(RestError::new(400, code, "Wrong parameters of a transfer"));
    let chat = params.int("CHAT_ID").unwrap_or(0);
    let to = params.int("USER_ID").or_else(|| params.text("TRANSFER_ID").parse().ok());
    let queue = params.int("QUEUE_ID").or_else(|| params.text("TRANSFER_ID").strip_prefix("queue")?.parse().ok());
    if chat == 0 {
        return error("CHAT_ID_EMPTY");
    }
    portal.change(|state| {
        if !state.chats.contains_key(&chat) {
            return error("CHAT_ID_EMPTY");
        }
        let operator = match (to, queue) {
            (Some(user), _) => {
                let user = UserId::try_from(user).unwrap_or(0);
                let employee = state.users.get(&user).is_some_and(|user| user.active && user.external.is_none());
                if !employee {
                    return error("OPERATOR_WRONG");
                }
                Some(user)
            }
            (None, Some(line)) if state.lines.contains_key(&line) => None,
            _ => return error("TRANSFER_ID_EMPTY"),
        };
        portal.gives_chat(state, chat, operator);
        Ok(json!(true).into())
    })
}
