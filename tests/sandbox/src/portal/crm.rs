//! CRM cards, and how open lines find and make them.

use serde_json::json;

use super::{Card, CardKind, CardRef, Chat, ChatId, Comment, Counter, NewCard, Portal, State, UserId, events::Event};

/// Stages of a deal, with names in Russian and English.
pub(crate) const STAGES: &[(&str, &str, &str)] = &[
    ("NEW", "Новая", "New"),
    ("PREPARATION", "Подготовка документов", "Create documents"),
    ("PREPAYMENT_INVOICE", "Счёт на предоплату", "Invoice"),
    ("EXECUTING", "В работе", "In progress"),
    ("FINAL_INVOICE", "Финальный счёт", "Final invoice"),
    ("WON", "Сделка успешна", "Deal won"),
    ("LOSE", "Сделка провалена", "Deal lost"),
];

impl Portal {
    /// A new card.
    pub fn card(&self, kind: CardKind, new: NewCard) -> CardRef {
        self.change(|state| self.add_card(state, kind, new))
    }

    pub fn card_at(&self, at: CardRef) -> Option<Card> {
        self.read(|state| state.cards.get(&at).cloned())
    }

    pub fn cards(&self) -> Vec<Card> {
        self.read(|state| state.cards.values().cloned().collect())
    }

    /// Comments in a card's timeline, oldest first.
    pub fn comments(&self, at: CardRef) -> Vec<Comment> {
        self.card_at(at).map(|card| card.comments).unwrap_or_default()
    }

    /// Only these employees and administrators see the card from now on. `None`: everyone.
    pub fn limits_card(&self, at: CardRef, to: Option<Vec<UserId>>) {
        self.change(|state| {
            if let Some(card) = state.cards.get_mut(&at) {
                card.visible_to = to;
            }
        });
    }

    /// An employee becomes responsible for a card; applications hear of it if he was not.
    pub fn assigns_card(&self, at: CardRef, to: UserId) {
        self.changes_card(at, |card| std::mem::replace(&mut card.assigned, to) != to);
    }

    /// The person of a card is called otherwise from now on.
    pub fn renames_card(&self, at: CardRef, (name, last_name): (&str, &str)) {
        self.changes_card(at, |card| {
            (card.name, card.last_name) = (name.to_owned(), last_name.to_owned());
            true
        });
    }

    fn changes_card(&self, at: CardRef, change: impl FnOnce(&mut Card) -> bool) {
        self.change(|state| {
            if state.cards.get_mut(&at).is_some_and(change) {
                self.tells_card(state, at, "UPDATE");
            }
        });
    }

    pub(super) fn add_card(&self, state: &mut State, kind: CardKind, new: NewCard) -> CardRef {
        let at = CardRef { kind, id: state.next(Counter::Card) };
        let stage = if new.stage.is_empty() { "NEW".to_owned() } else { new.stage };
        let title =
            if new.title.is_empty() { format!("{} {}", new.name, new.last_name).trim().to_owned() } else { new.title };
        let card = Card {
            at,
            title,
            name: new.name,
            last_name: new.last_name,
            stage,
            phones: new.phones,
            emails: new.emails,
            ims: new.ims,
            contacts: new.contacts,
            company: new.company,
            assigned: super::seed::ADMIN,
            comments: Vec::new(),
            visible_to: new.visible_to,
        };
        state.cards.insert(at, card);
        self.tells_card(state, at, "ADD");
        at
    }

    pub(super) fn tells_card(&self, state: &State, at: CardRef, what: &str) {
        let name = format!("ONCRM{}{what}", at.kind.name().to_uppercase());
        let data = json!({"FIELDS": {"ID": at.id}});
        self.emit(state, &Event { name: &name, data, actor: Some(super::seed::ADMIN), only: None });
    }

