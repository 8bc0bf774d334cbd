//! A portal with the people who sit in it, in their words. What the sandbox's portal can do, this one can do too.

use std::ops::Deref;

use chatapp_server::{
    db::{Installation, InstallationState},
    domain::ids::PortalId,
};
use sandbox::{
    messengers::{Account, Cabinet, Client},
    portal::{CallRecord, Chat, Closed, LineId, Message, UserId},
};
use serde_json::{Value, json};

use super::{
    Story,
    frame::Frame,
    story::{CLIENT_ID, PATIENCE},
};

pub struct Portal<'s> {
    pub story: &'s Story,
    inner: sandbox::portal::Portal,
}

impl Deref for Portal<'_> {
    type Target = sandbox::portal::Portal;

    fn deref(&self) -> &Self::Target {
        &self.inner
    }
}

impl<'s> Portal<'s> {
    pub fn new(story: &'s Story, inner: sandbox::portal::Portal) -> Self {
        Self { story, inner }
    }

    pub fn id(&self) -> PortalId {
        PortalId(self.member_id().to_owned())
    }

    /// The words that people of this portal read.
    pub fn words(&self) -> &'static templates::Texts {
        templates::texts(&self.lang())
    }

    /// An administrator adds the application in the Market.
    pub fn adds_chatapp(&self) {
        self.adds_app(CLIENT_ID);
    }

    /// Somebody opens one of the application's screens; the browser posts the portal's form into the frame.
    pub async fn opens(&self, user: UserId, placement: &str, options: &Value) -> Frame<'s> {
        self.tries_to_open(user, placement, options)
            .await
            .unwrap_or_else(|closed| panic!("{placement} does not open: {closed:?}"))
    }

    pub async fn tries_to_open(&self, user: UserId, placement: &str, options: &Value) -> Result<Frame<'s>, Closed> {
        let form = self.opens_frame(user, placement, options)?;
        Ok(Frame::load(self.story, &self.inner, form).await)
    }

    pub async fn admin_opens(&self, placement: &str) -> Frame<'s> {
        self.opens(self.admin(), placement, &json!({})).await
    }

    /// Adds the application and lets its wizard run to the end.
    pub async fn installs(&self) {
        self.adds_chatapp();
        let mut wizard = self.admin_opens("DEFAULT").await;
        wizard.runs_installation().await;
        wizard.finishes_as_the_script_does();
        self.is_installed().await;
    }

    /// Waits until our server knows that the installation is finished and has the portal's own application token.
    pub async fn is_installed(&self) -> Installation {
        let found = self.story.until("the server knows the finished installation", async || {
            let known = self.installation().await?;
            (known.state == InstallationState::Active && known.token_confirmed).then_some(known)
        });
        let found = found.await;
        self.story.calms_down().await;
        found
    }

    /// What our server knows of the installation.
    pub async fn installation(&self) -> Option<Installation> {
        self.story.app().db.installation_find(&self.id(), CLIENT_ID).await.unwrap()
    }

    /// "Connect" in the Contact Center, which opens the connector's page on the line.
    pub async fn opens_connector(&self, line: LineId, connector: &str) -> Frame<'s> {
        assert!(self.connects(line, connector), "there is no connector {connector}");
        self.looks_at_connector(self.admin(), line, connector).await
    }

    pub async fn looks_at_connector(&self, user: UserId, line: LineId, connector: &str) -> Frame<'s> {
        self.opens(user, "SETTING_CONNECTOR", &json!({"CONNECTOR": connector, "LINE": line.to_string()})).await
    }

    /// Everything from "Connect" to a connector that works: the administrator adds the ChatApp account and chooses its first
    /// channel that is free.
    pub async fn connects_chatapp(&self, line: LineId, connector: &str, cabinet: &Cabinet) {
        let mut page = self.opens_connector(line, connector).await;
        page.adds_chatapp_account(cabinet).await.is_done();
        let channel = page.free_channels().first().cloned().expect("the account has a channel for the connector");
        page.connects(&channel).await.is_done();
        self.connector_works(line, connector).await;
        self.story.calms_down().await;
    }

    pub async fn connector_works(&self, line: LineId, connector: &str) {
        self.sees("the connector works", |portal| {
            portal.connector_status(line, connector).is_some_and(|status| status.works()).then_some(())
        })
        .await;
    }

    /// Waits until the portal's state answers the question.
    pub async fn sees<T>(&self, what: &str, question: impl FnMut(&sandbox::portal::Portal) -> Option<T>) -> T {
        self.inner.waits_until(PATIENCE, question).await.unwrap_or_else(|| panic!("waited in vain until {what}"))
    }

    /// Waits until a text stands in some chat, and gives the chat.
    pub async fn sees_text(&self, text: &str) -> Chat {
        let has = |message: &Message| message.text.contains(text);
        let in_chats =
            |portal: &sandbox::portal::Portal| portal.chats().into_iter().find(|chat| chat.messages.iter().any(has));
        self.sees(&format!("a chat has the text `{text}`"), in_chats).await
    }

    /// Waits until an operator's message is no longer shown as being sent, and the call that told so is answered.
    pub async fn shows_as_sent(&self, chat: i64, message: i64) -> Message {
        let sent = |portal: &sandbox::portal::Portal| {
            portal.messages(chat).into_iter().find(|it| it.id == message && !it.sending)
        };
        let shown = self.sees("the operator's message is shown as sent", sent).await;
        // The portal's page is quicker than its journal.
        let text = message.to_string();
        let is_told = |call: &CallRecord| {
            let ids = call.params.pointer("/MESSAGES").into_iter().flat_map(|all| all.as_array().into_iter().flatten());
            ids.filter_map(|it| it.pointer("/im/message_id")).any(|id| *id == message || *id == text)
        };
        self.story
            .until("the delivery status is answered", async || {
                self.calls_of("imconnector.send.status.delivery").iter().any(is_told).then_some(())
            })
            .await;
        shown
    }

    /// An operator's message as this portal would tell it of any external chat, its own or not.
    pub fn operator_event(&self, connector: &str, external_chat: &str, text: &str) -> Vec<(String, String)> {
        let fields = [
            ("event", "ONIMCONNECTORMESSAGEADD"),
            ("data[CONNECTOR]", connector),
            ("data[LINE]", &self.line().to_string()),
            ("data[MESSAGES][0][im][chat_id]", "77"),
            ("data[MESSAGES][0][im][message_id]", "7001"),
            ("data[MESSAGES][0][message][user_id]", "1"),
            ("data[MESSAGES][0][message][text]", text),
            ("data[MESSAGES][0][chat][id]", external_chat),
            ("auth[domain]", &self.domain()),
            ("auth[member_id]", self.member_id()),
            ("auth[application_token]", &self.application_token()),
        ];
        fields.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// A client writes first, and the operators see it: the usual beginning.
    pub async fn is_written_to(&self, client: &Client, account: &Account, text: &str) -> Chat {
        client.writes(account, text);
        let chat = self.sees_text(text).await;
        self.story.calms_down().await;
        chat
    }
}
