//! PostgreSQL goes away, in each of the ways in which it does, and comes back.

use std::time::Duration;

use diesel::connection::SimpleConnection as _;

use super::{health, stream::Stream};
use crate::harness::{Own, Story, postgres::Server, stories};

stories![; on_postgres: a_database_that_goes_away_loses_nothing, a_server_that_starts_first_waits_for_its_database];

const PAUSE: Duration = Duration::from_millis(50);

async fn a_database_that_goes_away_loses_nothing(story: &Story) {
    let server = Server::start().await;
    story.server_restarts_with(|config| config.database_url.clone_from(&server.url)).await;
    let shop = story.whatsapp_shop().await;
    let stream = Stream::new(story, &shop, 3).await;
    stream.flows_while(PAUSE, stops_and_crashes(story, &server, &stream)).await;
    stream.flows_while(PAUSE, connections_end(&server, &stream)).await;
    stream.flows_while(PAUSE, connections_run_out(story, &server, &stream)).await;
    stream.flows_while(PAUSE, somebody_holds_a_lock(story, &server, &stream)).await;
    stream.is_whole().await;
    let answers = stream.answers();
    assert!(answers.keys().eq(&[200]), "what was verified was kept: {answers:?}");
    let (status, body) = health(story).await;
    assert_eq!((status, body["spooled"].as_u64()), (200, Some(0)), "{body}");
    // The story's own database takes the leftovers.
    story.server_restarts().await;
}

async fn a_server_that_starts_first_waits_for_its_database(story: &Story) {
    let database = Server::start().await;
    database.stops().await;
    story.server_stops().await;
    let own = Own { database_url: Some(database.url.clone()), ..Own::default() };
    let process = story.spawns_process(&own);
    tokio::time::sleep(Duration::from_secs(2)).await;
    database.starts().await;
    process.answers().await;
    process.is_asked_to_end();
    process.has_ended().await;
    story.server_starts().await;
}

async fn stops_and_crashes(story: &Story, server: &Server, stream: &Stream<'_>) {
    for crashes in [false, true] {
        stream.answers_more(200, 15).await;
        if crashes {
            server.crashes().await;
        } else {
            server.stops().await;
        }
        stream.answers_more(200, 15).await;
        let (status, body) = health(story).await;
        assert_eq!(status, 503, "{body}");
        assert!(body["reasons"].to_string().contains("wait in the spool"), "{body}");
        server.starts().await;
        is_drained(story).await;
    }
}

async fn is_drained(story: &Story) {
    let drained = async || (story.app().db.spooled().waiting == 0).then_some(());
    story.until("what was spooled is in the database", drained).await;
}

async fn connections_end(server: &Server, stream: &Stream<'_>) {
    for _time in 0..6 {
        stream.answers_more(200, 15).await;
        server.executes(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
        );
    }
}

async fn connections_run_out(story: &Story, server: &Server, stream: &Stream<'_>) {
    let mut one = server.connection();
    let mut all: Vec<_> = std::iter::from_fn(|| server.may_connect()).collect();
    // Whatever our server lets go, somebody else takes.
    one.batch_execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'chatapp-server'",
    )
    .expect("a superuser may");
    all.extend(std::iter::from_fn(|| server.may_connect()));
    stream.answers_more(200, 30).await;
    drop((one, all));
    is_drained(story).await;
}

async fn somebody_holds_a_lock(story: &Story, server: &Server, stream: &Stream<'_>) {
    let mut holder = server.connection();
    holder.batch_execute("BEGIN; LOCK TABLE inbox IN EXCLUSIVE MODE").expect("a lock");
    story.until("events are spooled", async || (story.app().db.spooled().waiting > 10).then_some(())).await;
    stream.answers_more(200, 15).await;
    drop(holder);
    is_drained(story).await;
}
