//! The kinds of messenger as Open Channels know them: `connectors.toml` as types, and the registration of each.
//!
//! Icons are our own drawing, a speech bubble with letters; no third party's logo is used.

use std::fmt::Write as _;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::manifest::Localized;

/// Background of a tile that is not connected: the portal's own default for it.
const DISABLED_COLOR: &str = "#ebeff2";

/// The drawing of a tile that is not connected.
const DISABLED_INK: &str = "#8d99a6";

/// A connector: a kind of messenger, or the groups of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connector {
    /// `chatapp_<kind>`, and `_groups` after it for groups. Stored by portals for ever.
    pub id: String,
    /// The id without `chatapp_`: the `{kind}` of our routes.
    pub kind: String,
    /// Name of the tile, the same in every language: `ChatApp - WhatsApp (external provider)`.
    pub title: String,
    /// The messenger for our own pages.
    pub label: Localized,
    /// Whether it serves group chats.
    pub is_group: bool,
    /// What its page says first.
    pub about: Option<Localized>,
    /// Up to two letters in the icon's bubble.
    pub letters: String,
    /// Colour of the tile, `#rrggbb`.
    pub color: String,
    /// Names of the settings that its page shows.
    setting_names: Vec<String>,
    /// Messenger types of `ChatApp`'s API; empty where the wire name is not known.
    pub chatapp_types: Vec<String>,
    /// Whether the messenger has an official API for the embedded core. Which ones are spoken, the core tells.
    pub has_official_api: bool,
}

/// Something that an administrator chooses for a connected channel.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// Stored under this name.
    pub name: String,
    /// The name of the section in which it stands.
    section: String,
    /// What is chosen.
    #[serde(default)]
    pub kind: SettingKind,
    /// What it does.
    pub label: Localized,
    /// More about it.
    pub help: Option<Localized>,
    /// Of no use to a connector for groups.
    #[serde(default)]
    pub private_only: bool,
}

/// What a setting is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettingKind {
    /// On or off.
    #[default]
    Switch,
    /// A line of text.
    Text,
    /// A phone number with the country's code.
    Phone,
    /// A web address.
    Link,
}

/// Settings that belong together.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// By which settings and connectors name it.
    pub name: String,
    /// Its heading.
    pub label: Localized,
    /// What they are for.
    pub help: Option<Localized>,
    /// All of it is of no use to a connector for groups.
    #[serde(default)]
    private_only: bool,
}

impl Connector {
    /// What its page lets an administrator choose, by section, both in the table's order; sections without a setting are left out.
    pub fn settings(&self) -> impl Iterator<Item = (&'static Section, Vec<&'static Setting>)> + '_ {
        let has = |setting: &Setting| self.setting_names.iter().any(|name| setting.is_called(name));
        TABLE.sections.iter().filter_map(move |section| {
            let own = TABLE.settings.iter().filter(|setting| setting.section == section.name && has(setting));
            Some((section, own.collect::<Vec<_>>())).filter(|(_, own)| !own.is_empty())
        })
    }

    /// The icon as a data address, for the portal and for our pages.
    pub fn icon(&self) -> String {
        icon(&self.letters, &self.color, self.is_group)
    }
}

impl Setting {
    /// Whether a connector that lists this name has it.
    fn is_called(&self, name: &str) -> bool {
        self.name == name || self.section == name
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    connector: Vec<Entry>,
    section: Vec<Section>,
    setting: Vec<Setting>,
}

/// What the file says.
struct Known {
    connectors: Vec<Connector>,
    sections: Vec<Section>,
    settings: Vec<Setting>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    kind: String,
    label: Localized,
    letters: String,
    color: String,
    groups: bool,
    groups_about: Option<Localized>,
    settings: Vec<String>,
    chatapp: Vec<String>,
    embedded: bool,
}

static TABLE: LazyLock<Known> = LazyLock::new(|| match parse(include_str!("connectors.toml")) {
    Ok(known) => known,
    Err(problem) => panic!("the connector table of this binary does not load: {problem}"),
});

/// Every connector, those for groups after their messenger.
///
/// # Panics
/// When the table compiled into the binary does not load; a test of this crate loads it.
pub fn all() -> &'static [Connector] {
    &TABLE.connectors
}

/// The connector with this id; the portal lower-cases ids, so case does not count.
pub fn find(id: &str) -> Option<&'static Connector> {
    all().iter().find(|connector| connector.id.eq_ignore_ascii_case(id.trim()))
}

/// The connector for people, not groups, that serves channels of this `ChatApp` messenger type.
pub fn by_chatapp_type(messenger_type: &str) -> Option<&'static Connector> {
    let serves = |connector: &&Connector| connector.chatapp_types.iter().any(|own| own == messenger_type);
    all().iter().filter(|connector| !connector.is_group).find(serves)
}

