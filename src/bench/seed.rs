//! Fills a database with tenants that are installed, connected and known, so that a server begins in the middle of its life.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::{
    BenchError,
    requests::{
        APP_SECRET, CLIENT_ID, CONNECTOR, LINE, Layout, MESSENGER, application_token, channel_id, license, member_id,
        peer, phone, text, webhook_secret,
    },
};
use crate::{
    clock::{Clock, Millis},
    db::{
        BindingState, ChannelState, Db, DbResult, DeliveryKind, Direction, Grant, GrantState, InstallationState,
        Intake, Lane, MessageOrigin, MessageProgress, NewBinding, NewChannel, NewContact, NewDelivery, NewLogin,
        NewMessage, NewPart, Portal, PortalState,
    },
    domain::{
        connector::Connector,
        ids::{ChannelId, PortalId},
    },
    messaging::{CoreKind, LoginTokens, Person},
    secret::{Keys, Secret},
};

/// Tenants that are written at the same time, so that they share commits.
const AT_ONCE: usize = 256;
/// Messages in one command.
const MESSAGES_AT_ONCE: usize = 500;
/// Nothing ends while a bench runs.
const LONG: Duration = Duration::from_hours(24 * 365);

/// What waits when the server starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog {
    pub messages: usize,
    pub direction: Direction,
    /// Every portal but the first is parked.
    pub parked: bool,
}

/// A database that is being filled.
struct Seed {
    db: Db,
    layout: Layout,
    stand_in: SocketAddr,
    now: Millis,
}

/// Writes the tenants, and what waits, into a new database in this folder.
pub async fn seed(
    folder: &Path,
    stand_in: SocketAddr,
    layout: Layout,
    backlog: Option<Backlog>,
) -> Result<(), BenchError> {
    std::fs::create_dir_all(folder)?;
    let keys = Arc::new(Keys::new(&Secret::new(APP_SECRET), None));
    let db = Db::open(&url(folder), keys)?;
    let seed = Seed { db, layout, stand_in, now: Clock::system().now() };
    stream::iter(0..layout.portals)
        .map(|portal| seed.tenant(portal))
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await?;
    if let Some(backlog) = backlog {
        seed.fill(backlog).await?;
    }
    seed.db.close().await;
    Ok(())
}

pub fn url(folder: &Path) -> String {
    format!("sqlite://{}", folder.join("chatapp.sqlite").display())
}

impl Seed {
    async fn tenant(&self, number: usize) -> DbResult<()> {
        let (db, now) = (&self.db, self.now);
        let id = PortalId(member_id(number));
        let portal = Portal {
            id: id.clone(),
            domain: format!("portal-{number}.bitrix24.example"),
            client_endpoint: format!("http://{}/portal/{number}/rest/", self.stand_in),
            server_endpoint: format!("http://{}/rest/", self.stand_in),
            lang: "en".into(),
            state: PortalState::Active,
        };
        db.portal_put(portal, now).await?;
        let scope = "bizproc,crm,imconnector,imopenlines,placement";
        let installation = db.installation_put(&id, CLIENT_ID, scope, now).await?;
        let token = Secret::new(application_token(number));
        let grant = Grant {
            access: Secret::new(format!("access-token-{number:051}")),
            refresh: Secret::new(format!("refresh-token-{number:050}")),
            expires_at: now.after(LONG),
            user: 1,
            version: 1,
            state: GrantState::Alive,
        };
        db.installation_set_token(&installation, &token, true).await?;
        db.installation_set_state(&id, installation.id, InstallationState::Active, now).await?;
        db.grant_put(&id, installation.id, &grant, now).await?;
        let channel = self.channel(&id, number).await?;
        let binding = NewBinding {
            state: BindingState::Active,
            installation: installation.id,
            channel: channel.clone(),
            connector: connector(),
            line: LINE,
            line_name: "Sales".into(),
            signature: false,
        };
        db.binding_add(&id, binding, now).await?;
        let chats = self.layout.chats_of(number).map(|chat| (peer(chat), contact(chat), 5000 + i64_of(chat)));
        db.bench_chats(&id, channel, chats.collect(), now).await
    }

