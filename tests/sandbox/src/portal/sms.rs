//! Text message providers: the portal's "SMS" goes to an application's handler.

use serde_json::json;

use super::{CardRef, Portal, Sms, UserId};
use crate::{form, random_hex};

impl Portal {
    /// An employee sends a text message from a card through a provider. Gives the message's id; `None`: no such provider.
    pub fn sends_sms(&self, user: UserId, sender: &str, card: CardRef, (to, text): (&str, &str)) -> Option<String> {
        self.change(|state| {
            let provider = state.senders.iter().find(|it| it.code == sender)?.clone();
            let id = random_hex(16);
            let body = json!({
                "module_id": "crm",
                "bindings": [{"OWNER_TYPE_ID": card.kind.type_id(), "OWNER_ID": card.id}],
                "properties": {"phone_number": to, "message_text": text},
                "type": "SMS",
                "code": sender,
                "message_id": id,
                "message_to": to,
                "message_body": text,
                "ts": self.world().clock.now_s(),
                "auth": self.auth(state, &provider.client_id, Some(user), true),
            });
            self.post(&format!("SMS {sender}"), &provider.handler, form::pairs(&body));
            state.sms.push(Sms {
                id: id.clone(),
                sender: sender.to_owned(),
                client_id: provider.client_id,
                card,
                to: to.to_owned(),
                text: text.to_owned(),
                status: "queued".to_owned(),
            });
            Some(id)
        })
    }

    /// The codes of the providers, in the order in which they were added.
    pub fn senders(&self) -> Vec<String> {
        self.read(|state| state.senders.iter().map(|sender| sender.code.clone()).collect())
    }

    /// Text messages with their last status, oldest first.
    pub fn sms(&self) -> Vec<Sms> {
        self.read(|state| state.sms.clone())
    }
}
