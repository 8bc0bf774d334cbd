//! Methods of the application and of users: `app.info`, `profile`, options, `scope`, `method.get`, `user.*`.

use serde_json::{Map, Value, json};

use super::{Answer, Caller, RestError, canonical, has_scope, params::Params};
use crate::{
    contract::contract,
    oauth::AppKind,
    portal::{Plan, Portal, User},
};

pub(super) fn call(portal: &Portal, caller: &Caller, method: &str, params: Params<'_>) -> Answer {
    match method {
        "app.info" => Ok(app_info(portal, caller).into()),
        "profile" => profile(portal, caller),
        "user.admin" => Ok(json!(caller.admin).into()),
        "user.current" => current(portal, caller),
        "user.get" => Ok(users(portal, params)),
        "scope" => Ok(json!(caller.card.scope).into()),
        "method.get" => Ok(method_get(portal, caller, params).into()),
        "app.option.get" => Ok(option(portal.app_options(caller.client_id()), params).into()),
        "app.option.set" => {
            caller.must_be_admin()?;
            portal.set_app_options(caller.client_id(), &params.block("options"));
            Ok(json!(true).into())
        }
        "user.option.get" => Ok(option(portal.user_options(caller.client_id(), caller.user), params).into()),
        "user.option.set" => {
            portal.set_user_options(caller.client_id(), caller.user, &params.block("options"));
            Ok(json!(true).into())
        }
        _ => Err(RestError::new(404, "ERROR_METHOD_NOT_FOUND", "Method not found!")),
    }
}

fn app_info(portal: &Portal, caller: &Caller) -> Value {
    let (local_id, installed, lang, plan) = portal.read(|state| {
        let install = state.installs.get(caller.client_id());
        let (local_id, installed) = install.map_or((0, false), |install| (install.local_id, install.installed));
        (local_id, installed, state.lang.clone(), state.plan)
    });
    let family = if plan == Plan::Commercial { "std" } else { "project" };
    json!({
        "ID": local_id,
        // A local application's code is its client id.
        "CODE": if caller.card.kind == AppKind::Local { caller.client_id() } else { "chatapp.connector" },
        "VERSION": caller.card.version,
        "STATUS": portal.status_letter(caller.client_id()),
        "INSTALLED": installed,
        "PAYMENT_EXPIRED": "N",
        "DAYS": null,
        "LANGUAGE_ID": lang,
        "LICENSE": format!("{lang}_{family}"),
        "LICENSE_TYPE": family,
        "LICENSE_FAMILY": family,
    })
}

fn profile(portal: &Portal, caller: &Caller) -> Answer {
    let user = portal.read(|state| state.users.get(&caller.user).cloned());
    let Some(user) = user else {
        return Ok(json!([]).into());
    };
    Ok(json!({
        "ID": user.id.to_string(),
        "ADMIN": caller.admin,
        "NAME": user.name,
        "LAST_NAME": user.last_name,
        "PERSONAL_GENDER": "F",
        "TIME_ZONE": "",
    })
    .into())
}

fn current(portal: &Portal, caller: &Caller) -> Answer {
    let user = portal.read(|state| state.users.get(&caller.user).cloned());
    user.map(|user| user_row(&user).into()).ok_or_else(RestError::denied)
}

fn user_row(user: &User) -> Value {
    json!({
        "ID": user.id.to_string(),
        "ACTIVE": user.active,
        "NAME": user.name,
        "LAST_NAME": user.last_name,
        "EMAIL": user.email,
        "PERSONAL_MOBILE": user.phone,
        "PERSONAL_PHOTO": null,
        "WORK_POSITION": "",
        "USER_TYPE": if user.external.is_some() { "im" } else { "employee" },
        "UF_DEPARTMENT": [1],
    })
}

/// Employees by a filter of plain equalities; clients from outside are not listed.
fn users(portal: &Portal, params: Params<'_>) -> super::Reply {
    let filter = params.block("FILTER");
    let rows: Vec<Value> = portal.read(|state| {
        let employees = state.users.values().filter(|user| user.external.is_none());
        employees.map(user_row).filter(|row| fits(row, &filter)).collect()
    });
    let total = rows.len();
    super::Reply { result: json!(rows), total: Some(total), next: None }
}

fn fits(row: &Value, filter: &Map<String, Value>) -> bool {
    filter.iter().all(|(key, _)| {
        let name = key.trim_start_matches(['=', '@']).to_uppercase();
        let wanted = Params(filter).texts(key);
        let have = match row.get(&name) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Bool(yes)) => {
                return wanted.iter().any(|it| matches!(it.as_str(), "1" | "Y" | "true") == *yes);
            }
            // The platform ignores filters that it does not know.
            _ => return true,
        };
        wanted.contains(&have)
    })
}

fn method_get(portal: &Portal, caller: &Caller, params: Params<'_>) -> Value {
    let name = canonical(&params.text("name"));
    let known = contract().method(&name).filter(|_| portal.offers(&name));
    let available = known.is_some_and(|row| row.scope.is_empty() || has_scope(&caller.card.scope, &row.scope));
    json!({"isExisting": known.is_some(), "isAvailable": available})
}

/// One option by name, or all; an empty map is a list, as PHP writes it.
fn option(all: Map<String, Value>, params: Params<'_>) -> Value {
    match params.text("option") {
        name if name.is_empty() && all.is_empty() => json!([]),
        name if name.is_empty() => Value::Object(all),
        name => all.get(&name).cloned().unwrap_or(json!("")),
    }
}
