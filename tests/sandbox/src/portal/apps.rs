//! Applications in the portal: adding, installing, updating, removing.

use serde_json::{Map, Value, json};

use super::{Binding, Counter, Install, Portal, State, UserId, application_token, events::Event};
use crate::oauth::{AppCard, AppKind};

/// What kept an act from happening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotDone {
    UnknownApp,
    NotAdmin,
}

impl Portal {
    /// An administrator adds the application: from the Market, or as a local one.
    ///
    /// An application with pages and an install address waits for its wizard (`INSTALLED=N`). One without pages is
    /// installed at once and hears `ONAPPINSTALL` once, at its install address. One without an install address is
    /// installed at once and hears nothing.
    pub fn adds_app(&self, client_id: &str) {
        self.add_app(self.admin(), client_id).expect("the application is published");
    }

    pub(crate) fn add_app(&self, user: UserId, client_id: &str) -> Result<(), NotDone> {
        let card = self.world().oauth.app(client_id).ok_or(NotDone::UnknownApp)?;
        self.change(|state| {
            if !state.is_admin(user) {
                return Err(NotDone::NotAdmin);
            }
            let waits = card.app_url.is_some() && card.install_url.is_some();
            let token = application_token(self.member_id(), client_id, &card.client_secret);
            let local_id = state.installs.get(client_id).map(|install| install.local_id);
            let local_id = local_id.unwrap_or_else(|| state.next_id(Counter::App));
            let kept = state.installs.remove(client_id);
            let (options, user_options) = kept.map(|old| (old.options, old.user_options)).unwrap_or_default();
            state.installs.insert(
                client_id.to_owned(),
                Install {
                    local_id,
                    client_id: client_id.to_owned(),
                    active: true,
                    installed: !waits,
                    application_token: token,
                    options,
                    user_options,
                },
            );
            if card.app_url.is_none()
                && let Some(handler) = &card.install_url
            {
                let id = state.next_id(Counter::Handler);
                state.bindings.push(Binding {
                    id,
                    client_id: client_id.to_owned(),
                    event: "ONAPPINSTALL".to_owned(),
                    handler: handler.clone(),
                    auth_type: user,
                    offline: false,
                });
                self.says_installed(state, &card, user);
            }
            Ok(())
        })
    }

    fn says_installed(&self, state: &State, card: &AppCard, user: UserId) {
        let event = Event {
            name: "ONAPPINSTALL",
            data: json!({
                "VERSION": card.version.to_string(),
                "ACTIVE": "Y",
                "INSTALLED": "Y",
                "LANGUAGE_ID": state.lang,
            }),
            actor: Some(user),
            only: Some(&card.client_id),
        };
        self.emit(state, &event);
    }

    /// The wizard calls `installFinish` in the user's browser. Nothing happens unless he is an administrator and the
    /// application waits for it. Gives whether the application is installed now.
    pub fn finishes_install(&self, user: UserId) -> bool {
        let waiting = self.read(|state| {
            state.installs.values().find(|install| install.active && !install.installed).map(|it| it.client_id.clone())
        });
        waiting.is_some_and(|client_id| self.finish_install(user, &client_id).is_ok())
    }

    pub(crate) fn finish_install(&self, user: UserId, client_id: &str) -> Result<(), NotDone> {
        let card = self.world().oauth.app(client_id).ok_or(NotDone::UnknownApp)?;
        self.change(|state| {
            if !state.is_admin(user) {
                return Err(NotDone::NotAdmin);
            }
            let install = state.installs.get_mut(client_id).ok_or(NotDone::UnknownApp)?;
            if !install.installed {
                install.installed = true;
                self.says_installed(state, &card, user);
            }
            Ok(())
        })
    }

    /// The vendor's new version arrives: events, placements and robots are dropped, connectors of an application that
    /// waits for its wizard again are unregistered, and nothing tells the application.
    pub fn updates_app(&self, client_id: &str) {
        let Some(card) = self.world().oauth.app(client_id) else {
            return;
        };
        let waits = card.app_url.is_some() && card.install_url.is_some();
        self.change(|state| {
            if let Some(install) = state.installs.get_mut(client_id) {
                install.installed = !waits;
            }
            forget(state, client_id);
        });
    }

