//! Editing and deleting what a bot has sent.

use serde_json::{Map, Value, json};

use super::{
    TelegramBot,
    error::{ApiError, Reason},
    send::{chat_id, plain},
};
use crate::{
    domain::failure::Failure,
    messaging::{ChannelRef, SentRef, transfer::harmless},
};

impl TelegramBot {
    pub(in crate::messaging::embedded) async fn edit(
        &self,
        channel: &ChannelRef,
        message: SentRef<'_>,
        html: &str,
    ) -> Result<(), Failure> {
        let (method, field) =
            if message.is_caption { ("editMessageCaption", "caption") } else { ("editMessageText", "text") };
        let mut body = body(message)?;
        body.insert(field.to_owned(), json!(html));
        body.insert("parse_mode".to_owned(), json!("HTML"));
        let mut answer = self.change(channel, method, body.clone()).await;
        if answer.as_ref().is_err_and(|error| error.reason() == Some(Reason::Markup)) {
            body.insert(field.to_owned(), json!(plain(html)));
            body.remove("parse_mode");
            answer = self.change(channel, method, body).await;
        }
        match answer {
            Err(error) if error.reason() != Some(Reason::NotModified) => Err(harmless(error.into_failure())),
            _done => Ok(()),
        }
    }

    pub(in crate::messaging::embedded) async fn delete(
        &self,
        channel: &ChannelRef,
        message: SentRef<'_>,
    ) -> Result<(), Failure> {
        match self.change(channel, "deleteMessage", body(message)?).await {
            Err(error) if error.reason() != Some(Reason::NoMessage) => Err(harmless(error.into_failure())),
            _done => Ok(()),
        }
    }

    async fn change(&self, channel: &ChannelRef, method: &str, body: Map<String, Value>) -> Result<Value, ApiError> {
        self.api.call(&channel.secret, method, &Value::Object(body)).await
    }
}

/// Names the message.
fn body(message: SentRef<'_>) -> Result<Map<String, Value>, Failure> {
    let id: i64 = message.id.parse().unwrap_or(0);
    Ok(Map::from_iter([("chat_id".to_owned(), json!(chat_id(message.peer)?)), ("message_id".to_owned(), json!(id))]))
}
