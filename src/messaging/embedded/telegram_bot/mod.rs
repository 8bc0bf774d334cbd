//! Telegram bots through the official Bot API.
//!
//! Who is who: [`TelegramBot`] speaks for all bots (a channel brings its own token); `send` and `album` write, `changes` edits and deletes,
//! `updates` reads what webhooks and [`TelegramBot::poll`] bring, `api` makes one call. Not guaranteed: Telegram has neither an idempotency key
//! nor a history for bots, so an unknown outcome of a send stays unknown. Bots report no delivery and no reading.

mod album;
mod api;
mod changes;
mod content;
mod error;
mod send;
#[cfg(test)]
mod update_tests;
mod updates;
mod wire;

use std::time::Duration;

use serde_json::{Value, json};
use url::Url;

use self::{api::Api, error::ApiError};
use crate::{
    domain::{
        capabilities::{Capabilities, Checks, Groups, Markup, Window, WriteFirst},
        failure::{Failure, Told},
    },
    messaging::{
        ChannelRef, CoreEvent, Fetched, Malformed, Origin, RawItem,
        transfer::{self, harmless},
    },
    outgoing::Outgoing,
    secret::Secret,
};

const MIB: u64 = 1024 * 1024;

/// `deleteMessage`: "A message can only be deleted if it was sent less than 48 hours ago".
const DELETABLE: Duration = Duration::from_hours(48);

/// The figures of the Bot API's documentation (sendMessage, sendPhoto, "Sending files", getFile). A server of one's own
/// (`--local`) allows more; these hold for Telegram's.
pub const CAPABILITIES: Capabilities = Capabilities {
    markup: Markup::TelegramHtml,
    text_limit: 4096,
    caption_limit: 1024,
    upload_limit: 50 * MIB,
    photo_limit: 10 * MIB,
    download_limit: 20 * MIB,
    write_first: WriteFirst::Never,
    checks: Checks::Nothing,
    edit: Window::Always,
    delete: Window::For(DELETABLE),
    client_edit: true,
    client_delete: false,
    quotes: true,
    reactions: true,
    groups: Groups::Joined,
    templates: false,
    album: album::MOST,
    delivered: false,
    read: false,
};

/// Kinds of updates that we ask for; the rest is not sent to us.
const UPDATES: [&str; 4] = ["message", "edited_message", "message_reaction", "my_chat_member"];
/// The Bot API server cuts a long poll here.
const LONGEST_POLL: Duration = Duration::from_secs(50);
/// How much longer than the poll we wait for its answer.
const POLL_GRACE: Duration = Duration::from_secs(15);

/// Who a token belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BotInfo {
    /// The channel's `account`.
    pub id: String,
    pub username: String,
    pub name: String,
}

/// An update of a poll. The next poll's offset is the last `update_id` + 1, and confirms these.
#[derive(Clone, Debug)]
pub struct Polled {
    pub update_id: i64,
    pub item: RawItem,
}

pub struct TelegramBot {
    api: Api,
}

impl TelegramBot {
    /// `base` is `TELEGRAM_API_URL`.
    pub fn new(outgoing: Outgoing, base: Url) -> Self {
        Self { api: Api::new(outgoing, base) }
    }

    /// Asks Telegram whose token it is; `ChannelDisconnected` when nobody's.
    pub async fn describe(&self, token: &Secret) -> Result<BotInfo, Failure> {
        let me: wire::User = self.ask(token, "getMe", &json!({})).await?;
        Ok(BotInfo { id: me.id.to_string(), name: me.full_name(), username: me.username.unwrap_or_default() })
    }

    /// Has updates posted to `url` (https on Telegram's own server) with `secret` in `X-Telegram-Bot-Api-Secret-Token`.
    pub async fn set_webhook(&self, token: &Secret, url: &Url, secret: &Secret) -> Result<(), Failure> {
        if !is_webhook_secret(secret.expose()) {
            let cause = "a webhook's secret is 1 to 256 letters, digits, _ and -";
            return Err(Failure::permanent(Told::Internal, cause));
        }
        let body = json!({
            "url": url.as_str(),
            "secret_token": secret.expose(),
            "allowed_updates": UPDATES,
        });
        self.ask::<bool>(token, "setWebhook", &body).await.map(drop)
    }

