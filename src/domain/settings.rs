//! What an administrator chooses for a channel that is connected to an Open Channel. Names, kinds and help texts are the connector's
//! manifest's (`placements/connectors.toml`); what is not chosen is as it is here.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "a form of switches")]
pub struct Settings {
    /// What the business writes on its own phone stands in the Open Channel, too.
    pub phone_messages: bool,
    /// The client reads which operator writes.
    pub operator_name: bool,
    /// A file that is too large for the messenger goes as a link.
    pub file_links: bool,
    /// Groups, too, come through the connector for private chats, unless they have one of their own: each as one client, with the
    /// author's name before his words.
    pub group_messages: bool,
    /// Operators see the phone numbers of people in groups.
    pub group_phones: bool,
    /// The portal offers the channel as a provider of text messages.
    pub sms: bool,
    /// What went that way stands in the Open Channel, too.
    pub sms_shown: bool,
    /// The chat is named after the CRM contact.
    pub chat_names: bool,
    /// Whose responsible person gets the chat.
    pub follow: Cards,
    /// Of which cards the chat's operator becomes the responsible person.
    pub assign: Cards,
    pub widget: Widget,
    /// Where messages and statuses are told to; empty: nowhere.
    pub hook_url: String,
}

/// Kinds of CRM cards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "a form of switches")]
pub struct Cards {
    pub lead: bool,
    pub contact: bool,
    pub company: bool,
    pub deal: bool,
}

/// What the widget of the site shows; empty: what the server knows of the account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Widget {
    pub title: String,
    /// E.164 with `+`.
    pub phone: String,
    pub link: String,
}

/// A setting's place.
pub enum Field<'a> {
    Switch(&'a mut bool),
    Text(&'a mut String),
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            phone_messages: true,
            operator_name: true,
            file_links: false,
            sms: false,
            sms_shown: true,
            chat_names: false,
            follow: Cards::default(),
            assign: Cards::default(),
            widget: Widget::default(),
            hook_url: String::new(),
            group_messages: false,
            group_phones: false,
        }
    }
}

impl Settings {
    /// The setting that the manifest names so.
    pub fn field(&mut self, name: &str) -> Option<Field<'_>> {
        Some(match name {
            "phone_messages" => Field::Switch(&mut self.phone_messages),
            "operator_name" => Field::Switch(&mut self.operator_name),
            "file_links" => Field::Switch(&mut self.file_links),
            "group_messages" => Field::Switch(&mut self.group_messages),
            "group_phones" => Field::Switch(&mut self.group_phones),
            "sms" => Field::Switch(&mut self.sms),
            "sms_shown" => Field::Switch(&mut self.sms_shown),
            "chat_names" => Field::Switch(&mut self.chat_names),
            "widget_title" => Field::Text(&mut self.widget.title),
            "widget_phone" => Field::Text(&mut self.widget.phone),
            "widget_link" => Field::Text(&mut self.widget.link),
            "hook_url" => Field::Text(&mut self.hook_url),
            other => match other.split_once('_')? {
                ("follow", card) => Field::Switch(self.follow.of_mut(card)?),
                ("assign", card) => Field::Switch(self.assign.of_mut(card)?),
                _unknown => return None,
            },
        })
    }
}

impl Cards {
    fn of_mut(&mut self, card: &str) -> Option<&mut bool> {
        match card {
            "lead" => Some(&mut self.lead),
            "contact" => Some(&mut self.contact),
            "company" => Some(&mut self.company),
            "deal" => Some(&mut self.deal),
            _unknown => None,
        }
    }

    /// By Bitrix24's number of the kind.
    pub fn has(self, entity_type_id: i64) -> bool {
        match entity_type_id {
            1 => self.lead,
            2 => self.deal,
            3 => self.contact,
            4 => self.company,
            _other => false,
        }
    }

    pub fn any(self) -> bool {
        self != Self::default()
    }
}

#[cfg(test)]
mod tests {
    use placements::connectors::{self, SettingKind};

    use super::*;

    #[test]
    fn what_an_older_version_stored_reads_with_the_defaults() {
        let stored = r#"{"operator_name": false, "of_a_later_version": true}"#;
        let settings: Settings = serde_json::from_str(stored).unwrap();
        assert_eq!(settings, Settings { operator_name: false, ..Settings::default() });
    }

    #[test]
    fn every_setting_of_the_manifest_is_known_and_of_its_kind() {
        for (_section, settings) in connectors::all().iter().flat_map(connectors::Connector::settings) {
            for setting in settings {
                let mut all = Settings::default();
                match all.field(&setting.name) {
                    Some(Field::Switch(_)) => assert_eq!(setting.kind, SettingKind::Switch, "{}", setting.name),
                    Some(Field::Text(_)) => assert_ne!(setting.kind, SettingKind::Switch, "{}", setting.name),
                    None => panic!("{}", setting.name),
                }
            }
        }
    }
}
