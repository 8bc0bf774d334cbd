//! `imconnector.*` but for `send.messages`, which waits for files.

use serde_json::{Value, json};

use super::{Answer, Caller, RestError, params::Params};
use crate::portal::{Connector, Portal, placements::check_handler};

pub(super) fn call(portal: &Portal, caller: &Caller, method: &str, params: Params<'_>) -> Answer {
    match method {
        "imconnector.register" => Ok(register(portal, caller, params).into()),
        "imconnector.unregister" => Ok(unregister(portal, caller, params).into()),
        "imconnector.list" => list(portal, caller),
        "imconnector.status" => Ok(status(portal, params).into()),
        "imconnector.activate" => activate(portal, caller, params),
        "imconnector.connector.data.set" => set_data(portal, caller, params),
        "imconnector.set.error" => set_error(portal, caller, params),
        "imconnector.update.messages" => {
            let provider = portal.provider(caller.client_id(), params)?;
            Ok(portal.update_messages(&provider, &params.list("MESSAGES")).into())
        }
        "imconnector.delete.messages" => {
            let provider = portal.provider(caller.client_id(), params)?;
            Ok(portal.delete_messages(&provider, &params.list("MESSAGES")).into())
        }
        "imconnector.send.status.delivery" => {
            portal.provider(caller.client_id(), params)?;
            portal.confirm_delivery(&params.list("MESSAGES"));
            Ok(json!({"SUCCESS": true, "DATA": []}).into())
        }
        "imconnector.send.status.reading" => {
            // Accepted and without any effect, as on the server.
            portal.provider(caller.client_id(), params)?;
            Ok(json!({"SUCCESS": true, "DATA": []}).into())
        }
        "imconnector.chat.name.set" => rename(portal, caller, params),
        _ => Err(RestError::new(404, "ERROR_METHOD_NOT_FOUND", "Method not found!")),
    }
}

fn failure(code: &str, text: &str) -> Value {
    json!({"result": false, "error": code, "error_description": text})
}

/// Logical failures are answers of a call that succeeded.
fn register(portal: &Portal, caller: &Caller, params: Params<'_>) -> Value {
    let id = params.text("ID").to_lowercase();
    let icon = Value::Object(params.block("ICON"));
    let handler = params.text("PLACEMENT_HANDLER");
    let image = icon.get("DATA_IMAGE").and_then(Value::as_str).unwrap_or("");
    if id.contains('.') {
        return failure("APPLICATION_REGISTRATION_ERROR_POINT", "A dot is not allowed in the connector id");
    }
    if id.is_empty() {
        return failure("CONNECTOR_ID_REQUIRED", "No connector id");
    }
    if params.text("NAME").is_empty() {
        return failure("NAME_REQUIRED", "No connector name");
    }
    if image.is_empty() {
        return failure("ICON_REQUIRED", "No connector icon");
    }
    if handler.is_empty() {
        return failure("NO_PLACEMENT_HANDLER", "No placement handler");
    }
    if check_handler(&handler).is_err() {
        return failure("APPLICATION_REGISTRATION_ERROR", "Application registration error");
    }
    let connector = Connector {
        id: id.clone(),
        client_id: caller.client_id().to_owned(),
        name: params.text("NAME"),
        icon,
        handler,
        del_external: params.flag("DEL_EXTERNAL_MESSAGES", true),
        edit_internal: params.flag("EDIT_INTERNAL_MESSAGES", true),
        del_internal: params.flag("DEL_INTERNAL_MESSAGES", true),
        need_system: params.flag("NEED_SYSTEM_MESSAGES", true),
        need_signature: params.flag("NEED_SIGNATURE", true),
        chat_group: params.flag("CHAT_GROUP", false),
    };
    portal.change(|state| {
        if state.connectors.get(&id).is_some_and(|other| other.client_id != caller.client_id()) {
            return failure("APPLICATION_REGISTRATION_ERROR", "Application registration error");
        }
        state.connectors.insert(id, connector);
        json!({"result": true})
    })
}

