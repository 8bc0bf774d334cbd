//! Frames: what the portal's page posts into an iframe, and what it does for the page inside.

use serde_json::{Map, Value, json};

use super::{Placement, Portal, State, UserId, state::Opened};
use crate::{
    oauth::{ACCESS_LIFE_S, AppCard},
    random_hex,
};

/// The form that the portal's page submits into an iframe. Everything in it passes through the user's browser.
#[derive(Clone, Debug)]
pub struct FrameForm {
    /// With the query `DOMAIN`, `PROTOCOL`, `LANG`, `APP_SID`.
    pub url: String,
    pub fields: Vec<(String, String)>,
    /// Name of the iframe, `{host}|{protocol}|{APP_SID}`.
    pub window_name: String,
    pub app_sid: String,
}

impl FrameForm {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// What a user opens.
#[derive(Clone, Copy, Debug)]
pub struct Screen<'a> {
    pub placement: &'a str,
    pub options: &'a Value,
    /// Which of several handlers of one placement; `None`: the first.
    pub binding: Option<u32>,
    /// The user's language; `None`: the portal's.
    pub lang: Option<&'a str>,
}

/// Why nothing opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// No such application or screen.
    Missing,
    /// The wizard was not finished, and the user is no administrator.
    NotInstalled,
}

impl Portal {
    /// A user opens a screen of the application.
    ///
    /// `DEFAULT` is the page of the left menu. `SETTING_CONNECTOR` needs the options `CONNECTOR` and `LINE`,
    /// `BIZPROC_ACTIVITY_PROPERTIES_DIALOG` the option `code`. Until the installation is finished an administrator sees the
    /// install page instead, whatever he has opened.
    pub fn opens_frame(&self, user: UserId, placement: &str, options: &Value) -> Result<FrameForm, Closed> {
        self.opens_screen(user, &Screen { placement, options, binding: None, lang: None })
    }

    /// The same with everything that the page around knows.
    pub fn opens_screen(&self, user: UserId, screen: &Screen<'_>) -> Result<FrameForm, Closed> {
        self.change(|state| {
            let (client_id, own) = target(state, screen).ok_or(Closed::Missing)?;
            let install = state.installs.get(&client_id).filter(|install| install.active).ok_or(Closed::Missing)?;
            let card = self.world().oauth.app(&client_id).ok_or(Closed::Missing)?;
            let wizard = (!install.installed).then(|| card.install_url.clone()).flatten();
            if !install.installed && !state.is_admin(user) {
                return Err(Closed::NotInstalled);
            }
            if state.closed_to.contains(&user) && !state.is_admin(user) {
                return Err(Closed::Missing);
            }
            let handler = wizard.clone().or(own).or_else(|| card.app_url.clone()).ok_or(Closed::Missing)?;
            let tokens = self.world().oauth.issue(self.member_id(), &client_id, user);
            let opened = Opened {
                client_id,
                user,
                placement: screen.placement.to_owned(),
                options: full_options(state, screen),
                install: wizard.is_some(),
                lang: screen.lang.unwrap_or(&state.lang).to_owned(),
                access: tokens.access,
                refresh: tokens.refresh,
            };
            Ok(self.frame(state, &card, &handler, opened))
        })
    }

    fn frame(&self, state: &mut State, card: &AppCard, handler: &str, opened: Opened) -> FrameForm {
        let sid = random_hex(16);
        let mut fields = vec![
            ("AUTH_ID", opened.access.clone()),
            ("AUTH_EXPIRES", ACCESS_LIFE_S.to_string()),
            ("REFRESH_ID", opened.refresh.clone()),
            ("SERVER_ENDPOINT", self.server_endpoint()),
            ("APPLICATION_TOKEN", state.installs[&card.client_id].application_token.clone()),
            ("APPLICATION_SCOPE", card.scope.join(",")),
            ("member_id", self.member_id().to_owned()),
            ("status", self.status_letter(&card.client_id).to_owned()),
            ("PLACEMENT", opened.placement.clone()),
        ];
        if opened.options.as_object().is_some_and(|options| !options.is_empty()) {
            fields.push(("PLACEMENT_OPTIONS", opened.options.to_string()));
        }
        let domain = state.domain.clone();
        let mark = if handler.contains('?') { '&' } else { '?' };
        let url = format!(
            "{handler}{mark}DOMAIN={}&PROTOCOL=0&LANG={}&APP_SID={sid}",
            url::form_urlencoded::byte_serialize(domain.as_bytes()).collect::<String>(),
            opened.lang,
        );
        state.frames.insert(sid.clone(), opened);
        FrameForm {
            url,
            fields: fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            window_name: format!("{domain}|0|{sid}"),
            app_sid: sid,
        }
    }

