//! `/retry/{token}`: the page behind the link of a red note. Looking changes nothing (messengers and portals fetch links to show
//! what is behind them); the button posts.

use actix_web::{
    HttpResponse,
    http::header,
    web::{Data, Path},
};
use templates::{Problem, plain};

use super::answer::{Failed, form, remark};
use crate::{
    app::App,
    db::{DbError, MessageProgress},
    relay::retry::{self, Standing},
};

/// `GET`
pub async fn page(app: Data<App>, token: Path<String>) -> HttpResponse {
    let offer = match retry::offer(&app, &token).await {
        Ok(Some(offer)) => offer,
        Ok(None) => return over(&app),
        Err(error) => return failed(&app, error),
    };
    match offer.state {
        Standing::Open { text, files, doubtful } => {
            let view = plain::RetryView { text, files, doubtful };
            form(&app, &offer.lang, |document| plain::retry(document, &view))
        }
        Standing::Taken(progress) => remark(&app, &offer.lang, |texts| {
            let words = &texts.plain;
            match progress {
                MessageProgress::Waiting => (words.retry_sends, words.retry_waits),
                MessageProgress::Failed => (words.retry_failed, words.retry_write),
                MessageProgress::Sent | MessageProgress::Delivered | MessageProgress::Read => {
                    (words.retry_sent, words.granted_text)
                }
            }
        }),
    }
}

/// `POST`: looking again then is no second sending.
pub async fn take(app: Data<App>, token: Path<String>) -> HttpResponse {
    match retry::take(&app, &token).await {
        Ok(Some(())) => {
            let page = app.config.own_url(&format!("/retry/{token}"));
            HttpResponse::SeeOther().insert_header((header::LOCATION, page)).finish()
        }
        Ok(None) => over(&app),
        Err(error) => failed(&app, error),
    }
}

/// A stranger reads no more than that.
fn over(app: &App) -> HttpResponse {
    Failed::from(Problem::LinkOver).page(app, None, "en")
}

fn failed(app: &App, error: DbError) -> HttpResponse {
    Failed::from(error).page(app, None, "en")
}
