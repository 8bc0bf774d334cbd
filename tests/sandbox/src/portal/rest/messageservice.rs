//! `messageservice.*`: providers of text messages.

use serde_json::{Value, json};

use super::{Answer, Caller, RestError, bindings::bad_url, params::Params};
use crate::portal::{Portal, Sender, placements::check_handler};

pub(super) fn call(portal: &Portal, caller: &Caller, method: &str, params: Params<'_>) -> Answer {
    if method == "messageservice.message.status.update" {
        return update_status(portal, caller, params);
    }
    caller.must_be_admin()?;
    match method {
        "messageservice.sender.add" => add(portal, caller, params),
        "messageservice.sender.update" => update(portal, caller, params),
        "messageservice.sender.list" => {
            let own: Vec<String> = portal.read(|state| {
                let own = state.senders.iter().filter(|it| it.client_id == caller.client_id());
                own.map(|it| it.code.clone()).collect()
            });
            Ok(json!(own).into())
        }
        "messageservice.sender.delete" => {
            let code = params.text("CODE");
            portal.change(|state| {
                let before = state.senders.len();
                state.senders.retain(|it| it.client_id != caller.client_id() || it.code != code);
                if state.senders.len() == before {
                    return Err(RestError::new(400, "ERROR_SENDER_NOT_FOUND", "Sender not found!"));
                }
                Ok(json!(true).into())
            })
        }
        _ => Err(RestError::new(404, "ERROR_METHOD_NOT_FOUND", "Method not found!")),
    }
}

fn invalid(text: &str) -> RestError {
    RestError::new(400, "ERROR_SENDER_VALIDATION_FAILURE", text)
}

fn add(portal: &Portal, caller: &Caller, params: Params<'_>) -> Answer {
    let code = params.text("CODE");
    if code.is_empty() {
        return Err(invalid("Empty sender code!"));
    }
    if !code.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')) {
        return Err(invalid("Wrong sender code!"));
    }
    if params.text("TYPE") != "SMS" {
        return Err(invalid("Unknown sender message TYPE!"));
    }
    check_handler(&params.text("HANDLER")).map_err(bad_url)?;
    let sender = Sender {
        client_id: caller.client_id().to_owned(),
        code,
        handler: params.text("HANDLER"),
        name: params.get("NAME").cloned().unwrap_or(Value::Null),
        description: params.get("DESCRIPTION").cloned().unwrap_or(Value::Null),
    };
    portal.change(|state| {
        if state.senders.iter().any(|it| it.client_id == sender.client_id && it.code == sender.code) {
            return Err(RestError::new(400, "ERROR_SENDER_ALREADY_INSTALLED", "Sender already installed!"));
        }
        state.senders.push(sender);
        Ok(json!(true).into())
    })
}

fn update(portal: &Portal, caller: &Caller, params: Params<'_>) -> Answer {
    if params.get("HANDLER").is_some() {
        check_handler(&params.text("HANDLER")).map_err(bad_url)?;
    }
    let code = params.text("CODE");
    portal.change(|state| {
        let found = state.senders.iter_mut().find(|it| it.client_id == caller.client_id() && it.code == code);
        let sender = found.ok_or_else(|| RestError::new(400, "ERROR_SENDER_NOT_FOUND", "Sender not found!"))?;
        if params.get("HANDLER").is_some() {
            sender.handler = params.text("HANDLER");
        }
        if let Some(name) = params.get("NAME") {
            sender.name = name.clone();
        }
        if let Some(description) = params.get("DESCRIPTION") {
            sender.description = description.clone();
        }
        Ok(json!(true).into())
    })
}

fn update_status(portal: &Portal, caller: &Caller, params: Params<'_>) -> Answer {
    let status = params.text("STATUS");
    if !matches!(status.as_str(), "queued" | "sent" | "delivered" | "undelivered" | "failed") {
        return Err(RestError::new(400, "ERROR_MESSAGE_STATUS_INCORRECT", "Message status incorrect!"));
    }
    let (id, sender) = (params.text("MESSAGE_ID"), params.text("CODE"));
    portal.change(|state| {
        let found =
            state.sms.iter_mut().find(|it| it.id == id && it.sender == sender && it.client_id == caller.client_id());
        match found {
            Some(sms) => {
                sms.status = status;
                Ok(json!(true).into())
            }
            None => Err(RestError::new(400, "ERROR_MESSAGE_NOT_FOUND", "Message not found!")),
        }
    })
}