    /// Links a chat's new session to the CRM as its line says: by a known messenger value, e-mail or phone, else by a new
    /// lead or deal. Group chats are never linked.
    pub(super) fn link_session(&self, state: &mut State, chat: ChatId) {
        let Some(row) = state.chats.get(&chat).cloned() else {
            return;
        };
        let Some(line) = state.lines.get(&row.line).cloned() else {
            return;
        };
        if row.client == 0 || !line.is_on("CRM") {
            return;
        }
        let mut found = find_client(state, &row);
        let known = !found.is_empty();
        if !known {
            found = self.make_cards(state, &row, line.setting("CRM_CREATE"));
        }
        let im = format!("imol|{}", row.user_code());
        for at in &found {
            if let Some(card) = state.cards.get_mut(at).filter(|_| at.kind != CardKind::Deal)
                && !card.ims.contains(&im)
            {
                card.ims.push(im.clone());
            }
        }
        let responsible = found.first().and_then(|at| state.cards.get(at)).map(|card| card.assigned);
        if let Some(row) = state.chats.get_mut(&chat) {
            row.cards = found;
            if known && line.is_on("CRM_FORWARD") && row.operator.is_none() {
                row.operator = responsible;
            }
        }
    }

    fn make_cards(&self, state: &mut State, chat: &Chat, create: &str) -> Vec<CardRef> {
        let Some(user) = state.users.get(&chat.client).cloned() else {
            return Vec::new();
        };
        let some = |text: String| {
            if text.is_empty() { Vec::new() } else { vec![text] }
        };
        let person = NewCard {
            title: chat.title.clone(),
            name: user.name,
            last_name: user.last_name,
            phones: some(user.phone),
            emails: some(user.email),
            ..NewCard::default()
        };
        match create {
            "lead" => vec![self.add_card(state, CardKind::Lead, person)],
            "deal" => {
                let title = person.title.clone();
                let contact = self.add_card(state, CardKind::Contact, NewCard { title: String::new(), ..person });
                let deal = NewCard { title, contacts: vec![contact.id], ..NewCard::default() };
                vec![self.add_card(state, CardKind::Deal, deal), contact]
            }
            _ => Vec::new(),
        }
    }
}

/// Cards of the chat's client. An open deal counts only when it is the only one of his contact.
fn find_client(state: &State, chat: &Chat) -> Vec<CardRef> {
    let Some(user) = state.users.get(&chat.client) else {
        return Vec::new();
    };
    let im = format!("imol|{}", chat.user_code());
    let matches = |card: &&Card| {
        card.at.kind != CardKind::Deal
            && (card.ims.contains(&im)
                || (!user.email.is_empty() && card.emails.iter().any(|email| email.eq_ignore_ascii_case(&user.email)))
                || (!user.phone.is_empty() && card.phones.iter().any(|phone| same_phone(phone, &user.phone))))
    };
    // A contact is worth more than a lead of the same person.
    let mut found: Vec<CardRef> = Vec::new();
    for kind in [CardKind::Contact, CardKind::Company, CardKind::Lead] {
        found.extend(state.cards.values().filter(matches).filter(|card| card.at.kind == kind).map(|card| card.at));
        if !found.is_empty() {
            break;
        }
    }
    found.truncate(1);
    let Some(contact) = found.first().copied().filter(|at| at.kind == CardKind::Contact) else {
        return found;
    };
    let open: Vec<CardRef> = state
        .cards
        .values()
        .filter(|card| {
            let closed = matches!(card.stage.as_str(), "WON" | "LOSE");
            card.at.kind == CardKind::Deal && !closed && card.contacts.contains(&contact.id)
        })
        .map(|card| card.at)
        .collect();
    if let [deal] = open[..] {
        found.insert(0, deal);
    }
    found
}

/// Numbers are compared by their digits; the Russian trunk prefix 8 is the country code 7.
pub(super) fn same_phone(one: &str, other: &str) -> bool {
    let digits = |phone: &str| {
        let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
        match digits.strip_prefix('8') {
            Some(rest) if digits.len() == 11 => format!("7{rest}"),
            _ => digits,
        }
    };
    let one = digits(one);
    !one.is_empty() && one == digits(other)
}

/// An administrator, everyone (no list), or someone on the list.
pub(crate) fn may_see(state: &State, user: UserId, card: &Card) -> bool {
    state.is_admin(user) || card.visible_to.as_ref().is_none_or(|list| list.contains(&user))
}
