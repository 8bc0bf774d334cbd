//! Events as a portal posts them, one after the other in each chat, with our own book of what was answered.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use sandbox::messengers::Client;

use crate::harness::{Story, WhatsAppShop};

const TEXT: &str = "data[MESSAGES][0][message][text]";
const MESSAGE: &str = "data[MESSAGES][0][im][message_id]";
/// No message of the make-believe portal has such a number.
const FIRST_MESSAGE: u64 = 5_000_000;

/// One chat, and the event that its portal posts when an operator writes into it.
struct Chat {
    client: Client,
    url: String,
    form: Vec<(String, String)>,
}

pub struct Stream<'s> {
    story: &'s Story,
    shop: &'s WhatsAppShop<'s>,
    chats: Vec<Chat>,
    next: AtomicU64,
    stopped: AtomicBool,
    /// What was answered to each message, by chat, in the order of posting.
    book: Vec<Mutex<Vec<(u64, u16)>>>,
}

/// No answer at all: the connection was refused or broke.
pub const NO_ANSWER: u16 = 0;

impl<'s> Stream<'s> {
    /// So many chats of the shop, each with a client who has written first.
    pub async fn new(story: &'s Story, shop: &'s WhatsAppShop<'s>, chats: usize) -> Self {
        let mut made = Vec::new();
        for number in 0..chats {
            let phone = format!("+7 911 555 {number:04}");
            let client = story.sandbox.messengers().phone().person(&format!("Client {number}"), Some(&phone), None);
            client.writes(&shop.account, &format!("Hello from {number}"));
            let chat = shop.sees_text(&format!("Hello from {number}")).await.id;
            shop.operator_writes(chat, "Welcome", &[]);
            client.receives(&shop.account, 1).await;
            let post = shop.posted_events().into_iter().rfind(|post| post.event == "ONIMCONNECTORMESSAGEADD");
            let post = post.expect("the operator's message was posted");
            made.push(Chat { client, url: post.url, form: post.form });
        }
        story.calms_down().await;
        let book = made.iter().map(|_| Mutex::default()).collect();
        Self { story, shop, chats: made, next: AtomicU64::new(FIRST_MESSAGE), stopped: AtomicBool::new(false), book }
    }

    /// Posts into every chat, `pause` between an answer and the next post, until `tell` has done its part.
    pub async fn flows_while<T>(&self, pause: Duration, tell: impl Future<Output = T>) -> T {
        self.stopped.store(false, Ordering::SeqCst);
        let flow = join_all((0..self.chats.len()).map(|chat| async move {
            while !self.stopped.load(Ordering::SeqCst) {
                self.posts_into(chat).await;
                tokio::time::sleep(pause).await;
            }
        }));
        let tell = async {
            let told = tell.await;
            self.stopped.store(true, Ordering::SeqCst);
            told
        };
        tokio::join!(flow, tell).1
    }

    async fn posts_into(&self, chat: usize) {
        let number = self.next.fetch_add(1, Ordering::SeqCst);
        let Chat { url, form, .. } = &self.chats[chat];
        let form: Vec<(&str, String)> = form
            .iter()
            .map(|(key, value)| match key.as_str() {
                TEXT => (TEXT, format!("number {number}")),
                MESSAGE => (MESSAGE, number.to_string()),
                key => (key, value.clone()),
            })
            .collect();
        // A portal opens a connection for each event.
        let post = self.story.http().post(url).header("connection", "close").form(&form);
        let status = match post.send().await {
            Ok(answer) => answer.status().as_u16(),
            Err(_) => NO_ANSWER,
        };
        self.book[chat].lock().unwrap().push((number, status));
    }

    /// How many posts were answered so.
    pub fn answered(&self, status: u16) -> usize {
        self.book.iter().map(|book| book.lock().unwrap().iter().filter(|(_, got)| *got == status).count()).sum()
    }

    /// Every answer with how often it came.
    pub fn answers(&self) -> BTreeMap<u16, usize> {
        let mut answers = BTreeMap::new();
        for book in &self.book {
            for (_, status) in book.lock().unwrap().iter() {
                *answers.entry(*status).or_default() += 1;
            }
        }
        answers
    }

    /// Waits until so many more were answered so.
    pub async fn answers_more(&self, status: u16, more: usize) {
        let before = self.answered(status);
        self.story
            .until(&format!("{more} more were answered {status}"), async || {
                (self.answered(status) >= before + more).then_some(())
            })
            .await;
    }

    /// Lets everything arrive, then compares: whatever was answered 200 is there once, in its order, and nothing is there twice.
    pub async fn is_whole(&self) {
        // As long as something arrives, the rest may too.
        while let missing @ 1.. = self.missing() {
            let fewer = async || (self.missing() < missing).then_some(());
            self.story.until(&format!("one of {missing} missing messages arrives"), fewer).await;
        }
        // What was tried while the database was away has its own time to be tried again.
        self.story.passes_until_calm().await;
        for (chat, book) in self.chats.iter().zip(&self.book) {
            let arrived = self.arrived(chat);
            let once = arrived.iter().collect::<std::collections::BTreeSet<_>>();
            assert_eq!(once.len(), arrived.len(), "something arrived twice: {arrived:?}");
            let kept: Vec<u64> =
                book.lock().unwrap().iter().filter(|(_, status)| *status == 200).map(|(number, _)| *number).collect();
            let order: Vec<u64> = arrived.into_iter().filter(|number| kept.contains(number)).collect();
            assert_eq!(order, kept, "out of order");
        }
    }

    /// How many were answered 200 and have not arrived.
    fn missing(&self) -> usize {
        let missing = |(chat, book): (&Chat, &Mutex<Vec<(u64, u16)>>)| {
            let arrived = self.arrived(chat);
            book.lock().unwrap().iter().filter(|(number, status)| *status == 200 && !arrived.contains(number)).count()
        };
        self.chats.iter().zip(&self.book).map(missing).sum()
    }

    fn arrived(&self, chat: &Chat) -> Vec<u64> {
        let received = chat.client.received(&self.shop.account);
        received.iter().filter_map(|it| it.text.rsplit_once("number ")?.1.parse().ok()).collect()
    }
}
