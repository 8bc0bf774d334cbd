//! A screen of ours being opened: the browser posts this for the portal, so the user can have changed every field.

use serde_json::{Map, Value as Json};

use super::{Malformed, member_id, some_text};
use crate::{
    b24::{form::Value, values},
    domain::ids::PortalId,
    secret::Secret,
};

/// A frame's opening post: the query of its address and its body.
#[derive(Clone, Debug)]
pub struct FramePost {
    pub member_id: PortalId,
    /// The portal's host, with a port on premise.
    pub domain: Option<String>,
    /// Whether the portal was opened over https.
    pub https: bool,
    /// The user's language as Bitrix24 writes it (`ru`, `en`, `la`, `br`, …).
    pub lang: Option<String>,
    /// Names this opening to the portal's script.
    pub app_sid: Option<String>,
    /// The access token of him who opens; may be missing.
    pub auth_id: Option<Secret>,
    pub refresh_id: Option<Secret>,
    /// Seconds.
    pub auth_expires_s: Option<i64>,
    pub server_endpoint: Option<String>,
    /// Everybody who opens a frame can read it in his browser: a hint, no proof.
    pub application_token: Secret,
    pub scope: Vec<String>,
    pub status: Option<String>,
    /// `DEFAULT` for the application's own page and for the installation; while an application is not installed, any placement.
    pub placement: String,
    /// Empty for all the ways in which portals write nothing.
    pub options: Map<String, Json>,
}

impl FramePost {
    /// Reads the query and the body of a frame's post.
    pub fn from_form(query: &Value, body: &Value) -> Result<Self, Malformed> {
        let asked = |key: &str| some_text(query, &[key]).map(str::to_owned);
        let posted = |key: &str| some_text(body, &[key]).map(str::to_owned);
        Ok(Self {
            member_id: member_id(body)?,
            domain: asked("DOMAIN"),
            https: query.text(&["PROTOCOL"]).map(str::trim) != Some("0"),
            lang: asked("LANG"),
            app_sid: asked("APP_SID"),
            auth_id: posted("AUTH_ID").map(Secret::new),
            refresh_id: posted("REFRESH_ID").map(Secret::new),
            auth_expires_s: body.int(&["AUTH_EXPIRES"]),
            server_endpoint: posted("SERVER_ENDPOINT"),
            application_token: posted("APPLICATION_TOKEN").map(Secret::new).unwrap_or_default(),
            scope: values::scope_list(body.text(&["APPLICATION_SCOPE"]).unwrap_or_default()),
            status: posted("status"),
            placement: posted("PLACEMENT").unwrap_or_else(|| "DEFAULT".to_owned()),
            options: options(body.get(&["PLACEMENT_OPTIONS"])),
        })
    }

    /// An option as a text, whatever it was written as.
    pub fn option(&self, key: &str) -> Option<String> {
        self.options.get(key).map(values::text_of).filter(|text| !text.is_empty())
    }

    /// An option as a yes or no; absent is no.
    pub fn option_flag(&self, key: &str) -> bool {
        self.options.get(key).is_some_and(values::flag_of)
    }
}

/// A JSON object in a text, or fields in brackets; `""`, `[]`, `{}` and `undefined` are nothing.
fn options(field: Option<&Value>) -> Map<String, Json> {
    let json = match field {
        Some(Value::Text(text)) => serde_json::from_str(text).unwrap_or_default(),
        Some(map) => serde_json::to_value(map).unwrap_or_default(),
        None => Json::Null,
    };
    match json {
        Json::Object(map) => map,
        _ => Map::new(),
    }
}
