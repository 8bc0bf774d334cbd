//! Notices: what a portal's administrators read in its bell about what they alone can repair. Each is a durable delivery that is
//! dropped when it is no longer true by the time it can be told.

use serde::{Deserialize, Serialize};

use super::{
    db_failure,
    grant::{self, Refused},
    licenses, notes_text, payload,
};
use crate::{
    app::App,
    b24::{
        bbcode,
        error::Code,
        method::{Method as _, Scope},
        methods::im::NotifySystemAdd,
    },
    clock::Millis,
    db::{
        Channel, ChannelState, DbResult, Delivery, DeliveryKind, DeliveryState, Held, Installation, InstallationState,
        Lane, NewDelivery, Portal, PortalState, Settled,
    },
    domain::{
        failure::{Failure, Told},
        ids::{ChannelId, PortalId},
    },
};

/// How long a notice waits that cannot be told while its portal is parked. The portal's return has it looked at at once.
const PARKED_WAIT: std::time::Duration = std::time::Duration::from_hours(24);

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "about")]
pub(super) enum Notice {
    ChannelDied {
        channel: ChannelId,
        told: String,
    },
    /// A paid period ends within so many days.
    LicenseEnds {
        channel: ChannelId,
        license: i64,
        /// In milliseconds since 1970.
        until: i64,
        within: u64,
    },
    /// Told only where another installation of the same portal still has a right.
    PortalParked,
    PortalResumed {
        minutes: u64,
        messages: i64,
    },
}

impl Notice {
    pub(super) fn channel_died(channel: &ChannelId, told: Told) -> Self {
        Self::ChannelDied { channel: channel.clone(), told: told.code().into() }
    }

    pub(super) fn resumed(held: &Held, now: Millis) -> Self {
        Self::PortalResumed { minutes: now.wait_from(held.parked_at).as_secs() / 60, messages: held.messages }
    }

    pub(super) fn delivery(&self, portal: &PortalId, now: Millis) -> NewDelivery {
        NewDelivery::new(self.lane(portal), DeliveryKind::Notice, now).payload(self)
    }

    pub(super) fn lane(&self, portal: &PortalId) -> Lane {
        Lane::Notice(portal.clone(), self.about())
    }

    /// What a newer notice replaces.
    fn about(&self) -> String {
        match self {
            Self::ChannelDied { channel, .. } => channel.to_string(),
            Self::LicenseEnds { license, until, within, .. } => format!("license:{license}:{until}:{within}"),
            Self::PortalParked | Self::PortalResumed { .. } => "portal".into(),
        }
    }

    /// None: it is not true any more.
    async fn text(&self, app: &App, portal: &Portal) -> DbResult<Option<String>> {
        let texts = if portal.lang == "ru" { &RU } else { &EN };
        let parked = portal.state == PortalState::Parked;
        Ok(match self {
            Self::ChannelDied { channel, told } => {
                let known = app.db.channel_get(&portal.id, channel).await?;
                let Some(channel) = known.filter(|known| known.state != ChannelState::Alive) else { return Ok(None) };
                let bindings = app.db.binding_list(&portal.id).await?;
                let line = bindings.iter().find(|binding| binding.channel == channel.id);
                let line = line.map_or_else(String::new, |binding| bbcode::from_plain(&binding.line_name));
                let name = format!("{} · {}", channel.connector.title(), bbcode::from_plain(&channel.title));
                let why = match channel.state {
                    ChannelState::Gone => texts.gone,
                    _dead if told == Told::LicenseExpired.code() => notes_text(&portal.lang, told),
                    _dead => texts.died,
                };
                Some((texts.channel_died)(&name, why, &line, &contact_center(portal)))
            }
            Self::LicenseEnds { channel, until, .. } => {
                let known = app.db.channel_get(&portal.id, channel).await?;
                let paid_until = |known: &Channel| known.valid_until == Some(Millis(*until));
                let left = licenses::days_left(Millis(*until), app.clock.now());
                let known = known.filter(|known| paid_until(known) && left > 0);
                known.map(|channel| (texts.license_ends)(&bbcode::from_plain(&channel.title), left))
            }
            Self::PortalParked => parked.then(|| texts.parked.to_owned()),
            Self::PortalResumed { minutes, messages } => {
                (!parked).then(|| (texts.resumed)(minutes / 60, minutes % 60, *messages))
            }
        })
    }
}

/// Where connectors are connected in a portal.
fn contact_center(portal: &Portal) -> String {
    let base = url::Url::parse(&portal.client_endpoint).and_then(|endpoint| endpoint.join("/contact_center/"));
    base.map_or_else(|_no_url| String::new(), |url| url.to_string())
}

/// The portal's installations that are not over.
pub(super) async fn installations(app: &App, portal: &PortalId) -> DbResult<Vec<Installation>> {
    let mut found = Vec::new();
    for application in &app.config.applications {
        let known = app.db.installation_find(portal, &application.client_id).await?;
        found.extend(known.filter(|known| known.state != InstallationState::Stopped));
    }
    Ok(found)
}

