//! `crm.*`: cards, comments, duplicates.

use serde_json::{Map, Value, json};

use super::{Answer, Caller, Reply, RestError, crm_view, params::Params};
use crate::portal::{
    Card, CardKind, CardRef, Comment, Counter, Portal, UserId,
    crm::{may_see, same_phone},
};

/// Rows of a page.
const PAGE: usize = 50;
/// Most values of a search for duplicates.
const VALUES: usize = 20;

pub(super) fn call(portal: &Portal, caller: &Caller, method: &str, params: Params<'_>) -> Answer {
    match method {
        "crm.item.get" => item(portal, caller, params),
        "crm.item.list" => items(portal, caller, params),
        "crm.item.update" => update(portal, caller, params),
        "crm.deal.get" => old(portal, caller, CardKind::Deal, params),
        "crm.lead.get" => old(portal, caller, CardKind::Lead, params),
        "crm.contact.get" => old(portal, caller, CardKind::Contact, params),
        "crm.company.get" => old(portal, caller, CardKind::Company, params),
        "crm.contact.list" => Ok(contacts(portal, caller, params)),
        "crm.deal.contact.items.get" => deal_contacts(portal, caller, params),
        "crm.duplicate.findbycomm" => Ok(duplicates(portal, caller, params)?.into()),
        "crm.timeline.comment.add" => comment(portal, caller, params),
        _ => Err(RestError::new(404, "ERROR_METHOD_NOT_FOUND", "Method not found!")),
    }
}

fn visible(portal: &Portal, caller: &Caller, at: CardRef) -> Result<Card, Option<()>> {
    portal.read(|state| match state.cards.get(&at) {
        None => Err(None),
        Some(card) if may_see(state, caller.user, card) => Ok(card.clone()),
        Some(_) => Err(Some(())),
    })
}

fn kind(params: Params<'_>) -> Result<CardKind, RestError> {
    CardKind::from_type_id(params.int("entityTypeId").unwrap_or(0))
        .ok_or_else(|| RestError::new(400, "NOT_FOUND", "Smart process is not found"))
}

fn item(portal: &Portal, caller: &Caller, params: Params<'_>) -> Answer {
    let at = CardRef { kind: kind(params)?, id: params.int("id").unwrap_or(0) };
    match visible(portal, caller, at) {
        Ok(card) => Ok(json!({"item": crm_view::item(&card)}).into()),
        Err(None) => Err(RestError::new(400, "NOT_FOUND", "Element not found")),
        Err(Some(())) => Err(RestError::new(400, "ACCESS_DENIED", "Access denied")),
    }
}

/// Of the fields, the responsible person alone. What changes nothing is not saved, and nobody hears of it.
fn update(portal: &Portal, caller: &Caller, params: Params<'_>) -> Answer {
    let at = CardRef { kind: kind(params)?, id: params.int("id").unwrap_or(0) };
    let fields = params.block("fields");
    if visible(portal, caller, at).is_ok()
        && let Some(user) = Params(&fields).int("assignedById").and_then(|id| UserId::try_from(id).ok())
    {
        portal.assigns_card(at, user);
    }
    item(portal, caller, params)
}

fn old(portal: &Portal, caller: &Caller, kind: CardKind, params: Params<'_>) -> Answer {
    let at = CardRef { kind, id: params.int("id").unwrap_or(0) };
    match visible(portal, caller, at) {
        Ok(card) => Ok(Value::Object(crm_view::old(&card)).into()),
        Err(None) => Err(RestError::new(400, "", "Not found")),
        Err(Some(())) => Err(RestError::new(400, "", "Access denied.")),
    }
}

fn all(portal: &Portal, caller: &Caller, kind: CardKind) -> Vec<Card> {
    portal.read(|state| {
        let own = state.cards.values().filter(|card| card.at.kind == kind && may_see(state, caller.user, card));
        own.cloned().collect()
    })
}

