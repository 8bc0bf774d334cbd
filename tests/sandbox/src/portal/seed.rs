//! What a portal begins with, and what the demo adds.

use serde_json::{Map, json};

use super::{CardKind, CardRef, NewCard, Portal, State, User, UserId, lines};

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
    /// Deals and contacts for the demo, in the portal's language. The phones are of ranges that are kept free, and the
    /// same as those of the make-believe people.
    pub fn seed_demo(&self) -> Vec<CardRef> {
        let russian = self.lang() == "ru";
        self.change(|state| {
            if !russian {
                rename(state);
            }
            let people: [(&str, &str, &str, &str, &str, &str); 3] = if russian {
                [
                    ("Мария", "Петрова", "+79000000001", "maria@example.com", "Доставка кофе в офис", "NEW"),
                    ("Иван", "Орлов", "+79000000002", "ivan@example.com", "Ремонт кофемашины", "PREPARATION"),
                    ("Олег", "Смирнов", "+79000000003", "oleg@example.com", "Аренда кулера", "EXECUTING"),
                ]
            } else {
                [
                    ("Mary", "Peters", "+79000000001", "mary@example.com", "Office coffee delivery", "NEW"),
                    ("John", "Eagle", "+79000000002", "john@example.com", "Coffee machine repair", "PREPARATION"),
                    ("Oliver", "Smith", "+79000000003", "oliver@example.com", "Water cooler rental", "EXECUTING"),
                ]
            };
            let mut deals = Vec::new();
            for (name, last_name, phone, email, deal, stage) in people {
                let contact = NewCard {
                    name: name.to_owned(),
                    last_name: last_name.to_owned(),
                    phones: vec![phone.to_owned()],
                    emails: vec![email.to_owned()],
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
