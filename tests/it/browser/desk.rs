//! A person who sits at the portal in a browser, with the client's phone beside.

use sandbox::{
    messengers::{Account, Cabinet, demo::Demo},
    portal::UserId,
};

use crate::harness::{Portal, Window, handle};

pub const APP_FRAME: &str = "[data-testid=\"app-frame\"]";
const PHONE: &str = "[data-testid=\"phone-frame\"]";

pub struct Desk<'s> {
    pub window: Window,
    pub portal: &'s Portal<'s>,
}

impl Desk<'_> {
    /// Opens the portal as one of its people.
    pub async fn sits_down(&self, user: UserId) {
        self.window.goes_to(&format!("{}/?user={user}", self.portal.origin())).await;
        self.window.sees(&handle("menu-contact-center")).await;
    }

    pub async fn goes_to(&self, place: &str) {
        self.window.leaves().await;
        self.window.clicks(&handle(&format!("menu-{place}"))).await;
    }

    /// From the tile in the Contact Center to the application's own page, which opens by itself.
    pub async fn installs(&self) {
        self.goes_to("contact-center").await;
        self.window.clicks(&handle("install-app")).await;
        self.window.sees(&handle("app-title")).await;
        self.portal.is_installed().await;
    }

    /// The connector's page on the portal's only line.
    pub async fn opens_connector(&self, connector: &str) {
        self.goes_to("contact-center").await;
        self.window.clicks(&handle(&format!("connector-{connector}"))).await;
        self.window.clicks(&handle("connect-button")).await;
        self.window.enters(APP_FRAME).await;
    }

    /// Fills the form of a ChatApp account and sends it.
    pub async fn gives_account(&self, cabinet: &Cabinet, password: &str) {
        self.window.types("#chatapp-email", &cabinet.email).await;
        self.window.types("#chatapp-password", password).await;
        self.window.types("#chatapp-app_id", &cabinet.app_id).await;
        self.window.clicks("[data-part=\"add\"] form button[type=\"submit\"]").await;
    }

    /// "Save and connect", and waits until page and portal say that it works. The only free channel is chosen already.
    pub async fn connects(&self) {
        self.window.sees("[data-part=\"channels\"] input[name=\"channel\"]:checked").await;
        self.window.clicks("[data-part=\"channels\"] button[type=\"submit\"]").await;
        self.window.sees("[data-part=\"status\"] .badge.ok").await;
        self.window.leaves().await;
        self.window.sees(&format!("{}.ok", handle("connector-status"))).await;
        self.portal.story.calms_down().await;
    }

    /// Takes the phone of a client and opens one of its messengers.
    pub async fn takes_phone(&self, person: &str, account: &Account) {
        self.window.enters(PHONE).await;
        self.window.chooses(&handle("phone-person"), person).await;
        self.window.clicks(&handle(&format!("phone-account-{}", account.id()))).await;
    }

    pub async fn client_writes(&self, text: &str) {
        self.window.types(&handle("phone-textarea"), text).await;
        self.window.clicks(&handle("phone-send")).await;
        self.window.reads(&handle("phone-message-client"), text).await;
        self.window.leaves().await;
    }

    /// Opens the chat whose list entry has the words.
    pub async fn opens_chat(&self, words: &str) {
        self.goes_to("chats").await;
        self.window.clicks_words(".chat-row", words).await;
        self.window.sees(&handle("chat-textarea")).await;
    }

    /// Opens a card of the deal board.
    pub async fn opens_deal(&self, title: &str) {
        self.goes_to("crm").await;
        self.window.clicks(&handle("crm-deal")).await;
        self.window.clicks_words(&format!("{} a", handle("deal-board")), title).await;
    }

    /// The same, and the tab that our placement has in it.
    pub async fn opens_tab_of_deal(&self, title: &str) {
        self.opens_deal(title).await;
        self.window.clicks(&handle("tab-CRM_DEAL_DETAIL_TAB")).await;
        self.window.enters(APP_FRAME).await;
    }
}

/// The account of the demo's license for a messenger.
pub fn account(demo: &Demo, messenger: &str) -> Account {
    demo.license.account(messenger)
}