/// A page of rows from `start`; -1 switches counting off.
fn paged(rows: Vec<Value>, start: i64, wrap: impl FnOnce(Vec<Value>) -> Value) -> Reply {
    let total = rows.len();
    let from = usize::try_from(start).unwrap_or(0);
    let page: Vec<Value> = rows.into_iter().skip(from).take(PAGE).collect();
    let next = from + page.len();
    let counted = start >= 0;
    Reply { result: wrap(page), total: counted.then_some(total), next: (counted && next < total).then_some(next) }
}

fn items(portal: &Portal, caller: &Caller, params: Params<'_>) -> Answer {
    let kind = kind(params)?;
    let filter = params.block("filter");
    let select = params.texts("select");
    let everything = select.iter().any(|name| name == "*");
    let mut rows: Vec<Map<String, Value>> = all(portal, caller, kind)
        .iter()
        .filter(|card| fits(card, &filter))
        .map(|card| {
            let mut row = crm_view::item(card);
            if !everything {
                // Multiple fields come only with the asterisk.
                row.remove("fm");
            }
            if !everything && !select.is_empty() {
                row.retain(|name, _| name == "id" || select.contains(name));
            }
            row
        })
        .collect();
    let down =
        params.block("order").values().any(|way| way.as_str().is_some_and(|way| way.eq_ignore_ascii_case("desc")));
    if down {
        rows.reverse();
    }
    let rows = rows.into_iter().map(Value::Object).collect();
    Ok(paged(rows, params.int("start").unwrap_or(0), |page| json!({"items": page})))
}

/// Conditions joined by AND, or by OR where `logic` says so; nested groups have numbers for keys.
fn fits(card: &Card, filter: &Map<String, Value>) -> bool {
    let any = filter.get("logic").and_then(Value::as_str).is_some_and(|logic| logic.eq_ignore_ascii_case("or"));
    let mut judged = filter.iter().filter(|(key, _)| *key != "logic").map(|(key, value)| match value {
        Value::Object(group) if key.parse::<u32>().is_ok() => fits(card, group),
        _ => condition(card, key, &Params(filter).texts(key)),
    });
    if any { judged.any(|fit| fit) } else { judged.all(|fit| fit) }
}

fn condition(card: &Card, key: &str, wanted: &[String]) -> bool {
    let at = key.find(|letter: char| letter.is_ascii_alphanumeric()).unwrap_or(0);
    let (sign, name) = key.split_at(at);
    let contains = sign == "%";
    let is =
        |have: &str| {
            wanted.iter().any(|wanted| {
                if contains { have.to_lowercase().contains(&wanted.to_lowercase()) } else { have == wanted }
            })
        };
    match name {
        "id" => match (sign, wanted.first().and_then(|id| id.parse::<i64>().ok())) {
            (">", Some(id)) => card.at.id > id,
            (">=", Some(id)) => card.at.id >= id,
            ("<", Some(id)) => card.at.id < id,
            ("<=", Some(id)) => card.at.id <= id,
            ("!", _) => !is(&card.at.id.to_string()),
            _ => is(&card.at.id.to_string()),
        },
        "phone" => card.phones.iter().any(|have| wanted.iter().any(|wanted| same_phone(have, wanted))),
        "email" => card.emails.iter().any(|have| wanted.iter().any(|wanted| have.eq_ignore_ascii_case(wanted))),
        "imol" => card.ims.iter().any(|have| is(have) || is(have.trim_start_matches("imol|"))),
        "title" => is(&card.title),
        "name" => is(&card.name),
        "lastName" => is(&card.last_name),
        "stageId" => is(&card.stage),
        "contactId" | "contactIds" => card.contacts.iter().any(|id| is(&id.to_string())),
        "companyId" => card.company.is_some_and(|id| is(&id.to_string())),
        "assignedById" => is(&card.assigned.to_string()),
        // A field that does not exist filters nothing out.
        _ => true,
    }
}

