//! Both ways to get updates: asking for them, and having them posted. One excludes the other.

use std::time::Duration;

use serde_json::{Value, json};
use url::Url;

use super::{Call, Outcome, Refused, knobs::Webhook};

/// Longest wait of `getUpdates`, in seconds; the server's source.
const LONGEST_WAIT_S: i64 = 50;
/// Ports of webhooks that the cloud's server calls.
const PORTS: [u16; 4] = [443, 80, 88, 8443];
const SECRET_LIMIT: usize = 256;

/// `getUpdates`: what comes at or after `offset`, which confirms all before it; waits when there is nothing.
pub(super) async fn get_updates(call: &Call) -> Outcome {
    let offset = call.params.number("offset").unwrap_or(0);
    let limit = call.params.number("limit").unwrap_or(100).clamp(1, 100);
    let limit = usize::try_from(limit).unwrap_or(1);
    let wait_s = call.params.number("timeout").unwrap_or(0);
    let wait_s = wait_s.clamp(0, LONGEST_WAIT_S);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(u64::try_from(wait_s).unwrap_or_default());
    let poll = begin_poll(call, offset)?;
    loop {
        // Registered before looking, so that a bell in between is heard.
        let bell = call.messengers.inner.bell.notified();
        tokio::pin!(bell);
        bell.as_mut().enable();
        let found = waiting(call, poll, offset, limit)?;
        if !found.is_empty() || tokio::time::timeout_at(deadline, bell).await.is_err() {
            return Ok(json!(found));
        }
    }
}

fn begin_poll(call: &Call, offset: i64) -> Result<u64, Refused> {
    let allowed = allowed_updates(call);
    call.messengers.quietly(|store| {
        let Some(bot) = store.telegram.bot_mut(&call.token) else {
            return Err(Refused::new(401, "Unauthorized"));
        };
        if bot.webhook.is_some() {
            return Err(Refused::new(
                409,
                "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook \
                 to delete the webhook first",
            ));
        }
        if let Some(allowed) = allowed {
            bot.allowed_updates = allowed;
        }
        if offset < 0 {
            // Counted from the end; what is before is forgotten.
            let keep = usize::try_from(-offset).unwrap_or(usize::MAX);
            let drop = bot.queue.len().saturating_sub(keep);
            bot.queue.drain(..drop);
        } else {
            bot.queue.retain(|update| update.id >= offset);
        }
        bot.polls += 1;
        Ok(bot.polls)
    })
}

fn waiting(call: &Call, poll: u64, offset: i64, limit: usize) -> Result<Vec<Value>, Refused> {
    let now_ms = call.messengers.now_ms();
    let mut store = call.messengers.read();
    let Some(bot) = store.telegram.bot_mut(&call.token) else {
        return Err(Refused::new(401, "Unauthorized"));
    };
    if bot.webhook.is_some() {
        return Err(Refused::new(409, "Conflict: terminated by setWebhook request"));
    }
    if bot.polls != poll {
        return Err(Refused::new(
            409,
            "Conflict: terminated by other getUpdates request; make sure that only one bot \
             instance is running",
        ));
    }
    bot.queue.retain(|update| update.expires_ms > now_ms);
    Ok(bot
        .queue
        .iter()
        .filter(|update| offset <= 0 || update.id >= offset)
        .take(limit)
        .map(|update| update.body.clone())
        .collect())
}

/// `Some(None)` when the default is asked for, `None` when nothing is said.
fn allowed_updates(call: &Call) -> Option<Option<Vec<String>>> {
    let Value::Array(kinds) = call.params.json("allowed_updates") else {
        return None;
    };
    let kinds: Vec<String> = kinds.iter().filter_map(|kind| kind.as_str().map(str::to_owned)).collect();
    Some((!kinds.is_empty()).then_some(kinds))
}

/// `setWebhook`; an empty address takes the webhook away.
pub(super) fn set(call: &Call) -> Outcome {
    let address = call.params.text("url").trim();
    if address.is_empty() {
        return delete(call);
    }
    let secret = call.params.text("secret_token");
    if secret.len() > SECRET_LIMIT {
        return Err(Refused::bad("secret token is too long"));
    }
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !secret.chars().all(good) {
        return Err(Refused::bad("secret token contains unallowed characters"));
    }
    let plain_http = call.messengers.read().telegram.knobs.plain_http;
    check_address(address, plain_http)?;
    let allowed = allowed_updates(call);
    call.messengers.quietly(|store| {
        let Some(bot) = store.telegram.bot_mut(&call.token) else {
            return;
        };
        if call.params.flag("drop_pending_updates") {
            bot.queue.clear();
        }
        if let Some(allowed) = allowed {
            bot.allowed_updates = allowed;
        }
        bot.webhook = Some(Webhook { url: address.to_owned(), secret: secret.to_owned(), ..Webhook::default() });
    });
    Ok(json!(true))
}

fn check_address(address: &str, plain_http: bool) -> Result<(), Refused> {
    let url = Url::parse(address).map_err(|_| Refused::bad("invalid webhook URL specified"))?;
    if !(url.scheme() == "https" || plain_http && url.scheme() == "http") {
        return Err(Refused::bad("bad webhook: An HTTPS URL must be provided for webhook"));
    }
    let port = url.port_or_known_default().unwrap_or_default();
    if !plain_http && !PORTS.contains(&port) {
        return Err(Refused::bad("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443"));
    }
    Ok(())
}

/// `deleteWebhook`
pub(super) fn delete(call: &Call) -> Outcome {
    call.messengers.quietly(|store| {
        if let Some(bot) = store.telegram.bot_mut(&call.token) {
            bot.webhook = None;
            if call.params.flag("drop_pending_updates") {
                bot.queue.clear();
            }
        }
    });
    Ok(json!(true))
}

/// `getWebhookInfo`
pub(super) fn info(call: &Call) -> Value {
    let store = call.messengers.read();
    let Some(bot) = store.telegram.bot(&call.token) else {
        return Value::Null;
    };
    let webhook = bot.webhook.as_ref();
    let mut info = json!({
        "url": webhook.map_or("", |webhook| webhook.url.as_str()),
        "has_custom_certificate": false,
        "pending_update_count": bot.queue.len(),
    });
    if let Some((at_s, text)) = webhook.and_then(|webhook| webhook.last_error.as_ref()) {
        info["last_error_date"] = json!(at_s);
        info["last_error_message"] = json!(text);
    }
    if webhook.is_some() {
        info["max_connections"] = json!(40);
    }
    if let Some(allowed) = &bot.allowed_updates {
        info["allowed_updates"] = json!(allowed);
    }
    info
}