    /// An administrator removes the only application of the portal, with or without its data.
    pub fn uninstalls(&self, clean: bool) {
        let client_id = self.read(|state| {
            state.installs.values().find(|install| install.active).map(|install| install.client_id.clone())
        });
        if let Some(client_id) = client_id {
            self.uninstall_app(self.admin(), &client_id, clean).expect("an administrator removes it");
        }
    }

    pub(crate) fn uninstall_app(&self, user: UserId, client_id: &str, clean: bool) -> Result<(), NotDone> {
        let card = self.world().oauth.app(client_id).ok_or(NotDone::UnknownApp)?;
        // Deleting a local application always takes its data along.
        let clean = clean || card.kind == AppKind::Local;
        self.change(|state| {
            if !state.is_admin(user) {
                return Err(NotDone::NotAdmin);
            }
            if !state.installs.get(client_id).is_some_and(|install| install.active) {
                return Err(NotDone::UnknownApp);
            }
            let event = Event {
                name: "ONAPPUNINSTALL",
                data: json!({"LANGUAGE_ID": state.lang, "CLEAN": if clean { "1" } else { "0" }}),
                actor: None,
                only: Some(client_id),
            };
            self.emit(state, &event);
            forget(state, client_id);
            if let Some(install) = state.installs.get_mut(client_id) {
                install.active = false;
                install.installed = false;
                if clean {
                    install.options = Map::new();
                    install.user_options = Vec::new();
                }
            }
            Ok(())
        })?;
        self.world().oauth.revoke(self.member_id(), client_id);
        Ok(())
    }

    /// The application's row exists and is active.
    pub(crate) fn has_app(&self, client_id: &str) -> bool {
        self.read(|state| state.installs.get(client_id).is_some_and(|install| install.active))
    }

    pub(crate) fn app_is_installed(&self, client_id: &str) -> bool {
        self.read(|state| state.installs.get(client_id).is_some_and(|install| install.active && install.installed))
    }

    /// The only application's install row, if one was ever added.
    pub fn app(&self) -> Option<Install> {
        self.read(|state| state.installs.values().next().cloned())
    }

    /// The only application's token for events; empty while no application was added.
    pub fn application_token(&self) -> String {
        self.app().map(|install| install.application_token).unwrap_or_default()
    }

    /// `L` for a local application, `F` for one of the Market (this one costs nothing).
    pub(crate) fn status_letter(&self, client_id: &str) -> &'static str {
        match self.world().oauth.app(client_id) {
            Some(card) if card.kind == AppKind::Local => "L",
            _ => "F",
        }
    }

    pub(crate) fn user_options(&self, client_id: &str, user: UserId) -> Map<String, Value> {
        self.read(|state| {
            let install = state.installs.get(client_id)?;
            install.user_options.iter().find(|(of, _)| *of == user).map(|(_, options)| options.clone())
        })
        .unwrap_or_default()
    }

    pub(crate) fn app_options(&self, client_id: &str) -> Map<String, Value> {
        self.read(|state| state.installs.get(client_id).map(|install| install.options.clone())).unwrap_or_default()
    }

    pub(crate) fn set_user_options(&self, client_id: &str, user: UserId, new: &Map<String, Value>) {
        self.change(|state| {
            let Some(install) = state.installs.get_mut(client_id) else {
                return;
            };
            let new = new.clone();
            match install.user_options.iter_mut().find(|(of, _)| *of == user) {
                Some((_, options)) => options.extend(new),
                None => install.user_options.push((user, new)),
            }
        });
    }

    pub(crate) fn set_app_options(&self, client_id: &str, new: &Map<String, Value>) {
        self.change(|state| {
            if let Some(install) = state.installs.get_mut(client_id) {
                install.options.extend(new.clone());
            }
        });
    }
}

/// Drops what an application has registered. Robots on stages stay where they are, dead.
fn forget(state: &mut State, client_id: &str) {
    state.bindings.retain(|binding| binding.client_id != client_id);
    state.placements.retain(|placement| placement.client_id != client_id);
    state.robots.retain(|(owner, _), _| owner != client_id);
    state.senders.retain(|sender| sender.client_id != client_id);
    let connectors: Vec<String> = state
        .connectors
        .values()
        .filter(|connector| connector.client_id == client_id)
        .map(|connector| connector.id.clone())
        .collect();
    state.connectors.retain(|id, _| !connectors.contains(id));
    state.statuses.retain(|(connector, _), _| !connectors.contains(connector));
}
