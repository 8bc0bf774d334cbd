//! The tick of an operator's message: told to the portal only after the messenger has accepted all of it, with all its ids, once.
//! (The portal also takes it as "read", and without it shows a spinner for ever and sends no edits.)

use serde::{Deserialize, Serialize};

use super::{ByLine, LineRef, carried, db_failure, grant};
use crate::{
    app::App,
    b24::methods::messages::{DeliveredChat, DeliveredIds, DeliveredMessage, ImRef, SendStatusDelivery},
    clock::Millis,
    db::{Carried, Delivery, DeliveryKind, Lane, Message, NewDelivery, Part, Settled},
    domain::{
        connector::Connector,
        failure::{Failure, Told},
        ids::{DeliveryId, ExternalChatId, PortalId},
    },
};

/// What is known of an operator's message besides what it says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Where he wrote: the channel may feed another Open Channel by the time the tick is due.
    #[serde(default)]
    pub line: Option<i64>,
    /// The connector through which he wrote: the chat may come through another one by then, too.
    #[serde(default)]
    pub connector: Option<Connector>,
    /// The messenger's id of the message that this part answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<String>,
    /// The part goes together with those behind it: how many are one album.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub album: Option<usize>,
}

impl Written {
    /// By the names of an event.
    pub fn through(connector: &str, line: i64) -> Self {
        Self { line: Some(line), connector: Connector::from_id(connector), ..Self::default() }
    }

    /// Whether he wrote into a group.
    pub fn is_group(&self) -> bool {
        self.connector.is_some_and(Connector::is_group)
    }

    /// Where it was, alone.
    pub fn place(&self) -> Self {
        Self { line: self.line, connector: self.connector, ..Self::default() }
    }

    pub fn of(delivery: &Delivery) -> Self {
        serde_json::from_str(&delivery.payload).unwrap_or_default()
    }
}

/// The delivery that tells it.
pub fn delivery(message: &Message, written: &Written, now: Millis) -> NewDelivery {
    NewDelivery::new(Lane::StatusOf(message.chat), DeliveryKind::Status, now).message(message.id).payload(written)
}

/// One status with the place where it is told.
struct Tick {
    line: LineRef,
    delivered: DeliveredMessage,
}

pub async fn deliver(app: &App, delivery: &Delivery) -> Result<Settled, Failure> {
    let Some(tick) = tick(app, delivery).await? else { return Ok(Settled::done()) };
    tell(app, &delivery.portal, tick.line, &[tick.delivered]).await
}

/// The statuses of one portal: one call for each of its lines.
pub async fn deliver_all(app: &App, deliveries: &[Delivery]) -> Vec<(DeliveryId, Result<Settled, Failure>)> {
    let mut outcomes = Vec::with_capacity(deliveries.len());
    let mut lines: ByLine<DeliveredMessage> = Vec::new();
    for delivery in deliveries {
        match tick(app, delivery).await {
            Ok(Some(tick)) => match lines.iter_mut().find(|(known, _)| *known == tick.line) {
                Some((_, ticks)) => ticks.push((delivery.id, tick.delivered)),
                None => lines.push((tick.line, vec![(delivery.id, tick.delivered)])),
            },
            Ok(None) => outcomes.push((delivery.id, Ok(Settled::done()))),
            Err(failure) => outcomes.push((delivery.id, Err(failure))),
        }
    }
    let Some(portal) = deliveries.first().map(|delivery| delivery.portal.clone()) else { return outcomes };
    for (line, ticks) in lines {
        let (ids, messages): (Vec<_>, Vec<_>) = ticks.into_iter().unzip();
        let outcome = tell(app, &portal, line, &messages).await;
        outcomes.extend(ids.into_iter().map(|id| (id, outcome.clone())));
    }
    outcomes
}

async fn tell(app: &App, portal: &PortalId, to: LineRef, messages: &[DeliveredMessage]) -> Result<Settled, Failure> {
    let method = SendStatusDelivery { connector: to.connector.id(), line: to.line, messages };
    grant::call_of(app, (portal, to.installation), &method).await?;
    Ok(Settled::done())
}

/// None when there is nobody to tell.
async fn tick(app: &App, delivery: &Delivery) -> Result<Option<Tick>, Failure> {
    let Carried { message, parts, view } = carried(delivery)?;
    let channel = view.chat.channel();
    let written = Written::of(delivery);
    let chats = (&channel, view.chat.is_group);
    let binding = app.db.binding_of_written(&delivery.portal, chats, written.connector).await.map_err(db_failure)?;
    // Disconnected meanwhile: there is no line that could show a tick.
    let Some(binding) = binding else { return Ok(None) };
    let (Some(chat_id), Some(message_id)) = (message.b24_chat, message.b24_message) else { return Ok(None) };
    let external = ExternalChatId::new(channel, &view.chat.peer)
        .ok_or_else(|| Failure::permanent(Told::Internal, "no external id"))?;
    let ids = parts.iter().flat_map(Part::core_ids).map(str::to_owned).collect();
    Ok(Some(Tick {
        line: LineRef { line: written.line.unwrap_or(binding.line), ..LineRef::of(&binding) },
        delivered: DeliveredMessage {
            im: ImRef { chat_id, message_id },
            message: DeliveredIds { id: ids, date: app.clock.now().seconds() },
            chat: DeliveredChat { id: external.to_string() },
        },
    }))
}
