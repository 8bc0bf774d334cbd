//! `event.*`, `events` and `placement.*`.

use serde_json::{Value, json};

use super::{Answer, Caller, RestError, params::Params};
use crate::portal::{
    Binding, Counter, Placement, Portal, State, UserId,
    events::{Event, KNOWN},
    placements::{BadUrl, available, check_handler},
};

/// Column width of an event's handler.
const HANDLER_CHARS: usize = 255;

pub(super) fn call(portal: &Portal, caller: &Caller, method: &str, params: Params<'_>) -> Answer {
    match method {
        "events" => Ok(json!(events_for(caller)).into()),
        "event.bind" => bind(portal, caller, params),
        "event.unbind" => Ok(unbind(portal, caller, params).into()),
        "event.get" => Ok(list(portal, caller).into()),
        "event.test" => Ok(test(portal, caller, params).into()),
        "placement.list" => Ok(json!(available(&caller.card.scope)).into()),
        "placement.bind" => place(portal, caller, params),
        "placement.unbind" => unplace(portal, caller, params),
        "placement.get" => placed(portal, caller),
        _ => Err(RestError::new(404, "ERROR_METHOD_NOT_FOUND", "Method not found!")),
    }
}

/// The error of a refused handler address.
pub(super) fn bad_url(reason: BadUrl) -> RestError {
    match reason {
        BadUrl::Protocol => RestError::new(400, "ERROR_UNSUPPORTED_PROTOCOL", "Unsupported event handler protocol"),
        BadUrl::Handler => RestError::new(400, "ERROR_WRONG_HANDLER_URL", "Wrong event handler URL"),
    }
}

fn events_for(caller: &Caller) -> Vec<&'static str> {
    let open = |scopes: &[&str]| {
        scopes.is_empty() || scopes.iter().any(|scope| caller.card.scope.iter().any(|own| own == scope))
    };
    KNOWN.iter().filter(|(_, scopes)| open(scopes)).map(|(name, _)| *name).collect()
}

/// An ordinary user binds only for himself.
fn auth_type(caller: &Caller, params: Params<'_>) -> UserId {
    if !caller.admin {
        return caller.user;
    }
    params.int("auth_type").and_then(|user| UserId::try_from(user).ok()).unwrap_or(0)
}

fn bind(portal: &Portal, caller: &Caller, params: Params<'_>) -> Answer {
    let event = params.text("event").to_uppercase();
    let offline = params.text("event_type") == "offline";
    if !events_for(caller).contains(&event.as_str()) {
        return Err(RestError::new(400, "ERROR_EVENT_NOT_FOUND", "Event not found"));
    }
    if offline {
        caller.must_be_admin()?;
    }
    let handler = if offline { String::new() } else { params.text("handler") };
    if !offline {
        check_handler(&handler).map_err(bad_url)?;
        if handler.chars().count() > HANDLER_CHARS {
            return Err(RestError::new(400, "ERROR_WRONG_HANDLER_URL", "Event handler URL is too long"));
        }
    }
    let binding = Binding {
        id: 0,
        client_id: caller.client_id().to_owned(),
        event,
        handler,
        auth_type: auth_type(caller, params),
        offline,
    };
    portal.change(|state| {
        let same = |it: &Binding| Binding { id: 0, ..it.clone() } == binding;
        if state.bindings.iter().any(same) {
            return Err(RestError::new(400, "ERROR_CORE", "Unable to set event handler: Handler already binded"));
        }
        let id = state.next_id(Counter::Handler);
        state.bindings.push(Binding { id, ..binding });
        Ok(json!(true).into())
    })
}

fn unbind(portal: &Portal, caller: &Caller, params: Params<'_>) -> Value {
    let event = params.text("event").to_uppercase();
    let handler = params.text("handler");
    let offline = params.text("event_type") == "offline";
    let auth = params.int("auth_type").and_then(|user| UserId::try_from(user).ok());
    portal.change(|state| {
        let before = state.bindings.len();
        state.bindings.retain(|it| {
            let mine = it.client_id == caller.client_id() && (caller.admin || it.auth_type == caller.user);
            let meant = it.event == event
                && it.offline == offline
                && (offline || it.handler == handler)
                && auth.is_none_or(|auth| auth == it.auth_type);
            !(mine && meant)
        });
        json!({"count": before - state.bindings.len()})
    })
}