    /// What the portal does for a command of the page inside the frame. Commands that belong to the page around it
    /// (sizes, titles, sliders) are not known here.
    pub fn bridge(&self, app_sid: &str, command: &str, params: &Value) -> Result<Value, String> {
        let opened = self.read(|state| state.frames.get(app_sid).cloned());
        let opened = opened.ok_or("unknown frame")?;
        match command {
            "getInitData" => Ok(self.init_data(&opened)),
            "refreshAuth" => Ok(self.refresh_frame(app_sid, &opened)),
            "setInstallFinish" => match self.finish_install(opened.user, &opened.client_id) {
                Ok(()) => Ok(json!({"result": true})),
                Err(_) => Err("access denied".to_owned()),
            },
            "setUserOption" | "setAppOption" => self.set_option(command, &opened, params),
            "openPath" => open_path(params),
            _ => Err("unknown command".to_owned()),
        }
    }

    fn init_data(&self, opened: &Opened) -> Value {
        let admin = self.read(|state| state.is_admin(opened.user));
        json!({
            "LANG": opened.lang,
            "DOMAIN": self.domain(),
            "PROTOCOL": 0,
            "PATH": "/rest",
            "AUTH_ID": opened.access,
            "AUTH_EXPIRES": ACCESS_LIFE_S,
            "REFRESH_ID": opened.refresh,
            "MEMBER_ID": self.member_id(),
            "FIRST_RUN": opened.install,
            "IS_ADMIN": admin,
            "INSTALL": opened.install,
            "USER_OPTIONS": self.user_options(&opened.client_id, opened.user),
            "APP_OPTIONS": self.app_options(&opened.client_id),
            "PLACEMENT": opened.placement,
            "PLACEMENT_OPTIONS": opened.options.to_string(),
        })
    }

    fn refresh_frame(&self, app_sid: &str, opened: &Opened) -> Value {
        let tokens = self.world().oauth.issue(self.member_id(), &opened.client_id, opened.user);
        let answer = json!({"AUTH_ID": tokens.access, "AUTH_EXPIRES": ACCESS_LIFE_S, "REFRESH_ID": tokens.refresh});
        self.change(|state| {
            if let Some(frame) = state.frames.get_mut(app_sid) {
                frame.access = tokens.access;
                frame.refresh = tokens.refresh;
            }
        });
        answer
    }

    fn set_option(&self, command: &str, opened: &Opened, params: &Value) -> Result<Value, String> {
        let name = params.get("name").and_then(Value::as_str).ok_or("no name")?;
        let value = params.get("value").cloned().unwrap_or(Value::Null);
        let new = Map::from_iter([(name.to_owned(), value)]);
        if command == "setUserOption" {
            self.set_user_options(&opened.client_id, opened.user, &new);
            return Ok(Value::Object(self.user_options(&opened.client_id, opened.user)));
        }
        if !self.read(|state| state.is_admin(opened.user)) {
            return Err("access denied".to_owned());
        }
        self.set_app_options(&opened.client_id, &new);
        Ok(Value::Object(self.app_options(&opened.client_id)))
    }
}

