//! What an administrator chooses for a connected channel, and what the portal has to know of it. A choice holds from the next
//! message on; one that the portal does not let us keep is not kept.

use placements::connectors::{self, Setting, SettingKind};
use serde_json::{Map, Value};
use url::Url;

use super::{accounts, grant::Refused, provision, sms};
use crate::{
    app::App,
    db::{Binding, DbError, Installation},
    domain::{
        address::first_phone,
        connector::Connector,
        settings::{Field, Settings},
    },
    secret::{SealError, random_key},
};

/// Bytes of a webhook's key; Standard Webhooks asks for 24 to 64.
const HOOK_KEY_BYTES: usize = 32;
/// Characters of a text, and of an address.
const MAX_TEXT: usize = 100;
const MAX_LINK: usize = 500;

/// Why a choice is not kept.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("nothing is connected here")]
    NotConnected,
    #[error("`{0}` cannot be so")]
    Wrong(&'static str),
    /// The portal's plan, or the installation's rights.
    #[error("the portal does not let us: {0}")]
    Lacking(String),
    #[error(transparent)]
    Portal(#[from] Refused),
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(transparent)]
    Random(#[from] SealError),
}

/// Keeps what a form says: the switches that are on, and the texts.
pub async fn save(
    app: &App,
    installation: &Installation,
    (connector, line): (Connector, i64),
    filled: &Map<String, Value>,
) -> Result<(), SettingsError> {
    let portal = &installation.portal;
    let lock = app.connecting.of(portal);
    let _one_at_a_time = lock.lock().await;
    let before = app.db.binding_on_line(portal, connector, line).await?.ok_or(SettingsError::NotConnected)?;
    let settings = read(connector, &before.settings, filled)?;
    if !settings.hook_url.is_empty() && before.hook_key.is_none() {
        app.db.binding_set_hook_key(portal, &before, &random_key(HOOK_KEY_BYTES)?).await?;
    }
    app.db.binding_set_settings(portal, before.id, settings.clone(), app.clock.now()).await?;
    let after = Binding { settings, ..before.clone() };
    let told = tell_portal(app, installation, (&before, &after)).await;
    if told.is_err() {
        app.db.binding_set_settings(portal, before.id, before.settings, app.clock.now()).await?;
    }
    told
}

/// A new key for a connection's webhook: the old one signs nothing any more.
pub async fn renew_hook_key(
    app: &App,
    installation: &Installation,
    (connector, line): (Connector, i64),
) -> Result<(), SettingsError> {
    let portal = &installation.portal;
    let binding = app.db.binding_on_line(portal, connector, line).await?.ok_or(SettingsError::NotConnected)?;
    app.db.binding_set_hook_key(portal, &binding, &random_key(HOOK_KEY_BYTES)?).await?;
    Ok(())
}

fn read(connector: Connector, before: &Settings, filled: &Map<String, Value>) -> Result<Settings, SettingsError> {
    let mut settings = before.clone();
    let offered = connectors::find(connector.id()).into_iter().flat_map(connectors::Connector::settings);
    for setting in offered.flat_map(|(_section, settings)| settings) {
        match settings.field(&setting.name) {
            Some(Field::Switch(switch)) => *switch = filled.contains_key(&setting.name),
            Some(Field::Text(text)) => {
                let value = filled.get(&setting.name).and_then(Value::as_str).unwrap_or_default();
                *text = fitting(setting, value).ok_or(SettingsError::Wrong(&setting.name))?;
            }
            None => {}
        }
    }
    Ok(settings)
}

/// The text as it is kept; None when it cannot be what the setting is for.
fn fitting(setting: &Setting, value: &str) -> Option<String> {
    let value = value.trim();
    if value.is_empty() {
        return Some(String::new());
    }
    let fits = |limit| value.chars().count() <= limit && !value.chars().any(char::is_control);
    match setting.kind {
        SettingKind::Text => fits(MAX_TEXT).then(|| value.to_owned()),
        SettingKind::Phone => first_phone(value).map(|phone| phone.e164()),
        SettingKind::Link => {
            let url = Url::parse(value).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
            // Who can read the page must not read a password in it.
            url.filter(|url| fits(MAX_LINK) && url.password().is_none()).map(String::from)
        }
        SettingKind::Switch => None,
    }
}

async fn tell_portal(
    app: &App,
    installation: &Installation,
    (before, after): (&Binding, &Binding),
) -> Result<(), SettingsError> {
    if before.settings.widget != after.settings.widget
        && let Some(channel) = app.db.channel_get(&installation.portal, &after.channel).await?
    {
        accounts::name_account(app, installation, &channel, after).await?;
    }
    if before.settings.follow != after.settings.follow || before.settings.chat_names != after.settings.chat_names {
        let lacking = provision::card_events(app, installation).await?;
        if !lacking.is_empty() {
            return Err(SettingsError::Lacking(lacking.join(", ")));
        }
    }
    if before.settings.sms != after.settings.sms {
        let lacking = sms::senders(app, installation).await?;
        if !lacking.is_empty() {
            return Err(SettingsError::Lacking(lacking.join(", ")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kept(filled: &Value) -> Result<Settings, SettingsError> {
        read(Connector::Whatsapp, &Settings::default(), filled.as_object().unwrap())
    }

    #[test]
    fn what_is_typed_is_kept_in_one_form_or_refused() {
        let settings = kept(&json!({
            "sms": "on", "follow_deal": "on", "widget_phone": "8 (900) 123-45-67", "widget_title": " Shop ",
            "hook_url": "https://example.com/hook?a=1",
        }));
        let settings = settings.unwrap();
        assert!(settings.sms && settings.follow.deal && !settings.follow.lead && !settings.operator_name);
        assert_eq!(settings.widget.phone, "+79001234567");
        assert_eq!(settings.widget.title, "Shop");
        for wrong in [
            json!({"hook_url": "javascript:alert(1)"}),
            json!({"hook_url": "https://user:secret@example.com/"}),
            json!({"widget_phone": "none"}),
            json!({"widget_title": "x".repeat(101)}),
            json!({"widget_title": "a\u{0}b"}),
        ] {
            assert!(matches!(kept(&wrong), Err(SettingsError::Wrong(_))), "{wrong}");
        }
    }
}