/// Parameters of `imconnector.register`; the same id again updates it. `handler` is the full address of the settings
/// page. Flags are JSON booleans on purpose: the portal compares them strictly. `client_deletes`: whether its messenger tells of what
/// clients delete.
pub fn registration(connector: &Connector, handler: &str, client_deletes: bool) -> Value {
    let disabled = icon(&connector.letters, DISABLED_INK, connector.is_group);
    json!({
        "ID": connector.id,
        "NAME": connector.title,
        "ICON": { "DATA_IMAGE": connector.icon(), "COLOR": connector.color, "SIZE": "80%", "POSITION": "center" },
        "ICON_DISABLED": { "DATA_IMAGE": disabled, "COLOR": DISABLED_COLOR, "SIZE": "80%", "POSITION": "center" },
        "PLACEMENT_HANDLER": handler,
        "DEL_EXTERNAL_MESSAGES": client_deletes,
        // Where the messenger cannot change or take back, the client gets a correction and the operator reads that it cannot.
        "EDIT_INTERNAL_MESSAGES": true,
        "DEL_INTERNAL_MESSAGES": true,
        // Mass mailings from CRM marketing get accounts banned by the messengers.
        "NEWSLETTER": false,
        "NEED_SYSTEM_MESSAGES": true,
        "NEED_SIGNATURE": true,
        "CHAT_GROUP": connector.is_group,
    })
}

fn parse(text: &str) -> Result<Known, String> {
    let table: Table = toml::from_str(text).map_err(|error| error.to_string())?;
    if let Some(lost) = table.setting.iter().find(|it| table.section.iter().all(|section| section.name != it.section)) {
        return Err(format!("`{}` stands in no section", lost.name));
    }
    let mut connectors = Vec::new();
    for entry in table.connector {
        entry.check()?;
        if let Some(unknown) = entry.settings.iter().find(|name| !table.setting.iter().any(|it| it.is_called(name))) {
            return Err(format!("`{unknown}` of {} is no setting", entry.kind));
        }
        connectors.push(entry.connector(false));
        if entry.groups {
            let private = |name: &String| {
                table.setting.iter().any(|known| known.name == *name && known.private_only)
                    || table.section.iter().any(|known| known.name == *name && known.private_only)
            };
            let mut groups = entry.connector(true);
            groups.setting_names.retain(|name| !private(name));
            connectors.push(groups);
        }
    }
    Ok(Known { connectors, sections: table.section, settings: table.setting })
}

impl Entry {
    fn check(&self) -> Result<(), String> {
        // A dot is refused by the portal, everything but these letters by prudence.
        let kind_fits = self.kind.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        if self.kind.is_empty() || !kind_fits || self.kind.ends_with("_groups") {
            return Err(format!("`{}` is no connector kind", self.kind));
        }
        let digits = self.color.strip_prefix('#').unwrap_or_default();
        if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(format!("`{}` of {} is no colour", self.color, self.kind));
        }
        let letter_fits = |letter: char| letter.is_ascii_uppercase() || letter == '@';
        if !(1..=2).contains(&self.letters.len()) || !self.letters.chars().all(letter_fits) {
            return Err(format!("`{}` of {} does not fit the icon", self.letters, self.kind));
        }
        Ok(())
    }

    fn connector(&self, is_group: bool) -> Connector {
        let (suffix, word) = if is_group { ("_groups", " groups") } else { ("", "") };
        let kind = format!("{}{suffix}", self.kind);
        let label = if is_group {
            Localized { en: format!("{} groups", self.label.en), ru: format!("{}: группы", self.label.ru) }
        } else {
            self.label.clone()
        };
        Connector {
            id: format!("chatapp_{kind}"),
            kind,
            title: format!("ChatApp - {}{word} (external provider)", self.label.en),
            label,
            is_group,
            about: self.groups_about.clone().filter(|_| is_group),
            letters: self.letters.clone(),
            color: self.color.clone(),
            setting_names: self.settings.clone(),
            chatapp_types: self.chatapp.clone(),
            has_official_api: self.embedded,
        }
    }
}

/// A speech bubble with letters, and a second bubble behind it for groups.
fn icon(letters: &str, color: &str, is_group: bool) -> String {
    let back = if is_group {
        format!(
            "<rect x='24' y='10' width='66' height='50' rx='14' fill='{color}'/>\
             <rect x='27' y='13' width='60' height='44' rx='11' fill='#fff' fill-opacity='.55'/>"
        )
    } else {
        String::new()
    };
    let size = if letters.len() > 1 { 30 } else { 38 };
    let svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 100 100'>\
         <rect width='100' height='100' rx='22' fill='{color}'/>{back}\
         <path fill='#fff' d='M28 22h44a16 16 0 0 1 16 16v16a16 16 0 0 1-16 16H48L32 84V70h-4a16 16 0 0 1-16-16V38a16 16 0 0 1 16-16z'/>\
         <text x='50' y='{baseline}' text-anchor='middle' font-family='Arial,Helvetica,sans-serif' font-weight='700' \
         font-size='{size}' fill='{color}'>{letters}</text></svg>",
        baseline = 46 + size * 36 / 100,
    );
    format!("data:image/svg+xml,{}", percent_encoded(&svg))
}

/// The icon lands in the portal's CSS: everything but letters, digits and a few marks is encoded.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'/' | b':' | b'=') {
            encoded.push(char::from(byte));
        } else {
            // Writing into a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}
