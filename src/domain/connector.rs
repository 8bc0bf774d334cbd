//! Connectors: the kinds of messenger as portals know them, and the groups of those that have any. The ids are forever, because
//! portals store them.

use serde::{Deserialize, Serialize};

macro_rules! connectors {
    ($($variant:ident $short:literal $title:literal),+ $(,)?) => {
        /// A kind of messenger, or its groups. Its id in a portal is `chatapp_` + [`Connector::short`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Connector { $($variant),+ }

        impl Connector {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name in our own paths and tables: the connector's id without `chatapp_`.
            pub const fn short(self) -> &'static str {
                match self { $(Self::$variant => $short),+ }
            }

            /// The messenger's name for people, the same in every language.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),+ }
            }

            /// The id that `imconnector.register` gets.
            pub const fn id(self) -> &'static str {
                match self { $(Self::$variant => concat!("chatapp_", $short)),+ }
            }
        }
    };
}

connectors! {
    Whatsapp "whatsapp" "WhatsApp",
    Waba "waba" "WABA",
    Telegram "telegram" "Telegram",
    TelegramBot "telegram_bot" "Telegram Bot",
    Vk "vk" "VK",
    Avito "avito" "Avito",
    Email "email" "E-mail",
    Max "max" "MAX",
    Instagram "instagram" "Instagram",
    Viber "viber" "Viber",
    Facebook "facebook" "Facebook",
    WhatsappGroups "whatsapp_groups" "WhatsApp groups",
    TelegramGroups "telegram_groups" "Telegram groups",
    TelegramBotGroups "telegram_bot_groups" "Telegram Bot groups",
    MaxGroups "max_groups" "MAX groups",
}

impl Connector {
    /// The messenger's own connector, for private chats; a channel knows itself by it.
    #[must_use]
    pub const fn messenger(self) -> Self {
        match self {
            Self::WhatsappGroups => Self::Whatsapp,
            Self::TelegramGroups => Self::Telegram,
            Self::TelegramBotGroups => Self::TelegramBot,
            Self::MaxGroups => Self::Max,
            private => private,
        }
    }

    /// Whether its chats in a portal have many people in them (`CHAT_GROUP`).
    pub fn is_group(self) -> bool {
        self != self.messenger()
    }

    /// Reads a connector id as portals send it back.
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|connector| connector.id() == id)
    }

    pub fn from_short(short: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|connector| connector.short() == short)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back() {
        for connector in Connector::ALL {
            assert_eq!(Connector::from_id(connector.id()), Some(*connector));
            assert_eq!(Connector::from_short(connector.short()), Some(*connector));
        }
        assert_eq!(Connector::from_id("telegrambot"), None);
    }

    #[test]
    fn the_groups_of_the_table_are_known_as_such() {
        for connector in placements::connectors::all() {
            let known = Connector::from_id(&connector.id).unwrap();
            assert_eq!(known.is_group(), connector.is_group);
            assert_eq!(known.messenger().short(), connector.kind.trim_end_matches("_groups"));
            assert!(!known.messenger().is_group());
        }
    }
}
