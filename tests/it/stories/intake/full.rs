//! The disk is full (SQLite may not grow any more), and then there is room again.

use std::time::Duration;

use serde_json::Value;

use super::{health, stream::Stream};
use crate::harness::{Story, stories};

stories![; on_sqlite: a_full_disk_is_told_and_survived];

/// What somebody else has on the same disk.
const FILLER: &str = "CREATE TABLE filler (bytes BLOB); \
     WITH RECURSIVE n(at) AS (SELECT 1 UNION ALL SELECT at + 1 FROM n WHERE at < 200) \
     INSERT INTO filler SELECT zeroblob(4000) FROM n;";
/// Room for a few events.
const PAGES: i64 = 16;

async fn a_full_disk_is_told_and_survived(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let stream = Stream::new(story, &shop, 2).await;
    story.executes(FILLER);
    let most = story.pages() + PAGES;
    story
        .server_restarts_with(|config| config.database_url = format!("{}?max_page_count={most}", config.database_url))
        .await;
    assert_eq!(health(story).await.0, 200);
    stream
        .flows_while(Duration::ZERO, async {
            stream.answers_more(200, 1).await;
            stream.answers_more(503, 100).await;
            // Small things may still fit somewhere; events do not, and whoever watches is told.
            let (status, body) = health(story).await;
            assert_eq!((status, &body["status"]), (503, &Value::from("failing")), "{body}");
            assert!(body["reasons"].to_string().contains("database or disk is full"), "{body}");
            let ping = story.http().get(story.url("/health/ping")).send().await.unwrap();
            assert_eq!(ping.status(), 200);
            story.executes("DROP TABLE filler");
            stream.answers_more(200, 100).await;
        })
        .await;
    assert_eq!(health(story).await.0, 200);
    let answers = stream.answers();
    assert!(answers.keys().all(|status| [200, 503].contains(status)), "{answers:?}");
    stream.is_whole().await;
}
