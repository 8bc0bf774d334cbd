//! Posting of webhooks: per callback address in order, one after the other, each up to three times until a 200.

use std::time::Duration;

use serde_json::Value;

use super::knobs::Posted;
use crate::messengers::Messengers;

/// How often one webhook is tried. ChatApp's own figure is not public.
const ATTEMPTS: u32 = 3;
/// Time before the second try; twice as long before the third.
const PAUSE: Duration = Duration::from_millis(300);

/// Starts a task for every queue that has work and no task yet.
pub(crate) fn start(messengers: &Messengers) {
    let idle: Vec<(i64, String)> = {
        let mut store = messengers.read();
        store
            .chatapp
            .callbacks
            .iter_mut()
            .filter(|row| !row.busy && !row.queue.is_empty())
            .map(|row| {
                row.busy = true;
                (row.license, row.messenger.clone())
            })
            .collect()
    };
    for (license, messenger) in idle {
        let messengers = messengers.clone();
        let runtime = messengers.around().runtime.clone();
        runtime.spawn(async move {
            while let Some((url, body)) = next(&messengers, license, &messenger) {
                post(&messengers, &url, body).await;
            }
        });
    }
}

/// The next webhook of a queue; the queue is idle when there is none.
fn next(messengers: &Messengers, license: i64, messenger: &str) -> Option<(String, Value)> {
    let mut store = messengers.read();
    let row = store.chatapp.callbacks.iter_mut().find(|row| row.license == license && row.messenger == messenger)?;
    let body = row.queue.pop_front();
    row.busy = body.is_some();
    Some((row.url.clone(), body?))
}

async fn post(messengers: &Messengers, url: &str, body: Value) {
    let wait = messengers.read().chatapp.knobs.slow_webhooks;
    for attempt in 0..ATTEMPTS {
        tokio::time::sleep(wait + PAUSE * attempt).await;
        let answer = messengers.around().http.post(url).timeout(Duration::from_secs(20)).json(&body).send().await;
        let status = answer.map_or(0, |answer| answer.status().as_u16());
        let posted = Posted { url: url.to_owned(), body: body.clone(), status };
        messengers.quietly(|store| store.chatapp.posted.push(posted));
        if status == 200 {
            return;
        }
    }
}
