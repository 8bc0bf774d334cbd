//! How the application comes into a portal.

use crate::harness::{Story, stories};

stories![an_administrator_installs_by_the_frame];

async fn an_administrator_installs_by_the_frame(story: &Story) {
    let portal = story.portal().await;
    portal.installs().await;
    assert!(portal.app().is_some_and(|app| app.installed));
    assert_eq!(portal.robots().len(), robots::all().len());
}
