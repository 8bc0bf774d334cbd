//! The approved templates of channels that write first by them alone, as their core lists them. Asked for when a page is opened, and
//! kept for a while: a page asks again every few seconds.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::{app::App, clock::Millis, db::Channel, domain::ids::ChannelId, messaging::Template};

/// A template is approved in hours, not in minutes.
const KEPT: Duration = Duration::from_mins(10);
/// A core that did not answer is asked again sooner.
const KEPT_FAILURE: Duration = Duration::from_mins(1);
/// Channels that are kept, of thousands of portals: those that nobody looks at are asked again.
const MOST: usize = 1024;

type Known = Option<Arc<[Template]>>;

/// What was listed lately.
#[derive(Default)]
pub struct Offered(Mutex<HashMap<ChannelId, (Millis, Known)>>);

impl Offered {
    fn get(&self, channel: &ChannelId, now: Millis) -> Option<Known> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(channel).filter(|(until, _)| *until > now).map(|(_, known)| known.clone())
    }

    fn keep(&self, channel: &ChannelId, known: Known, now: Millis) {
        let until = now.after(if known.is_some() { KEPT } else { KEPT_FAILURE });
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST {
            kept.retain(|_, (until, _)| *until > now);
        }
        if kept.len() < MOST {
            kept.insert(channel.clone(), (until, known));
        }
    }
}

/// The templates of a channel; None: it could not be asked now.
pub async fn templates(app: &App, channel: &Channel) -> Known {
    let now = app.clock.now();
    if let Some(known) = app.offered.get(&channel.id, now) {
        return known;
    }
    let asked = match app.db.channel_access(channel) {
        Ok(access) => app.core(channel.core).templates(&access).await.map_err(|failure| failure.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let known = match asked {
        Ok(templates) => Some(templates.into()),
        Err(cause) => {
            tracing::info!(channel = %channel.id, cause, "the templates of a channel could not be listed");
            None
        }
    };
    app.offered.keep(&channel.id, known.clone(), now);
    known
}
