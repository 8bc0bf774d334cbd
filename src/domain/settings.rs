//! What an administrator chooses for a channel that is connected to an Open Channel. Names and help texts are the connector's
//! manifest's (`placements/connectors.toml`); what is not chosen is as it is here.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own on a page")]
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
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            phone_messages: true,
            operator_name: true,
            file_links: false,
            group_messages: false,
            group_phones: false,
        }
    }
}

impl Settings {
    /// The switch that the manifest names so.
    pub fn switch(&mut self, name: &str) -> Option<&mut bool> {
        match name {
            "phone_messages" => Some(&mut self.phone_messages),
            "operator_name" => Some(&mut self.operator_name),
            "file_links" => Some(&mut self.file_links),
            "group_messages" => Some(&mut self.group_messages),
            "group_phones" => Some(&mut self.group_phones),
            _unknown => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_older_version_stored_reads_with_the_defaults() {
        let stored = r#"{"operator_name": false, "of_a_later_version": true}"#;
        let settings: Settings = serde_json::from_str(stored).unwrap();
        assert_eq!(settings, Settings { operator_name: false, ..Settings::default() });
    }

    #[test]
    fn every_setting_of_the_manifest_is_known() {
        for connector in placements::connectors::all() {
            for setting in connector.settings() {
                assert!(Settings::default().switch(&setting.name).is_some(), "{}", setting.name);
            }
        }
    }
}
