//! ChatApp's words for messengers and lines, and ours.

use std::fmt;

use crate::domain::{
    capabilities::{Capabilities, Checks, Groups, Markup, WriteFirst},
    connector::Connector,
};

/// ChatApp's `messengerType` and the connector that shows it. Only names seen on the wire are here; Viber, Facebook and MAX
/// are sold, but their wire names are not public.
const KINDS: [(&str, Connector); 9] = [
    ("grWhatsApp", Connector::Whatsapp),
    // an obsolete spelling
    ("grayWhatsApp", Connector::Whatsapp),
    ("caWhatsApp", Connector::Waba),
    ("telegram", Connector::Telegram),
    ("telegramBot", Connector::TelegramBot),
    ("avito", Connector::Avito),
    ("vkontakte", Connector::Vk),
    ("email", Connector::Email),
    ("instagram", Connector::Instagram),
];

/// The connector for a `messengerType`; none for a messenger that we do not know.
pub fn connector_of(messenger_type: &str) -> Option<Connector> {
    KINDS.iter().find(|(name, _)| *name == messenger_type).map(|(_, connector)| *connector)
}

/// How ChatApp names the messenger of a connector; none where its name is not known.
pub fn messenger_type_of(connector: Connector) -> Option<&'static str> {
    KINDS.iter().find(|(_, known)| *known == connector).map(|(name, _)| *name)
}

/// One messenger of one license: what a channel's `account` says as `<licenseId>/<messengerType>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Account {
    pub license: i64,
    pub messenger_type: String,
}

impl Account {
    /// None when it is not of that form; both parts go into paths, so nothing else is let through.
    pub fn parse(text: &str) -> Option<Self> {
        let (license, messenger_type) = text.split_once('/')?;
        Self::new(license.parse().ok()?, messenger_type)
    }

    pub fn new(license: i64, messenger_type: &str) -> Option<Self> {
        let fits = (1..=40).contains(&messenger_type.len())
            && messenger_type.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        (fits && license > 0).then(|| Self { license, messenger_type: messenger_type.to_owned() })
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.license, self.messenger_type)
    }
}

const MIB: u64 = 1024 * 1024;

/// What ChatApp's channels can do. ChatApp publishes few figures, so the limits are those of the messengers behind it:
/// texts of 4096 (WhatsApp Cloud API, Telegram) and of 1000 for Avito; captions of 1024; documents of 100 MB and pictures of
/// 5 MB for WhatsApp (Meta's supported media), 50 MB for Telegram and VK (ChatApp's help), pictures of 24 MB for Avito. What
/// comes in is given out by link in any size that those messengers carry.
pub fn capabilities(connector: Connector) -> Capabilities {
    let base = Capabilities {
        text_limit: 4096,
        caption_limit: 1024,
        upload_limit: 50 * MIB,
        photo_limit: 10 * MIB,
        download_limit: 100 * MIB,
        delivered: true,
        read: true,
        // No public client has ever edited, deleted, quoted or reacted.
        ..Capabilities::NOTHING
    };
    match connector.messenger() {
        Connector::Whatsapp | Connector::Waba => Capabilities {
            markup: Markup::Whatsapp,
            upload_limit: 100 * MIB,
            photo_limit: 5 * MIB,
            write_first: WriteFirst::ByPhone,
            // Meta's own API tells of no number whether it is there.
            checks: if connector == Connector::Waba { Checks::Nothing } else { Checks::Phones },
            groups: if connector == Connector::Waba { Groups::No } else { Groups::Founded },
            templates: connector == Connector::Waba,
            ..base
        },
        // To look somebody up by his phone is what Telegram blocks personal accounts for: the message itself does it once.
        Connector::Telegram => Capabilities {
            write_first: WriteFirst::ByPhoneOrUsername,
            checks: Checks::Usernames,
            groups: Groups::Founded,
            ..base
        },
        Connector::TelegramBot => Capabilities { groups: Groups::Joined, delivered: false, read: false, ..base },
        Connector::Avito => Capabilities {
            text_limit: 1000,
            caption_limit: 0,
            upload_limit: 24 * MIB,
            photo_limit: 24 * MIB,
            delivered: false,
            ..base
        },
        Connector::Email => Capabilities {
            upload_limit: 20 * MIB,
            photo_limit: 20 * MIB,
            write_first: WriteFirst::ByEmail,
            delivered: false,
            read: false,
            ..base
        },
        Connector::Viber => Capabilities { write_first: WriteFirst::ByPhone, ..base },
        _other => base,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_read_back_and_unknown_ones_are_none() {
        for (name, connector) in KINDS {
            assert_eq!(connector_of(name), Some(connector));
            let said = messenger_type_of(connector).unwrap();
            assert_eq!(connector_of(said), Some(connector));
        }
        assert_eq!(messenger_type_of(Connector::Whatsapp), Some("grWhatsApp"));
        assert_eq!(connector_of("viber"), None);
        assert_eq!(messenger_type_of(Connector::Max), None);
    }

    #[test]
    fn an_account_that_could_leave_its_path_is_none() {
        let account = Account::parse("1234/grWhatsApp").unwrap();
        assert_eq!(account.to_string(), "1234/grWhatsApp");
        for wrong in ["", "1234", "1234/", "x/telegram", "1/..", "1/a/b", "-1/telegram", "1/a?b"] {
            assert!(Account::parse(wrong).is_none(), "{wrong}");
        }
    }
}
