//! What is done with is kept for two weeks: long enough to know a repeat by.

use crate::harness::{HOUR, Story, stories};

stories![what_is_done_with_goes_after_two_weeks];

async fn what_is_done_with_goes_after_two_weeks(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    shop.operator_writes(chat, "an old one", &[]);
    shop.client_receives(1).await;
    story.calms_down().await;
    let before = story.rows();
    assert!(before["inbox"] > 0 && before["attempt"] > 0);
    let post = shop.posted_events().into_iter().rfind(|post| post.event == "ONIMCONNECTORMESSAGEADD").unwrap();

    story.time_passes(HOUR * 24 * 13);
    shop.post_event_raw(&post.url, &post.form);
    story.calms_down().await;
    assert_eq!(shop.client_has().len(), 1, "a repeat is one after thirteen days");

    story.time_passes(HOUR * 36);
    story
        .until("what was done with then is gone", async || {
            let rows = story.rows();
            (rows["inbox"] < before["inbox"] && rows["attempt"] < before["attempt"]).then_some(())
        })
        .await;
    let after = story.rows();
    assert_eq!((after["message"], after["part"]), (before["message"], before["part"]), "messages stay");
    shop.post_event_raw(&post.url, &post.form);
    shop.hears("And a new one").await;
    story.calms_down().await;
    assert_eq!(shop.client_has().len(), 1, "a message is known as long as it is kept");
}