    async fn channel(&self, portal: &PortalId, number: usize) -> DbResult<ChannelId> {
        let tokens = LoginTokens {
            access: Secret::new(format!("chatapp-access-{number:020}")),
            access_until: self.now.after(LONG),
            refresh: Secret::new(format!("chatapp-refresh-{number:020}")),
            refresh_until: self.now.after(LONG),
            version: 1,
        };
        let login = NewLogin {
            email: "bench@example.com".into(),
            app_id: "app_1".into(),
            tokens,
            password: None,
            look_at: self.now.after(LONG),
        };
        let login = self.db.login_put(portal, login, self.now).await?;
        let channel = NewChannel {
            id: ChannelId(channel_id(number)),
            core: CoreKind::Chatapp,
            connector: connector(),
            account: format!("{}/{MESSENGER}", license(number)),
            title: "bench@example.com".into(),
            own_name: None,
            link: None,
            login: Some(login),
            valid_until: None,
            secret: None,
            state: ChannelState::Alive,
        };
        let id = self.db.channel_put(portal, channel, self.now).await?;
        let secret = Secret::new(webhook_secret(number));
        self.db.channel_set_intake(portal, &id, Intake::Webhook, Some(&secret)).await?;
        Ok(id)
    }

    /// Messages that have come in and wait to be sent, the same number for every portal.
    async fn fill(&self, backlog: Backlog) -> DbResult<()> {
        let Layout { portals, .. } = self.layout;
        let each = backlog.messages / portals;
        for portal in 0..portals {
            let id = PortalId(member_id(portal));
            let chats: Vec<usize> = self.layout.chats_of(portal).collect();
            let numbers: Vec<usize> = (0..each)
                .zip(chats.iter().cycle())
                .map(|(nth, chat)| (nth / chats.len()) * self.layout.chats + chat)
                .collect();
            for some in numbers.chunks(MESSAGES_AT_ONCE) {
                let messages = some.iter().map(|number| self.message(portal, *number, backlog.direction)).collect();
                self.db.bench_messages(&id, messages, self.now).await?;
            }
            if backlog.parked && portal > 0 {
                self.db.portal_set_state(&id, PortalState::Parked, self.now).await?;
            }
        }
        Ok(())
    }

    fn message(&self, portal: usize, number: usize, direction: Direction) -> NewMessage {
        let chat = self.layout.chat_of(number);
        let inward = direction == Direction::In;
        let part = NewPart { text: text(number), ..NewPart::default() };
        let to_core =
            NewDelivery::new(Lane::ChatOut, DeliveryKind::ToCore, self.now).payload(&serde_json::json!({"line": LINE}));
        let to_portal = NewDelivery::new(Lane::ChatIn, DeliveryKind::ToPortal, self.now);
        NewMessage {
            channel: ChannelId(channel_id(portal)),
            peer: peer(chat),
            group: None,
            who: None,
            direction,
            origin: if inward { MessageOrigin::Client } else { MessageOrigin::Operator },
            source_key: if inward { format!("m{number}") } else { (1_000_000_000 + number).to_string() },
            author: (!inward).then_some(1),
            b24_message: (!inward).then(|| 1_000_000_000 + i64_of(number)),
            b24_chat: (!inward).then(|| 5000 + i64_of(chat)),
            progress: MessageProgress::Waiting,
            sent_at: self.now,
            parts: vec![NewPart { delivery: (!inward).then_some(to_core), ..part }],
            delivery: inward.then_some(to_portal),
            hook: None,
        }
    }
}

fn connector() -> Connector {
    Connector::from_id(CONNECTOR).unwrap_or(Connector::Whatsapp)
}

fn contact(chat: usize) -> NewContact {
    NewContact {
        connector: connector(),
        person: Person {
            id: phone(chat),
            name: Some("Anna Orlova".into()),
            phone: Some(format!("+{}", phone(chat))),
            username: None,
            link: None,
            picture: None,
        },
    }
}

fn i64_of(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
