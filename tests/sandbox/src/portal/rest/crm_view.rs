//! How cards look in answers: the universal view with small camel letters, and the old one in capitals.

use serde_json::{Map, Value, json};

use crate::portal::{Card, CardKind};

/// Value types as the make-believe cards have them.
fn value_type(kind: &str, value: &str) -> &'static str {
    match kind {
        "IM" if value.starts_with("imol|") => "IMOL",
        "IM" => "OTHER",
        "PHONE" => "MOBILE",
        _ => "WORK",
    }
}

fn multifields(card: &Card) -> Vec<(&'static str, &String)> {
    let all = [("PHONE", &card.phones), ("EMAIL", &card.emails), ("IM", &card.ims)];
    all.into_iter().flat_map(|(kind, values)| values.iter().map(move |value| (kind, value))).collect()
}

/// The universal view. `fm` is there for leads, contacts and companies.
pub(super) fn item(card: &Card) -> Map<String, Value> {
    let yes = |some: bool| if some { "Y" } else { "N" };
    let mut row = Map::new();
    let mut put = |key: &str, value: Value| {
        row.insert(key.to_owned(), value);
    };
    put("id", json!(card.at.id));
    put("title", json!(card.title));
    put("assignedById", json!(card.assigned));
    put("opened", json!("Y"));
    put("entityTypeId", json!(card.at.kind.type_id()));
    if card.at.kind != CardKind::Deal {
        put("name", json!(card.name));
        put("lastName", json!(card.last_name));
        put("hasPhone", json!(yes(!card.phones.is_empty())));
        put("hasEmail", json!(yes(!card.emails.is_empty())));
        put("hasImol", json!(yes(card.ims.iter().any(|im| im.starts_with("imol|")))));
        let fm: Vec<Value> = multifields(card)
            .into_iter()
            .enumerate()
            .map(|(index, (kind, value))| {
                json!({"id": card.at.id * 10 + i64::try_from(index).unwrap_or(0), "typeId": kind, "valueType": value_type(kind, value), "value": value})
            })
            .collect();
        put("fm", json!(fm));
    }
    if matches!(card.at.kind, CardKind::Deal | CardKind::Lead) {
        put("stageId", json!(card.stage));
        put("contactId", json!(card.contacts.first().copied().unwrap_or(0)));
        put("contactIds", json!(card.contacts));
        put("companyId", json!(card.company.unwrap_or(0)));
    }
    row
}

/// The old view: capitals, everything a string.
pub(super) fn old(card: &Card) -> Map<String, Value> {
    let mut row = Map::new();
    let mut put = |key: &str, value: Value| {
        row.insert(key.to_owned(), value);
    };
    put("ID", json!(card.at.id.to_string()));
    put("ASSIGNED_BY_ID", json!(card.assigned.to_string()));
    put("OPENED", json!("Y"));
    match card.at.kind {
        CardKind::Deal => {
            put("TITLE", json!(card.title));
            put("STAGE_ID", json!(card.stage));
            put("CATEGORY_ID", json!("0"));
            put("CONTACT_ID", json!(card.contacts.first().map(i64::to_string)));
            put("COMPANY_ID", json!(card.company.unwrap_or(0).to_string()));
        }
        CardKind::Lead => {
            put("TITLE", json!(card.title));
            put("STATUS_ID", json!(card.stage));
            put("NAME", json!(card.name));
            put("LAST_NAME", json!(card.last_name));
        }
        CardKind::Contact => {
            put("NAME", json!(card.name));
            put("LAST_NAME", json!(card.last_name));
            put("COMPANY_ID", json!(card.company.map(|id| id.to_string())));
        }
        CardKind::Company => put("TITLE", json!(card.title)),
    }
    for (flag, kind) in [("HAS_PHONE", "PHONE"), ("HAS_EMAIL", "EMAIL"), ("HAS_IMOL", "IM")] {
        if card.at.kind == CardKind::Deal {
            break;
        }
        let values: Vec<Value> = multifields(card)
            .into_iter()
            .filter(|(of, _)| *of == kind)
            .enumerate()
            .map(|(index, (_, value))| {
                let id = card.at.id * 10 + i64::try_from(index).unwrap_or(0);
                json!({"ID": id.to_string(), "VALUE_TYPE": value_type(kind, value), "VALUE": value, "TYPE_ID": kind})
            })
            .collect();
        put(flag, json!(if values.is_empty() { "N" } else { "Y" }));
        // A kind without values is absent.
        if !values.is_empty() {
            put(kind, json!(values));
        }
    }
    row
}