fn unregister(portal: &Portal, caller: &Caller, params: Params<'_>) -> Value {
    let id = params.text("ID").to_lowercase();
    portal.change(|state| {
        if state.connectors.get(&id).is_none_or(|it| it.client_id != caller.client_id()) {
            return failure("APPLICATION_UNREGISTRATION_ERROR", "Application unregistration error");
        }
        state.connectors.remove(&id);
        let before = state.statuses.len();
        state.statuses.retain(|(connector, _), _| *connector != id);
        // A connector that was never on a line is gone too, and yet this is called a failure.
        if state.statuses.len() == before {
            return failure("APPLICATION_UNREGISTRATION_ERROR", "Application unregistration error");
        }
        json!({"result": true})
    })
}

fn list(portal: &Portal, caller: &Caller) -> Answer {
    if !caller.admin {
        return Err(RestError::new(400, "ACCESS_DENIED", "You dont have access to this action"));
    }
    let own: serde_json::Map<String, Value> = portal.read(|state| {
        let built_in = [("livechat", "Онлайн-чат"), ("whatsappbyedna", "Edna.ru WhatsApp")];
        let built_in = built_in.iter().map(|(id, name)| ((*id).to_owned(), json!(name)));
        built_in.chain(state.connectors.values().map(|it| (it.id.clone(), json!(it.name)))).collect()
    });
    Ok(Value::Object(own).into())
}

fn place(params: Params<'_>) -> (String, i64) {
    (params.text("CONNECTOR").to_lowercase(), params.int("LINE").unwrap_or(0))
}

fn status(portal: &Portal, params: Params<'_>) -> Value {
    let (connector, line) = place(params);
    let status = portal.connector_status(line, &connector).unwrap_or_default();
    json!({
        "LINE": line,
        "CONNECTOR": connector,
        "ERROR": status.error,
        "CONFIGURED": status.active && status.connection && status.register,
        "STATUS": status.works(),
    })
}

fn own(portal: &Portal, caller: &Caller, params: Params<'_>) -> Result<(String, i64), RestError> {
    let (connector, line) = place(params);
    let known =
        portal.read(|state| state.connectors.get(&connector).is_some_and(|it| it.client_id == caller.client_id()));
    if known {
        Ok((connector, line))
    } else {
        Err(RestError::new(
            400,
            "IMCONNECTOR_NO_CORRECT_PROVIDER",
            "Could not find a suitable provider for the connector",
        ))
    }
}

/// ON for anything that PHP does not hold for empty, "N" included.
fn activate(portal: &Portal, caller: &Caller, params: Params<'_>) -> Answer {
    let (connector, line) = own(portal, caller, params)?;
    let on = params.truthy("ACTIVE");
    portal.change(|state| {
        if on {
            let status = state.statuses.entry((connector, line)).or_default();
            status.active = true;
            status.connection = true;
            status.register = true;
            status.error = false;
        } else {
            portal.drop_status(state, &connector, line, Some(caller.user));
        }
    });
    Ok(json!(true).into())
}

fn set_data(portal: &Portal, caller: &Caller, params: Params<'_>) -> Answer {
    let (connector, line) = own(portal, caller, params)?;
    portal.change(|state| {
        let status = state.statuses.entry((connector, line)).or_default();
        status.connection = true;
        status.register = true;
        for (key, value) in params.block("DATA") {
            status.data.insert(key.to_uppercase(), value);
        }
    });
    Ok(json!(true).into())
}

fn set_error(portal: &Portal, caller: &Caller, params: Params<'_>) -> Answer {
    let at = own(portal, caller, params)?;
    portal.change(|state| {
        if let Some(status) = state.statuses.get_mut(&at) {
            status.error = true;
        }
    });
    Ok(json!(true).into())
}

fn rename(portal: &Portal, caller: &Caller, params: Params<'_>) -> Answer {
    let provider = portal.provider(caller.client_id(), params)?;
    if portal.name_chat(&provider, params) {
        Ok(json!({"SUCCESS": true, "DATA": {"RESULT": {}}}).into())
    } else {
        Err(RestError::new(400, "CHAT_RENAMING_FAILED", "Chat renaming failed"))
    }
}
