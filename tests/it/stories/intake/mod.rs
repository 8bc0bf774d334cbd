//! What was answered 200 is delivered once and in order, whatever becomes of the disk, of the database and of our own process
//! meanwhile; what could not be kept was answered 503.

mod age;
mod away;
mod corpus;
mod full;
mod handover;
mod stream;

use serde_json::Value;

use crate::harness::{Case, Story};

pub fn list() -> Vec<Case> {
    [full::list(), away::list(), handover::list(), age::list(), corpus::list()].concat()
}

async fn health(story: &Story) -> (u16, Value) {
    let answer = story.http().get(story.url("/health")).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}