fn list(portal: &Portal, caller: &Caller) -> Value {
    portal.read(|state| {
        let own = state
            .bindings
            .iter()
            .filter(|it| it.client_id == caller.client_id() && (caller.admin || it.auth_type == caller.user));
        own.map(|it| {
            json!({
                "event": it.event,
                "handler": it.handler,
                "auth_type": it.auth_type.to_string(),
                "offline": u8::from(it.offline),
            })
        })
        .collect()
    })
}

/// Sends `ONAPPTEST` with what was given, to whoever has bound it.
fn test(portal: &Portal, caller: &Caller, params: Params<'_>) -> Value {
    portal.read(|state| {
        let event = Event {
            name: "ONAPPTEST",
            data: json!({"LANGUAGE_ID": state.lang, "QUERY": params.0}),
            actor: Some(caller.user),
            only: Some(caller.client_id()),
        };
        portal.emit(state, &event);
    });
    json!(1)
}

fn place(portal: &Portal, caller: &Caller, params: Params<'_>) -> Answer {
    caller.must_be_admin()?;
    let placement = params.text("PLACEMENT").to_uppercase();
    if !available(&caller.card.scope).contains(&placement) {
        return Err(RestError::new(400, "ERROR_PLACEMENT_NOT_FOUND", "Placement not found"));
    }
    let handler = params.text("HANDLER");
    check_handler(&handler).map_err(bad_url)?;
    portal.change(|state| {
        let same =
            |it: &Placement| it.client_id == caller.client_id() && it.placement == placement && it.handler == handler;
        if state.placements.iter().any(same) {
            return Err(RestError::new(400, "ERROR_CORE", "Unable to set placement handler: Handler already binded"));
        }
        let row = placement_row(state, caller, params, (placement, handler));
        state.placements.push(row);
        Ok(json!(true).into())
    })
}

fn placement_row(
    state: &mut State,
    caller: &Caller,
    params: Params<'_>,
    (placement, handler): (String, String),
) -> Placement {
    let lang_all = params.block("LANG_ALL");
    // Without any title the application's name is shown.
    let title = if params.text("TITLE").is_empty() { caller.card.title.clone() } else { params.text("TITLE") };
    Placement {
        id: state.next_id(Counter::Handler),
        client_id: caller.client_id().to_owned(),
        placement,
        handler,
        title,
        description: params.text("DESCRIPTION"),
        lang_all,
        options: params.block("OPTIONS"),
        user_id: params.int("USER_ID").and_then(|user| UserId::try_from(user).ok()).unwrap_or(0),
    }
}

fn unplace(portal: &Portal, caller: &Caller, params: Params<'_>) -> Answer {
    caller.must_be_admin()?;
    let placement = params.text("PLACEMENT").to_uppercase();
    let handler = params.text("HANDLER");
    portal.change(|state| {
        let before = state.placements.len();
        state.placements.retain(|it| {
            let meant = it.client_id == caller.client_id()
                && it.placement == placement
                && (handler.is_empty() || it.handler == handler);
            !meant
        });
        // The platform counts each removed row twice.
        Ok(json!({"count": (before - state.placements.len()) * 2}).into())
    })
}

fn placed(portal: &Portal, caller: &Caller) -> Answer {
    caller.must_be_admin()?;
    let rows: Vec<Value> = portal.read(|state| {
        let own = state.placements.iter().filter(|it| it.client_id == caller.client_id());
        own.map(|it| {
            json!({
                "id": it.id,
                "placement": it.placement,
                "userId": it.user_id,
                "handler": it.handler,
                "options": if it.options.is_empty() { json!([]) } else { json!(it.options) },
                "title": it.title,
                "description": it.description,
                "langAll": if it.lang_all.is_empty() { json!([]) } else { json!(it.lang_all) },
            })
        })
        .collect()
    });
    Ok(json!(rows).into())
}
