//! The tick of an operator's message: told to the portal only after the messenger has accepted all of it, with all its ids, once.
//! (The portal also takes it as "read", and without it shows a spinner for ever and sends no edits.)

use serde::{Deserialize, Serialize};

use super::{db_failure, grant};
use crate::{
    app::App,
    b24::methods::messages::{DeliveredChat, DeliveredIds, DeliveredMessage, ImRef, SendStatusDelivery},
    clock::Millis,
    db::{Delivery, DeliveryKind, Lane, Message, NewDelivery, Settled},
    domain::{
        failure::{Failure, Told},
        ids::ExternalChatId,
    },
};

/// Where the operator wrote: the channel may feed another Open Channel by the time the tick is due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    #[serde(default)]
    pub line: Option<i64>,
}

impl Written {
    pub fn of(delivery: &Delivery) -> Self {
        serde_json::from_str(&delivery.payload).unwrap_or_default()
    }
}

/// The delivery that tells it.
pub fn delivery(message: &Message, written: Written, now: Millis) -> NewDelivery {
    NewDelivery::new(Lane::StatusOf(message.chat), DeliveryKind::Status, now).message(message.id).payload(&written)
}

pub async fn deliver(app: &App, delivery: &Delivery) -> Result<Settled, Failure> {
    let gone = || Failure::permanent(Told::Internal, "the message of the status is gone");
    let id = delivery.message.ok_or_else(gone)?;
    let (message, parts) = app.db.message_get(&delivery.portal, id).await.map_err(db_failure)?.ok_or_else(gone)?;
    let view = app.db.chat_get(&delivery.portal, message.chat).await.map_err(db_failure)?.ok_or_else(gone)?;
    let channel = view.chat.channel();
    let binding = app.db.binding_of_channel(&delivery.portal, &channel).await.map_err(db_failure)?;
    // Disconnected meanwhile: there is no line that could show a tick.
    let Some(binding) = binding else { return Ok(Settled::done()) };
    let (Some(chat_id), Some(message_id)) = (message.b24_chat, message.b24_message) else { return Ok(Settled::done()) };
    let external = ExternalChatId::new(channel, &view.chat.peer).ok_or_else(gone)?;
    let ids = parts.iter().filter_map(|part| part.core_id.as_deref()).flat_map(str::lines).map(str::to_owned).collect();
    let delivered = DeliveredMessage {
        im: ImRef { chat_id, message_id },
        message: DeliveredIds { id: ids, date: app.clock.now().seconds() },
        chat: DeliveredChat { id: external.to_string() },
    };
    let messages = [delivered];
    let line = Written::of(delivery).line.unwrap_or(binding.line);
    let method = SendStatusDelivery { connector: binding.connector.id(), line, messages: &messages };
    grant::call_of(app, &delivery.portal, binding.installation, &method).await?;
    Ok(Settled::done())
}