    /// Where updates are posted, and whether all kinds are that we ask for; none: they are not posted.
    pub async fn webhook(&self, token: &Secret) -> Result<Option<(Secret, bool)>, Failure> {
        let info: wire::WebhookInfo = self.ask(token, "getWebhookInfo", &json!({})).await?;
        let is_complete = UPDATES.iter().all(|kind| info.allowed_updates.iter().any(|known| known == kind));
        Ok((!info.url.is_empty()).then(|| (Secret::new(info.url), is_complete)))
    }

    /// Back to polling. Updates that wait are kept.
    pub async fn delete_webhook(&self, token: &Secret) -> Result<(), Failure> {
        let body = json!({ "drop_pending_updates": false });
        self.ask::<bool>(token, "deleteWebhook", &body).await.map(drop)
    }

    /// Waits up to `patience` (at most 50 s) for updates from `offset` on. Updates below the offset are forgotten by
    /// Telegram: pass it only when they are stored. Fails as busy while a webhook is set or another node polls.
    pub async fn poll(&self, channel: &ChannelRef, offset: i64, patience: Duration) -> Result<Vec<Polled>, Failure> {
        let patience = patience.min(LONGEST_POLL);
        let body = json!({
            "offset": offset,
            "timeout": patience.as_secs(),
            "allowed_updates": UPDATES,
        });
        let answer = self.api.call_for::<Vec<Value>>(&channel.secret, "getUpdates", &body, patience + POLL_GRACE).await;
        let updates = answer.map_err(ApiError::into_failure).map_err(harmless)?;
        Ok(updates.into_iter().filter_map(polled).collect())
    }

    /// Fetches a file by its id: where it lies now, then its bytes.
    pub async fn fetch(&self, channel: &ChannelRef, origin: &Origin) -> Result<Fetched, Failure> {
        let Origin::TelegramFile(id) = origin else {
            return Err(Failure::permanent(Told::FileUnavailable, "not a Telegram file"));
        };
        let token = &channel.secret;
        let file: wire::Located = self.ask(token, "getFile", &json!({ "file_id": id })).await?;
        let limit = CAPABILITIES.download_limit;
        if file.file_size.is_some_and(|size| size > limit) {
            return Err(Failure::permanent(Told::FileTooLarge, "over Telegram's 20 MB"));
        }
        let path = file.file_path.ok_or_else(|| Failure::transient("the file has no path yet"))?;
        let url = self.api.file_url(token, &path).map_err(ApiError::into_failure)?;
        let mut fetched = transfer::fetch(self.api.outgoing(), url, limit).await?;
        // Telegram calls every file this; the message knew better.
        fetched.mime.take_if(|mime| mime == "application/octet-stream");
        Ok(fetched)
    }

    pub fn album_kind(mime: &str, size: u64) -> Option<&'static str> {
        album::kind(mime, size)
    }

    pub fn split(&self, body: &[u8]) -> Result<Vec<RawItem>, Malformed> {
        updates::split(body)
    }

    pub fn parse(&self, item: &Value) -> Result<CoreEvent, Malformed> {
        updates::parse(item)
    }

    /// A call that may be repeated without harm.
    async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        token: &Secret,
        method: &str,
        body: &Value,
    ) -> Result<T, Failure> {
        let answer = self.api.call(token, method, body).await;
        answer.map_err(ApiError::into_failure).map_err(harmless)
    }
}

fn polled(update: Value) -> Option<Polled> {
    // Telegram numbers every update; one without a number could never be confirmed.
    let update_id = update.get("update_id")?.as_i64()?;
    let item = updates::raw(update);
    Some(Polled { update_id, item })
}

fn is_webhook_secret(secret: &str) -> bool {
    (1..=256).contains(&secret.len()) && secret.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}