/// Which application a screen belongs to, and the handler that is bound for it (none for the application's own page).
fn target(state: &State, screen: &Screen<'_>) -> Option<(String, Option<String>)> {
    let option = |key: &str| screen.options.get(key).and_then(Value::as_str).unwrap_or("");
    let any = || state.installs.values().find(|install| install.active).map(|install| install.client_id.clone());
    match screen.placement {
        "DEFAULT" => any().map(|client_id| (client_id, None)),
        "SETTING_CONNECTOR" => match state.connectors.get(&option("CONNECTOR").to_lowercase()) {
            Some(connector) => Some((connector.client_id.clone(), Some(connector.handler.clone()))),
            None => waiting(state),
        },
        "BIZPROC_ACTIVITY_PROPERTIES_DIALOG" => {
            let robot = state.robots.values().find(|robot| robot.code == option("code"));
            robot
                .and_then(|robot| Some((robot.client_id.clone(), Some(robot.placement_handler.clone()?))))
                .or_else(|| waiting(state))
        }
        _ => {
            let is_it = |bound: &&Placement| {
                bound.placement == screen.placement && screen.binding.is_none_or(|id| id == bound.id)
            };
            let bound = state.placements.iter().find(is_it);
            bound.map(|bound| (bound.client_id.clone(), Some(bound.handler.clone()))).or_else(|| waiting(state))
        }
    }
}

/// An application that waits for its wizard: whatever is opened leads there.
fn waiting(state: &State) -> Option<(String, Option<String>)> {
    let install = state.installs.values().find(|install| install.active && !install.installed)?;
    Some((install.client_id.clone(), None))
}

/// Adds what the portal itself puts into the options of each screen.
fn full_options(state: &State, screen: &Screen<'_>) -> Value {
    let mut full = screen.options.as_object().cloned().unwrap_or_default();
    match screen.placement {
        "DEFAULT" => {}
        "SETTING_CONNECTOR" => connector_options(state, &mut full),
        "CONTACT_CENTER" => {
            let id = state.placements.iter().find(|bound| bound.placement == screen.placement).map(|bound| bound.id);
            full.insert("ID".to_owned(), json!(id.unwrap_or(0).to_string()));
            full.entry("URI").or_insert_with(|| json!("/contact_center/"));
        }
        _ => {
            full.entry("URI").or_insert_with(|| json!("/"));
        }
    }
    Value::Object(full)
}

fn connector_options(state: &State, full: &mut Map<String, Value>) {
    let text = |full: &Map<String, Value>, key: &str| match full.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    let connector = text(full, "CONNECTOR").to_lowercase();
    let line = text(full, "LINE");
    let status = line.parse().ok().and_then(|line| state.statuses.get(&(connector.clone(), line)));
    let status = status.cloned().unwrap_or_default();
    full.insert("URI".to_owned(), json!(format!("/contact_center/connector/?ID={connector}&IFRAME=Y")));
    full.insert("CONNECTOR".to_owned(), json!(connector));
    full.insert("LINE".to_owned(), json!(line));
    full.insert("STATUS".to_owned(), json!(status.works()));
    full.insert("ACTIVE_STATUS".to_owned(), json!(status.active));
    full.insert("CONNECTION_STATUS".to_owned(), json!(status.connection));
    full.insert("REGISTER_STATUS".to_owned(), json!(status.register));
    full.insert("ERROR_STATUS".to_owned(), json!(status.error));
}

/// The portal opens only a few of its own paths for applications.
fn open_path(params: &Value) -> Result<Value, String> {
    let path = params.get("path").and_then(Value::as_str).or_else(|| params.as_str()).unwrap_or("");
    let allowed = ["/crm/deal/", "/crm/lead/", "/crm/contact/", "/crm/company/", "/crm/type/", "/marketplace/"];
    let numbered = |prefix: &str| {
        path.strip_prefix(prefix).is_some_and(|rest| {
            let id = rest.trim_end_matches('/');
            !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    let known = allowed.iter().any(|prefix| path.starts_with(prefix))
        || numbered("/company/personal/user/")
        || numbered("/workgroups/group/");
    if known { Ok(json!({"path": path})) } else { Ok(json!({"result": "error", "errorCode": "PATH_NOT_AVAILABLE"})) }
}
