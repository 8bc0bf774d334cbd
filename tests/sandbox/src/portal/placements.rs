//! Where an application may show a screen, and under which scope.

use url::Url;

use super::{Placement, Portal, State};

/// Places and the scope that each needs besides `placement`; empty: none.
const PLACES: &[(&str, &str)] = &[
    ("LEFT_MENU", ""),
    ("PAGE_BACKGROUND_WORKER", ""),
    ("REST_APP_URI", ""),
    ("USER_PROFILE_MENU", "user"),
    ("USER_PROFILE_TOOLBAR", "user"),
    ("CONTACT_CENTER", "contact_center"),
    ("SETTING_CONNECTOR", "imopenlines"),
    ("IM_TEXTAREA", "im"),
    ("IM_SIDEBAR", "im"),
    ("IM_CONTEXT_MENU", "im"),
    ("IM_NAVIGATION", "im"),
    ("IMMOBILE_CONTEXT_MENU", "im"),
    ("CRM_ACTIVITY_LIST_MENU", "crm"),
];
/// Kinds of CRM objects that have screens.
const CRM_KINDS: [&str; 7] = ["LEAD", "DEAL", "CONTACT", "COMPANY", "QUOTE", "SMART_INVOICE", "ORDER"];
/// Screens of each kind.
const CRM_SCREENS: [&str; 6] =
    ["DETAIL_TAB", "DETAIL_ACTIVITY", "DETAIL_TOOLBAR", "LIST_MENU", "LIST_TOOLBAR", "ACTIVITY_TIMELINE_MENU"];

/// All places that the scopes open, in capitals.
pub(super) fn available(scope: &[String]) -> Vec<String> {
    let has = |needed: &str| needed.is_empty() || scope.iter().any(|own| own == needed);
    let mut all: Vec<String> =
        PLACES.iter().filter(|(_, needed)| has(needed)).map(|(place, _)| (*place).to_owned()).collect();
    if has("crm") {
        for kind in CRM_KINDS {
            all.extend(CRM_SCREENS.iter().map(|screen| format!("CRM_{kind}_{screen}")));
        }
    }
    all
}

/// Why a handler's address is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadUrl {
    Protocol,
    Handler,
}

/// The platform takes http and https addresses whose host holds a dot that is not its first character.
pub(super) fn check_handler(url: &str) -> Result<(), BadUrl> {
    let parsed = Url::parse(url).map_err(|_| BadUrl::Handler)?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(BadUrl::Protocol);
    }
    let dotted = parsed.host_str().and_then(|host| host.find('.')).is_some_and(|at| at > 0);
    if dotted { Ok(()) } else { Err(BadUrl::Handler) }
}

impl Portal {
    /// The screens that applications have bound, with the titles that the portal shows.
    pub fn placements(&self) -> Vec<Placement> {
        self.read(|state| state.placements.clone())
    }
}

/// The title of a screen in the portal's language, else in English, else as bound.
pub(crate) fn title(state: &State, placement: &Placement) -> String {
    let in_lang = |lang: &str| {
        placement
            .lang_all
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(lang))
            .and_then(|(_, texts)| texts.get("TITLE"))
            .and_then(serde_json::Value::as_str)
            .map(str::to_owned)
    };
    in_lang(&state.lang).or_else(|| in_lang("en")).unwrap_or_else(|| placement.title.clone())
}
