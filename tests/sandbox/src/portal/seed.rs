//! What a portal begins with, and what the demo adds.

use serde_json::{Map, json};

use super::{CardKind, CardRef, NewCard, Portal, State, User, UserId, lines};
use crate::messengers::demo::PEOPLE;

pub(super) const ADMIN: UserId = 1;
pub(super) const EMPLOYEE: UserId = 27;

/// An administrator, a manager, and one calm open line: no welcome, no vote.
pub(super) fn found(state: &mut State) {
    let person = |id, name: &str, last_name: &str, admin| User {
        id,
        name: name.to_owned(),
        last_name: last_name.to_owned(),
        admin,
        active: true,
        phone: String::new(),
        email: String::new(),
        external: None,
    };
    state.users.insert(ADMIN, person(ADMIN, "Анна", "Соколова", true));
    state.users.insert(EMPLOYEE, person(EMPLOYEE, "Светлана", "Иванова", false));
    let config = Map::from_iter([
        ("LINE_NAME".to_owned(), json!("Открытая линия")),
        ("WELCOME_MESSAGE".to_owned(), json!("N")),
        ("VOTE_MESSAGE".to_owned(), json!("N")),
        ("QUEUE".to_owned(), json!([ADMIN, EMPLOYEE])),
    ]);
    lines::add_line(state, &config, ADMIN);
}

impl Portal {
    /// Deals and contacts for the demo, in the portal's language. Their people are those of the
    /// make-believe phone.
    pub fn seed_demo(&self) -> Vec<CardRef> {
        let russian = self.lang() == "ru";
        self.change(|state| {
            if !russian {
                rename(state);
            }
            let deals_of = [
                ("Доставка кофе в офис", "Office coffee delivery", "NEW"),
                ("Ремонт кофемашины", "Coffee machine repair", "PREPARATION"),
                ("Аренда кулера", "Water cooler rental", "EXECUTING"),
                ("Чай для переговорной", "Tea for the meeting room", "NEW"),
            ];
            let mut deals = Vec::new();
            for (person, (deal_ru, deal_en, stage)) in PEOPLE.iter().zip(deals_of) {
                let (whole, deal) = if russian { (person.name_ru, deal_ru) } else { (person.name_en, deal_en) };
                let (name, last_name) = whole.split_once(' ').unwrap_or((whole, ""));
                let contact = NewCard {
                    name: name.to_owned(),
                    last_name: last_name.to_owned(),
                    phones: person.phone.map(str::to_owned).into_iter().collect(),
                    ims: person.username.map(|username| format!("@{username}")).into_iter().collect(),
                    ..NewCard::default()
                };
                let contact = self.add_card(state, CardKind::Contact, contact);
                let deal = NewCard {
                    title: deal.to_owned(),
                    stage: stage.to_owned(),
                    contacts: vec![contact.id],
                    ..NewCard::default()
                };
                deals.push(self.add_card(state, CardKind::Deal, deal));
            }
            deals
        })
    }
}

fn rename(state: &mut State) {
    for (id, name, last_name) in [(ADMIN, "Anna", "Falcon"), (EMPLOYEE, "Svetlana", "Ivanova")] {
        if let Some(user) = state.users.get_mut(&id) {
            name.clone_into(&mut user.name);
            last_name.clone_into(&mut user.last_name);
        }
    }
    if let Some(line) = state.lines.values_mut().next() {
        "Open Channel".clone_into(&mut line.name);
    }
}