fn contacts(portal: &Portal, caller: &Caller, params: Params<'_>) -> Reply {
    let filter = params.block("filter");
    let select = params.texts("select");
    let rows: Vec<Value> = all(portal, caller, CardKind::Contact)
        .iter()
        .filter(|card| {
            filter.keys().all(|key| {
                let at = key.find(|letter: char| letter.is_ascii_alphanumeric()).unwrap_or(0);
                let (sign, name) = key.split_at(at);
                let name = match name {
                    "LAST_NAME" => "lastName".to_owned(),
                    other => other.to_lowercase(),
                };
                condition(card, &format!("{sign}{name}"), &Params(&filter).texts(key))
            })
        })
        .map(|card| {
            let mut row = crm_view::old(card);
            row.retain(|name, _| match name.as_str() {
                "PHONE" | "EMAIL" | "IM" => select.iter().any(|it| it == name),
                _ => select.is_empty() || name == "ID" || select.iter().any(|it| it == name || it == "*"),
            });
            Value::Object(row)
        })
        .collect();
    paged(rows, params.int("start").unwrap_or(0), |page| json!(page))
}

fn deal_contacts(portal: &Portal, caller: &Caller, params: Params<'_>) -> Answer {
    let at = CardRef { kind: CardKind::Deal, id: params.int("id").unwrap_or(0) };
    let card = visible(portal, caller, at).map_err(|_| RestError::new(400, "", "Access denied"))?;
    let rows: Vec<Value> = card
        .contacts
        .iter()
        .enumerate()
        .map(|(index, id)| {
            json!({"CONTACT_ID": id, "SORT": (index + 1) * 10, "ROLE_ID": 0, "IS_PRIMARY": if index == 0 { "Y" } else { "N" }})
        })
        .collect();
    Ok(json!(rows).into())
}

/// Cards with one of the values; a list instead of a map when there are none.
fn duplicates(portal: &Portal, caller: &Caller, params: Params<'_>) -> Result<Value, RestError> {
    let (what, values) = (params.text("type"), params.texts("values"));
    if values.len() > VALUES {
        return Err(RestError::new(400, "", "Too many values"));
    }
    let only = params.text("entity_type");
    let mut found = Map::new();
    for kind in [CardKind::Lead, CardKind::Contact, CardKind::Company] {
        let name = kind.name().to_uppercase();
        if !only.is_empty() && only != name {
            continue;
        }
        let ids: Vec<i64> = all(portal, caller, kind)
            .iter()
            .filter(|card| match what.as_str() {
                "PHONE" => card.phones.iter().any(|have| values.iter().any(|wanted| same_phone(have, wanted))),
                "EMAIL" => card.emails.iter().any(|have| values.iter().any(|it| have.eq_ignore_ascii_case(it))),
                _ => false,
            })
            .map(|card| card.at.id)
            .take(VALUES)
            .collect();
        if !ids.is_empty() {
            found.insert(name, json!(ids));
        }
    }
    Ok(if found.is_empty() { json!([]) } else { Value::Object(found) })
}

fn comment(portal: &Portal, caller: &Caller, params: Params<'_>) -> Answer {
    let fields = params.block("fields");
    let fields = Params(&fields);
    let missing = || RestError::new(400, "OWNER_NOT_FOUND", "Owner was not found");
    let kind = CardKind::named(&fields.text("ENTITY_TYPE")).ok_or_else(missing)?;
    let at = CardRef { kind, id: fields.int("ENTITY_ID").unwrap_or(0) };
    match visible(portal, caller, at) {
        Err(None) => return Err(missing()),
        Err(Some(())) => return Err(RestError::new(400, "ACCESS_DENIED", "Access denied")),
        Ok(_) => {}
    }
    let at_ms = portal.now_ms();
    portal.change(|state| {
        let id = state.next(Counter::Comment);
        let comment = Comment { id, author: caller.user, text: fields.text("COMMENT"), at_ms };
        if let Some(card) = state.cards.get_mut(&at) {
            card.comments.push(comment);
        }
        Ok(json!(id).into())
    })
}
