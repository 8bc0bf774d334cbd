//! `bizproc.*`: robots and their answers.

use serde_json::{Map, Value, json};

use super::{Answer, Caller, RestError, bindings::bad_url, params::Params};
use crate::portal::{Portal, Robot, UserId, placements::check_handler};

/// Serialised properties must be shorter; PHP's format and JSON differ little in length.
const PROPERTIES_BYTES: usize = 65_535;
const CODE_CHARS: usize = 128;
/// Names that the platform keeps for itself.
const RESERVED: [&str; 8] = [
    "title",
    "usesubscription",
    "istimeout",
    "authuserid",
    "setstatusmessage",
    "statusmessage",
    "timeoutduration",
    "timeoutdurationtype",
];

pub(super) fn call(portal: &Portal, caller: &Caller, method: &str, params: Params<'_>) -> Answer {
    match method {
        "bizproc.event.send" => {
            let values = params.block("RETURN_VALUES");
            portal.answers_robot(&params.text("EVENT_TOKEN"), &values, &params.text("LOG_MESSAGE"))?;
            return Ok(json!(true).into());
        }
        "bizproc.activity.log" => {
            if params.text("LOG_MESSAGE").is_empty() {
                return Err(RestError::new(400, "ERROR_EMPTY_LOG_MESSAGE", "Log message is empty"));
            }
            portal.logs_robot(&params.text("EVENT_TOKEN"), &params.text("LOG_MESSAGE"))?;
            return Ok(json!(true).into());
        }
        _ => caller.must_be_admin()?,
    }
    match method {
        "bizproc.robot.add" => add(portal, caller, params),
        "bizproc.robot.update" => update(portal, caller, params),
        "bizproc.robot.list" => Ok(json!(codes(portal, caller)).into()),
        "bizproc.robot.delete" => delete(portal, caller, params),
        _ => Err(RestError::new(404, "ERROR_METHOD_NOT_FOUND", "Method not found!")),
    }
}

fn invalid(text: &str) -> RestError {
    RestError::new(400, "ERROR_ACTIVITY_VALIDATION_FAILURE", text)
}

fn codes(portal: &Portal, caller: &Caller) -> Vec<String> {
    portal.read(|state| {
        state.robots.keys().filter(|(owner, _)| owner == caller.client_id()).map(|(_, code)| code.clone()).collect()
    })
}

fn check_code(code: &str) -> Result<(), RestError> {
    if code.is_empty() {
        return Err(invalid("Empty activity code!"));
    }
    let fits = code.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    if fits && code.len() <= CODE_CHARS { Ok(()) } else { Err(invalid("Wrong activity code!")) }
}

fn check_properties(properties: &Map<String, Value>) -> Result<(), RestError> {
    let mut seen: Vec<String> = Vec::new();
    for (code, descriptor) in properties {
        let first = code.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
        let rest = code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let lower = code.to_lowercase();
        if !(first && rest) || RESERVED.contains(&lower.as_str()) || seen.contains(&lower) {
            return Err(invalid(&format!("Wrong property key ({code})!")));
        }
        seen.push(lower);
        let Some(descriptor) = descriptor.as_object() else {
            return Err(invalid("Wrong properties array!"));
        };
        let name = descriptor.iter().find(|(key, _)| key.eq_ignore_ascii_case("name")).map(|(_, value)| value);
        let named = name.is_some_and(|name| match name {
            Value::String(text) => !text.is_empty(),
            Value::Object(map) => !map.is_empty(),
            _ => false,
        });
        if !named {
            return Err(invalid(&format!("Empty property NAME ({code})!")));
        }
    }
    if Value::Object(properties.clone()).to_string().len() >= PROPERTIES_BYTES {
        return Err(RestError::new(400, "ERROR_ACTIVITY_ADD_FAILURE", "Activity save error!"));
    }
    Ok(())
}

fn placement_handler(params: Params<'_>) -> Result<Option<String>, RestError> {
    if params.text("USE_PLACEMENT") != "Y" {
        return Ok(None);
    }
    let handler = params.text("PLACEMENT_HANDLER");
    check_handler(&handler).map_err(bad_url)?;
    Ok(Some(handler))
}

