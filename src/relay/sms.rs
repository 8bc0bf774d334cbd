//! A channel as a provider of text messages: what the CRM sends as SMS goes to the client's messenger by his phone number, and the
//! portal is told what became of it. Which channels do, is a setting of their connection.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    ExpandError,
    address::{self, By, Job, To},
    grant::{self, Refused},
    payload, provision,
};
use crate::{
    app::App,
    b24::{
        bbcode,
        incoming::SmsCall,
        methods::sms::{SenderAdd, SenderDelete, SenderList, SenderUpdate, StatusUpdate},
    },
    clock::Millis,
    db::{
        Binding, Delivery, DeliveryKind, Expansion, InboxItem, Installation, Lane, Message, MessageOrigin,
        MessageProgress, NewDelivery, Settled,
    },
    domain::{
        address::first_phone,
        failure::Failure,
        ids::{ChannelId, InstallationId},
    },
};

/// Before a channel's id in a provider's code, and before the portal's id of a text in a message's key.
const CODE: &str = "chatapp_";
const KEY: &str = "sms-";

/// What the portal is told of a text.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Status {
    installation: InstallationId,
    code: String,
    message: String,
    fate: String,
}

impl Status {
    fn delivery(&self, now: Millis) -> NewDelivery {
        NewDelivery::new(Lane::Sms(self.message.clone()), DeliveryKind::SmsStatus, now).payload(self)
    }
}

fn code(channel: &ChannelId) -> String {
    format!("{CODE}{channel}")
}

/// The key of the message that a text becomes.
pub(super) fn key(message: &str) -> String {
    format!("{KEY}{message}")
}

/// A text becomes a delivery to its phone; one that cannot go anywhere is told as failed at once.
pub(super) async fn expand(
    app: &App,
    item: &InboxItem,
    installation: InstallationId,
    call: &SmsCall,
) -> Result<Expansion, ExpandError> {
    let mut expansion = Expansion { relevant: true, ..Expansion::default() };
    let phone = first_phone(&call.to).map(|phone| phone.e164());
    let channel = call.code.strip_prefix(CODE).and_then(ChannelId::parse);
    let binding = match &channel {
        Some(channel) => app.db.binding_of_chats(&item.portal, (channel, false)).await?,
        None => None,
    };
    let delivery = match (phone, channel, binding.filter(|binding| binding.settings.sms)) {
        (Some(phone), Some(channel), Some(binding)) => {
            let by = By::Sms { message: call.message_id.clone(), shown: binding.settings.sms_shown };
            let job = Job { channel, to: To::Phone(phone), text: bbcode::from_plain(&call.text), template: None, by };
            address::delivery(app, &item.portal, &job).await?
        }
        _nowhere => {
            let (code, message) = (call.code.clone(), call.message_id.clone());
            Status { installation, code, message, fate: "failed".into() }.delivery(app.clock.now())
        }
    };
    expansion.deliveries.push(delivery);
    Ok(expansion)
}

/// What became of a text when it was sent, or could not be.
pub(super) fn outcome(app: &App, binding: &Binding, message: &str, is_sent: bool) -> NewDelivery {
    let fate = if is_sent { "sent" } else { "failed" };
    status_of(binding, message, fate).delivery(app.clock.now())
}

fn status_of(binding: &Binding, message: &str, fate: &str) -> Status {
    Status {
        installation: binding.installation,
        code: code(&binding.channel),
        message: message.into(),
        fate: fate.into(),
    }
}

/// What the messenger has told of a message; None when it was no such text, or is nothing new to the portal.
pub(super) fn progress(
    binding: &Binding,
    message: &Message,
    progress: MessageProgress,
    now: Millis,
) -> Option<NewDelivery> {
    let id = message.source_key.strip_prefix(KEY).filter(|_| message.origin == MessageOrigin::Sms)?;
    let fate = match progress {
        MessageProgress::Delivered | MessageProgress::Read => "delivered",
        MessageProgress::Failed => "undelivered",
        MessageProgress::Waiting | MessageProgress::Sent => return None,
    };
    Some(status_of(binding, id, fate).delivery(now))
}

pub(super) async fn deliver(app: &App, delivery: &Delivery) -> Result<Settled, Failure> {
    let told: Status = payload(delivery)?;
    let method = StatusUpdate { code: &told.code, message_id: &told.message, status: &told.fate };
    match grant::call_of(app, (&delivery.portal, told.installation), &method).await {
        // Who sent it does not ask any more.
        Err(Refused::Portal(error)) if error.code.as_str() == "ERROR_MESSAGE_NOT_FOUND" => Ok(Settled::done()),
        told => told.map(|_done| Settled::done()).map_err(Failure::from),
    }
}

/// Makes the portal's list of our providers what the connections want. Gives those that the portal does not let us have.
pub(super) async fn senders(app: &App, installation: &Installation) -> Result<Vec<String>, Refused> {
    let portal = &installation.portal;
    let bindings = app.db.binding_list(portal).await?;
    let wanted: Vec<Binding> =
        bindings.into_iter().filter(|it| it.installation == installation.id && it.settings.sms).collect();
    let known = match grant::call_in_setup(app, installation, &SenderList {}).await {
        Ok(known) => known.0,
        // Where it is not to be had there is nothing to take away; what is wanted is told as lacking.
        Err(refused) => {
            return if provision::is_lacking(&refused) {
                Ok(wanted.iter().map(|binding| code(&binding.channel)).collect())
            } else {
                Err(refused)
            };
        }
    };
    let names: BTreeMap<ChannelId, String> = app
        .db
        .channel_list(portal)
        .await?
        .into_iter()
        .map(|channel| (channel.id, format!("ChatApp · {} · {}", channel.connector.title(), channel.title)))
        .collect();
    let handler = app.config.own_url("/b24/sms");
    let mut lacking = Vec::new();
    for binding in &wanted {
        let (code, name) = (code(&binding.channel), names.get(&binding.channel).map_or("ChatApp", String::as_str));
        let done = if known.contains(&code) {
            let update = SenderUpdate { code: &code, handler: &handler, name };
            grant::call_in_setup(app, installation, &update).await
        } else {
            let add = SenderAdd { code: &code, r#type: "SMS", handler: &handler, name };
            grant::call_in_setup(app, installation, &add).await
        };
        if !provision::allowed(done)? {
            lacking.push(code);
        }
    }
    let is_wanted = |code: &str| wanted.iter().any(|binding| code.strip_prefix(CODE) == Some(binding.channel.as_str()));
    for old in known.iter().filter(|code| code.starts_with(CODE) && !is_wanted(code)) {
        provision::allowed(grant::call_in_setup(app, installation, &SenderDelete { code: old }).await)?;
    }
    Ok(lacking)
}