pub(super) async fn deliver(app: &App, delivery: &Delivery) -> Result<Settled, Failure> {
    let notice: Notice = payload(delivery)?;
    let portal = app.db.portal_get(&delivery.portal).await.map_err(db_failure)?;
    let Some(portal) = portal else { return Ok(Settled::new(DeliveryState::Cancelled, "gone")) };
    let Some(text) = notice.text(app, &portal).await.map_err(db_failure)? else {
        return Ok(Settled::new(DeliveryState::Cancelled, "outdated"));
    };
    let mut last = None;
    for installation in installations(app, &portal.id).await.map_err(db_failure)? {
        // One that was installed before the application asked for it.
        if !installation.scope.split(',').any(|scope| Some(scope) == Scope::name(NotifySystemAdd::SCOPE)) {
            continue;
        }
        match tell(app, &installation, &notice, &text).await {
            Ok(()) => return Ok(Settled::done()),
            Err(refused) => last = Some(refused),
        }
    }
    let Some(refused) = last else {
        tracing::warn!(portal = %portal.id, "administrators cannot be told: no installation has the scope `im`");
        return Ok(Settled::new(DeliveryState::Cancelled, "no_scope"));
    };
    if portal.state == PortalState::Parked {
        let due_at = app.clock.now().after(PARKED_WAIT);
        let error = Some(refused.to_string());
        return Ok(Settled { due_at, error, ..Settled::new(DeliveryState::Parked, "portal_parked") });
    }
    Err(refused.into())
}

/// Tells every administrator. One whom the portal does not know any more is forgotten.
async fn tell(app: &App, installation: &Installation, notice: &Notice, text: &str) -> Result<(), Refused> {
    let portal = &installation.portal;
    for user in app.db.administrator_list(portal).await? {
        // Unique in the application, so each reader has his own.
        let tag = format!("chatapp:{}:{user}", notice.about());
        let notify = NotifySystemAdd { user_id: user, message: text, tag: &tag };
        match grant::call_of(app, (portal, installation.id), &notify).await {
            Ok(_id) => {}
            Err(Refused::Portal(error)) if matches!(&error.code, Code::Other(code) if code == "USER_ID_EMPTY") => {
                app.db.administrator_remove(portal, user).await?;
            }
            Err(refused) => return Err(refused),
        }
    }
    Ok(())
}

struct Texts {
    died: &'static str,
    gone: &'static str,
    /// The account, and how many days are left.
    license_ends: fn(&str, u64) -> String,
    /// The channel, why, the line (may be empty), the address of the Contact Center.
    channel_died: fn(&str, &str, &str, &str) -> String,
    parked: &'static str,
    /// Hours, minutes, messages.
    resumed: fn(u64, u64, i64) -> String,
}

static EN: Texts = Texts {
    died: "The messenger or ChatApp no longer accepts its credentials.",
    gone: "ChatApp does not list it among the messengers of the account any more.",
    license_ends: |account, days| {
        format!(
            "The paid period of the ChatApp account {account} ends soon. Days left: {days}. After that its messengers neither \
             receive nor send. Extend it in ChatApp; nothing has to be done here."
        )
    },
    channel_died: |name, why, line, url| {
        let line = if line.is_empty() { String::new() } else { format!(" (Open Channel “{line}”)") };
        format!(
            "The ChatApp channel {name}{line} is disconnected. {why}[br]Messages to clients wait for a day at most. \
             Connect it again in the [url={url}]Contact Center[/url]."
        )
    },
    parked: "The ChatApp application has lost its access to this Bitrix24. Messages are kept and go on when the access is \
             back. Check the plan and the payment of the application, then open the application as an administrator.",
    resumed: |hours, minutes, messages| {
        format!(
            "The ChatApp application works again. It had no access to this Bitrix24 for {hours} h {minutes} min. Messages \
             kept meanwhile: {messages}; they are being passed on now."
        )
    },
};

static RU: Texts = Texts {
    died: "Мессенджер или ChatApp больше не принимает данные для входа.",
    gone: "ChatApp больше не показывает его среди мессенджеров Аккаунта.",
    license_ends: |account, days| {
        format!(
            "Скоро закончится оплаченный период Аккаунта ChatApp {account}. Осталось дней: {days}. После этого его мессенджеры \
             не принимают и не отправляют сообщения. Продлите его в ChatApp, здесь ничего делать не нужно."
        )
    },
    channel_died: |name, why, line, url| {
        let line = if line.is_empty() { String::new() } else { format!(" (Открытая линия «{line}»)") };
        format!(
            "Канал ChatApp {name}{line} отключился. {why}[br]Сообщения клиентам ждут не дольше суток. Подключите его снова: \
             [url={url}]Контакт-центр[/url]."
        )
    },
    parked: "Приложение ChatApp потеряло доступ к порталу. Сообщения сохраняются и уйдут, когда доступ вернётся. Проверьте \
             тариф портала и оплату приложения, затем откройте приложение как администратор.",
    resumed: |hours, minutes, messages| {
        format!(
            "Приложение ChatApp снова работает. Доступа к порталу не было {hours} ч {minutes} мин. Сообщений за это время: \
             {messages}; они передаются сейчас."
        )
    },
};