fn add(portal: &Portal, caller: &Caller, params: Params<'_>) -> Answer {
    let code = params.text("CODE");
    check_code(&code)?;
    let handler = params.text("HANDLER");
    check_handler(&handler).map_err(bad_url)?;
    let name = params.get("NAME").cloned().unwrap_or(json!(""));
    if name.as_str() == Some("") {
        return Err(invalid("Empty activity NAME!"));
    }
    let properties = params.block("PROPERTIES");
    let returns = params.block("RETURN_PROPERTIES");
    check_properties(&properties)?;
    check_properties(&returns)?;
    let robot = Robot {
        client_id: caller.client_id().to_owned(),
        code: code.clone(),
        handler,
        auth_user: params.int("AUTH_USER_ID").and_then(|user| UserId::try_from(user).ok()).unwrap_or(0),
        use_subscription: params.text("USE_SUBSCRIPTION"),
        name,
        description: params.get("DESCRIPTION").cloned().unwrap_or(json!("")),
        properties,
        returns,
        filter: params.get("FILTER").cloned().unwrap_or(json!({})),
        placement_handler: placement_handler(params)?,
    };
    portal.change(|state| {
        let key = (robot.client_id.clone(), code);
        if state.robots.contains_key(&key) {
            return Err(RestError::new(
                400,
                "ERROR_ACTIVITY_ALREADY_INSTALLED",
                "Activity or Robot already installed!",
            ));
        }
        state.robots.insert(key, robot);
        Ok(json!(true).into())
    })
}

fn update(portal: &Portal, caller: &Caller, params: Params<'_>) -> Answer {
    const COUNTED: [&str; 10] = [
        "HANDLER",
        "AUTH_USER_ID",
        "USE_SUBSCRIPTION",
        "USE_PLACEMENT",
        "NAME",
        "DESCRIPTION",
        "PROPERTIES",
        "RETURN_PROPERTIES",
        "DOCUMENT_TYPE",
        "FILTER",
    ];
    let code = params.text("CODE");
    check_code(&code)?;
    let fields = params.block("FIELDS");
    let fields = Params(&fields);
    // PLACEMENT_HANDLER alone is not counted.
    if !COUNTED.iter().any(|name| fields.get(name).is_some()) {
        return Err(invalid("No fields to update"));
    }
    if fields.get("HANDLER").is_some() {
        check_handler(&fields.text("HANDLER")).map_err(bad_url)?;
    }
    let properties = fields.get("PROPERTIES").map(|_| fields.block("PROPERTIES"));
    let returns = fields.get("RETURN_PROPERTIES").map(|_| fields.block("RETURN_PROPERTIES"));
    for map in [&properties, &returns].into_iter().flatten() {
        check_properties(map)?;
    }
    let handler = fields.get("USE_PLACEMENT").map(|_| placement_handler(fields)).transpose()?;
    portal.change(|state| {
        let robot = state.robots.get_mut(&(caller.client_id().to_owned(), code));
        let robot =
            robot.ok_or_else(|| RestError::new(400, "ERROR_ACTIVITY_NOT_FOUND", "Activity or Robot not found!"))?;
        if fields.get("HANDLER").is_some() {
            robot.handler = fields.text("HANDLER");
        }
        if let Some(user) = fields.int("AUTH_USER_ID").and_then(|user| UserId::try_from(user).ok()) {
            robot.auth_user = user;
        }
        if fields.get("USE_SUBSCRIPTION").is_some() {
            robot.use_subscription = fields.text("USE_SUBSCRIPTION");
        }
        for (name, slot) in
            [("NAME", &mut robot.name), ("DESCRIPTION", &mut robot.description), ("FILTER", &mut robot.filter)]
        {
            if let Some(value) = fields.get(name) {
                *slot = value.clone();
            }
        }
        if let Some(properties) = properties {
            robot.properties = properties;
        }
        if let Some(returns) = returns {
            robot.returns = returns;
        }
        if let Some(handler) = handler {
            robot.placement_handler = handler;
        }
        Ok(json!(true).into())
    })
}

fn delete(portal: &Portal, caller: &Caller, params: Params<'_>) -> Answer {
    let key = (caller.client_id().to_owned(), params.text("CODE"));
    match portal.change(|state| state.robots.remove(&key)) {
        Some(_) => Ok(json!(true).into()),
        None => Err(RestError::new(400, "ERROR_ACTIVITY_NOT_FOUND", "Activity or Robot not found!")),
    }
}
