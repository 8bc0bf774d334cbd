//! Posting of updates to webhooks: per bot in order, one after the other, until a 2xx or until the update is too old.

use std::time::Duration;

use super::knobs::{Posted, Webhook};
use crate::messengers::Messengers;

/// Pause after the first failure; doubled by every other up to the most. The real one starts with a second and ends
/// between one and two minutes; a test cannot wait so long.
const PAUSE: Duration = Duration::from_millis(200);
const PAUSE_MOST: Duration = Duration::from_secs(5);
/// The longest `Retry-After` that is honoured; the server's source.
const RETRY_AFTER_MOST_S: u64 = 3600;
const SECRET_HEADER: &str = "X-Telegram-Bot-Api-Secret-Token";

/// Starts a task for every bot that has a webhook, updates and no task yet.
pub(crate) fn start(messengers: &Messengers) {
    let idle: Vec<String> = {
        let mut store = messengers.read();
        let bots = store.telegram.bots.iter_mut();
        bots.filter(|bot| bot.webhook.is_some() && !bot.busy && !bot.queue.is_empty())
            .map(|bot| {
                bot.busy = true;
                bot.token.clone()
            })
            .collect()
    };
    for token in idle {
        let messengers = messengers.clone();
        let runtime = messengers.around().runtime.clone();
        runtime.spawn(async move {
            while let Some(next) = next(&messengers, &token) {
                let pause = post(&messengers, &token, next).await;
                tokio::time::sleep(pause).await;
            }
        });
    }
}

struct Next {
    webhook: Webhook,
    id: i64,
    body: serde_json::Value,
}

/// The oldest update that is still to be told; the bot is idle when there is none.
fn next(messengers: &Messengers, token: &str) -> Option<Next> {
    let now_ms = messengers.now_ms();
    let mut store = messengers.read();
    let bot = store.telegram.bot_mut(token)?;
    bot.queue.retain(|update| update.expires_ms > now_ms);
    let next = bot.webhook.clone().zip(bot.queue.front().cloned());
    bot.busy = next.is_some();
    let (webhook, update) = next?;
    Some(Next { webhook, id: update.id, body: update.body })
}

/// Posts once and answers how long to wait before the next post.
async fn post(messengers: &Messengers, token: &str, next: Next) -> Duration {
    let mut request =
        messengers.around().http.post(&next.webhook.url).timeout(Duration::from_secs(60)).json(&next.body);
    if !next.webhook.secret.is_empty() {
        request = request.header(SECRET_HEADER, &next.webhook.secret);
    }
    let (status, retry_after) = match request.send().await {
        Ok(answer) => {
            let header = answer.headers().get("Retry-After");
            let seconds = header.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
            (answer.status().as_u16(), seconds)
        }
        Err(_) => (0, None),
    };
    let posted = Posted { url: next.webhook.url, body: next.body, status };
    let now_ms = messengers.now_ms();
    messengers.quietly(|store| {
        store.telegram.posted.push(posted);
        let bot = store.telegram.bot_mut(token);
        bot.map_or(Duration::ZERO, |bot| {
            if (200..300).contains(&status) {
                settle(bot, next.id);
                return Duration::ZERO;
            }
            let Some(webhook) = bot.webhook.as_mut() else {
                return Duration::ZERO;
            };
            let error = match status {
                0 => "Connection refused".to_owned(),
                status => format!("Wrong response from the webhook: {status}"),
            };
            webhook.last_error = Some((now_ms / 1000, error));
            webhook.failures += 1;
            let doubled = PAUSE * 2_u32.pow(webhook.failures.saturating_sub(1).min(6));
            retry_after.map_or(doubled.min(PAUSE_MOST), |seconds| Duration::from_secs(seconds.min(RETRY_AFTER_MOST_S)))
        })
    })
}

/// The update has arrived.
fn settle(bot: &mut super::knobs::BotRow, id: i64) {
    if let Some(webhook) = bot.webhook.as_mut() {
        webhook.failures = 0;
    }
    if let Some(update) = bot.queue.front_mut().filter(|update| update.id == id) {
        update.posts -= 1;
        if update.posts == 0 {
            bot.queue.pop_front();
        }
    }
}
