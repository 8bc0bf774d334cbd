//! Expressions in robots' properties: `{{Контакт: Телефон (текст)}}` as people pick them, `{=Document:...}` as they are saved.

use super::{Card, CardKind, CardRef, State};

/// Fields that an expression may name: in Russian, in English, and the code.
const FIELDS: &[(&str, &str, &str)] = &[
    ("ID", "ID", "ID"),
    ("Название", "Name", "TITLE"),
    ("Стадия", "Stage", "STAGE_ID"),
    ("Имя", "First name", "NAME"),
    ("Фамилия", "Last name", "LAST_NAME"),
    ("Телефон", "Phone", "PHONE"),
    ("Телефон (текст)", "Phone (text)", "PHONE_PRINTABLE"),
    ("E-mail (текст)", "E-mail (text)", "EMAIL_PRINTABLE"),
    ("Мессенджер (текст)", "Messenger (text)", "IM_PRINTABLE"),
    ("Ответственный", "Responsible person", "ASSIGNED_BY_ID"),
    ("Контакт: Имя", "Contact: First name", "CONTACT.NAME"),
    ("Контакт: Фамилия", "Contact: Last name", "CONTACT.LAST_NAME"),
    ("Контакт: Телефон", "Contact: Phone", "CONTACT.PHONE"),
    ("Контакт: Телефон (текст)", "Contact: Phone (text)", "CONTACT.PHONE_PRINTABLE"),
    ("Контакт: E-mail (текст)", "Contact: E-mail (text)", "CONTACT.EMAIL_PRINTABLE"),
    ("Контакт: Мессенджер (текст)", "Contact: Messenger (text)", "CONTACT.IM_PRINTABLE"),
    ("Компания: Название", "Company: Name", "COMPANY.TITLE"),
    ("Компания: Телефон (текст)", "Company: Phone (text)", "COMPANY.PHONE_PRINTABLE"),
];

/// Replaces what people pick by what is saved. Unknown names stay as they are written.
pub(super) fn saved(text: &str) -> String {
    replaced(text, "{{", "}}", |name| {
        let name = name.trim();
        let field = FIELDS.iter().find(|(ru, en, _)| name == *ru || name == *en);
        field.map(|(_, _, code)| format!("{{=Document:{code}}}"))
    })
}

/// The text with the card's values in place of saved expressions. An unknown field is empty.
pub(super) fn evaluated(state: &State, at: CardRef, text: &str) -> String {
    replaced(text, "{=Document:", "}", |code| Some(field(state, at, code.trim())))
}

fn replaced(text: &str, open: &str, close: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(open) {
        let Some((inner, behind)) = after.split_once(close) else {
            break;
        };
        out.push_str(before);
        match value(inner) {
            Some(value) => out.push_str(&value),
            None => out.push_str(&format!("{open}{inner}{close}")),
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

fn field(state: &State, at: CardRef, code: &str) -> String {
    let Some(card) = state.cards.get(&at) else {
        return String::new();
    };
    if let Some(code) = code.strip_prefix("CONTACT.") {
        // Of several contacts only the primary one is reached.
        let contact = card.contacts.first().map(|id| CardRef { kind: CardKind::Contact, id: *id });
        return contact.map(|at| field(state, at, code)).unwrap_or_default();
    }
    if let Some(code) = code.strip_prefix("COMPANY.") {
        let company = card.company.map(|id| CardRef { kind: CardKind::Company, id });
        return company.map(|at| field(state, at, code)).unwrap_or_default();
    }
    own_field(card, code)
}

fn own_field(card: &Card, code: &str) -> String {
    // A deal has neither name nor phone of its own.
    let own = card.at.kind != CardKind::Deal;
    match code {
        "ID" => card.at.id.to_string(),
        "TITLE" => card.title.clone(),
        "STAGE_ID" | "STATUS_ID" => card.stage.clone(),
        "ASSIGNED_BY_ID" => format!("user_{}", card.assigned),
        "NAME" if own => card.name.clone(),
        "LAST_NAME" if own => card.last_name.clone(),
        // A multiple value in a single property gives its first one.
        "PHONE" if own => card.phones.first().cloned().unwrap_or_default(),
        "PHONE_PRINTABLE" if own => card.phones.join(", "),
        "EMAIL_PRINTABLE" if own => card.emails.join(", "),
        "IM_PRINTABLE" if own => card.ims.join(", "),
        _ => String::new(),
    }
}
