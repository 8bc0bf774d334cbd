//! What is chosen for a connected channel, as its page shows it and as its form says it.

use actix_web::HttpRequest;
use placements::connectors::{self, SettingKind};
use serde_json::{Map, Value};
use templates::{
    Problem,
    settings::{HookLogView, HookState, HookView, SectionView, SettingValue, SettingView, SettingsView},
    texts,
};

use super::{
    answer::{Failed, admin_only},
    body::Body,
    frame::{Answer, Call, Shared, connector_html, handler, lang, ok, read, with_notice},
};
use crate::{
    app::App,
    b24::methods::open_lines::Line,
    db::{Binding, DeliveryState},
    domain::settings::Field,
    relay::{
        hooks,
        settings::{self, SettingsError},
    },
};

/// So many of the newest messages to a webhook are shown.
const HOOK_LOG: i64 = 10;

handler!(
    /// `POST /frame/connector/settings`
    save, keep
);
handler!(
    /// `POST /frame/connector/hook-key`
    hook_key, renew_key
);

async fn keep(app: &App, request: &HttpRequest, body: &Body) -> Result<Value, Failed> {
    let call = Call::of(app, request).await?;
    admin_only(&call.session.user())?;
    let filled: Map<String, Value> = read(body)?;
    settings::save(app, &call.installation, call.connector()?, &filled).await?;
    saved(app, &call).await
}

async fn renew_key(app: &App, request: &HttpRequest, _body: &Body) -> Result<Value, Failed> {
    let call = Call::of(app, request).await?;
    admin_only(&call.session.user())?;
    settings::renew_hook_key(app, &call.installation, call.connector()?).await?;
    saved(app, &call).await
}

async fn saved(app: &App, call: &Call) -> Result<Value, Failed> {
    Ok(with_notice(connector_html(app, call).await?, texts(&call.session.lang).settings.saved))
}

impl From<SettingsError> for Failed {
    fn from(error: SettingsError) -> Self {
        match error {
            SettingsError::NotConnected => Self::new(Problem::ChannelGone, error),
            SettingsError::Wrong(field) => Self::new(Problem::FieldWrong, error).at(field),
            SettingsError::Lacking(_) => Self::new(Problem::ScopeLacks, error),
            SettingsError::Portal(refused) => refused.into(),
            SettingsError::Db(error) => error.into(),
            SettingsError::Random(error) => error.into(),
        }
    }
}

/// The form of a connection; `line` is the Open Channel as the portal has it now.
pub async fn view(app: &App, binding: &Binding, line: &Line, lang: &str) -> Result<SettingsView, Failed> {
    let mut chosen = binding.settings.clone();
    let mut sections = Vec::new();
    let offered = connectors::find(binding.connector.id()).into_iter().flat_map(connectors::Connector::settings);
    for (section, settings) in offered {
        let fields = settings.into_iter().filter_map(|setting| {
            let value = match chosen.field(&setting.name)? {
                Field::Switch(_) if line.crm_transfer_change && setting.name.starts_with("assign_") => {
                    SettingValue::ByTheLine
                }
                Field::Switch(on) => SettingValue::Switch(*on),
                Field::Text(text) => SettingValue::Text { kind: input_type(setting.kind), value: text.clone() },
            };
            Some(SettingView {
                name: setting.name.clone(),
                label: setting.label.get(lang).to_owned(),
                help: setting.help.as_ref().map(|help| help.get(lang).to_owned()),
                value,
            })
        });
        sections.push(SectionView {
            title: section.label.get(lang).to_owned(),
            help: section.help.as_ref().map(|help| help.get(lang).to_owned()),
            settings: fields.collect(),
        });
    }
    Ok(SettingsView { sections, hook: hook(app, binding).await? })
}

const fn input_type(kind: SettingKind) -> &'static str {
    match kind {
        SettingKind::Switch | SettingKind::Text => "text",
        SettingKind::Phone => "tel",
        SettingKind::Link => "url",
    }
}

async fn hook(app: &App, binding: &Binding) -> Result<Option<HookView>, Failed> {
    if binding.settings.hook_url.is_empty() {
        return Ok(None);
    }
    let Some(key) = app.db.binding_hook_key(binding)? else { return Ok(None) };
    let told = hooks::log(app, &binding.portal, binding.id, HOOK_LOG).await?;
    let log = told.into_iter().map(|told| HookLogView {
        at_ms: told.delivery.created_at.0,
        what: told.event,
        state: match told.delivery.state {
            DeliveryState::Done => HookState::Done,
            DeliveryState::Failed | DeliveryState::Unknown | DeliveryState::Cancelled => HookState::Failed,
            DeliveryState::Queued | DeliveryState::Waiting | DeliveryState::Sending | DeliveryState::Parked => {
                HookState::Waiting
            }
        },
        tries: u32::try_from(told.delivery.tries).unwrap_or(0),
        cause: told.delivery.error.filter(|_| told.delivery.state != DeliveryState::Done),
    });
    Ok(Some(HookView { key: hooks::shown_key(&key), log: log.collect() }))
}
