//! What is set up in a portal: one idempotent routine for the installation, its repair and a changed version. "Already bound" is
//! success; what the portal's plan or permissions lack is remembered and shown, and stops nothing else.

use std::borrow::Borrow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    accounts, db_failure,
    grant::{self, Refused},
    in_step, lang_of, payload, proof, sms,
};
use crate::{
    app::App,
    b24::{
        error::Code,
        methods::{
            self,
            app::{AppInfo, Application},
            connector::Register,
            events::{BoundEvent, CARD_EVENTS, EVENTS, EventBind, EventGet, EventUnbind},
            open_lines::ConfigListGet,
            placement::PlacementBind,
            robots::{RobotAdd, RobotUpdate},
        },
        values::Done,
    },
    clock::Millis,
    db::{
        DbResult, Delivery, DeliveryKind, Expansion, Installation, InstallationState, Lane, NewDelivery, Settled, Step,
        StepState, serving,
    },
    domain::{
        connector::Connector,
        failure::{Failure, Retry},
        ids::{InstallationId, PortalId},
    },
};

#[derive(Serialize, Deserialize)]
struct Wanted {
    installation: InstallationId,
    /// None: all of it.
    #[serde(default)]
    only: Option<Part>,
}

/// The parts of the work, in its order; the page shows each by this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    Access,
    Events,
    Connectors,
    Placements,
    Robots,
}

impl Part {
    pub const ALL: [Self; 5] = [Self::Access, Self::Events, Self::Connectors, Self::Placements, Self::Robots];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Events => "events",
            Self::Connectors => "connectors",
            Self::Placements => "placements",
            Self::Robots => "robots",
        }
    }
}

/// How a part went.
enum Went {
    Well(String),
    /// The portal does not have it, or does not let us.
    Lacking(String),
}

impl Went {
    fn lacking<S: Borrow<str>>(lacking: &[S], otherwise: impl Into<String>) -> Self {
        if lacking.is_empty() { Self::Well(otherwise.into()) } else { Self::Lacking(lacking.join(", ")) }
    }
}

fn delivery(wanted: &Wanted, due_at: Millis) -> NewDelivery {
    NewDelivery::new(Lane::Installation(wanted.installation), DeliveryKind::Provision, due_at).payload(wanted).urgent()
}

pub fn expand(installation: InstallationId, now: Millis) -> Expansion {
    let wanted = Wanted { installation, only: None };
    Expansion { relevant: true, deliveries: vec![delivery(&wanted, now)], ..Expansion::default() }
}

/// Has the work done, unless it is about to be done already: what waits for another try is tried now. Answers at once.
pub async fn begin(app: &App, portal: &PortalId, installation: InstallationId) -> DbResult<()> {
    let now = app.clock.now();
    let lane = Lane::Installation(installation);
    if !app.db.delivery_hasten(portal, lane, now).await? {
        for part in Part::ALL {
            let step = Step { name: part.name().into(), state: StepState::Waiting, detail: String::new() };
            app.db.step_set(portal, installation, step, now).await?;
        }
        app.db.delivery_add(portal, delivery(&Wanted { installation, only: None }, now), now).await?;
    }
    app.bell.ring();
    Ok(())
}

/// Has the robots' lists of channels and Open Channels brought up to date.
pub async fn refresh_robots(app: &App, portal: &PortalId, installation: InstallationId) -> DbResult<()> {
    let (now, wanted) = (app.clock.now(), Wanted { installation, only: Some(Part::Robots) });
    app.db.delivery_add(portal, delivery(&wanted, now), now).await?;
    app.bell.ring();
    Ok(())
}

pub async fn deliver(app: &App, delivery: &Delivery) -> Result<Settled, Failure> {
    let wanted: Wanted = payload(delivery)?;
    let installation = app.db.installation_get(&delivery.portal, wanted.installation).await.map_err(db_failure)?;
    let Some(installation) = installation.filter(|known| known.state != InstallationState::Stopped) else {
        return Ok(Settled::done());
    };
    for part in Part::ALL.into_iter().filter(|part| wanted.only.is_none_or(|only| only == *part)) {
        note(app, &installation, part, StepState::Running, String::new()).await?;
        match work(app, &installation, part).await {
            Ok(Went::Well(detail)) => note(app, &installation, part, StepState::Done, detail).await?,
            Ok(Went::Lacking(detail)) => note(app, &installation, part, StepState::Lacking, detail).await?,
            Err(refused) => {
                let detail =
                    refused.portal().map_or_else(|| refused.to_string(), |error| error.code.as_str().to_owned());
                note(app, &installation, part, StepState::Failed, detail).await?;
                return Err(refused.into());
            }
        }
    }
    Ok(Settled::done())
}

async fn note(
    app: &App,
    installation: &Installation,
    part: Part,
    state: StepState,
    detail: String,
) -> Result<(), Failure> {
    let step = Step { name: part.name().into(), state, detail };
    app.db.step_set(&installation.portal, installation.id, step, app.clock.now()).await.map_err(db_failure)
}

async fn work(app: &App, installation: &Installation, part: Part) -> Result<Went, Refused> {
    match part {
        Part::Access => access(app, installation).await,
        Part::Events => events(app, installation).await,
        Part::Connectors => connectors(app, installation).await,
        Part::Placements => placements(app, installation).await,
        Part::Robots => robots(app, installation).await,
    }
}

/// Is the token good, does it carry every right, does the portal deliver events to us already?
async fn access(app: &App, installation: &Installation) -> Result<Went, Refused> {
    look(app, installation).await?;
    let missing: Vec<&str> =
        methods::scopes().into_iter().filter(|scope| !installation.scope.split(',').any(|own| own == *scope)).collect();
    Ok(Went::lacking(&missing, ""))
}

/// Looks whether the portal knows the installation as finished, and has the application token confirmed.
pub async fn check(app: &App, installation: &Installation) -> Result<Application, Refused> {
    let info = look(app, installation).await?;
    if info.installed {
        confirm(app, installation).await?;
    }
    Ok(info)
}

async fn look(app: &App, installation: &Installation) -> Result<Application, Refused> {
    let info = grant::call(app, installation, &AppInfo {}).await?;
    if info.installed && installation.state == InstallationState::Installing {
        let active = InstallationState::Active;
        app.db.installation_set_state(&installation.portal, installation.id, active, app.clock.now()).await?;
    }
    Ok(info)
}

/// Asks for the event that brings the true application token, unless it has come. An installation that is not finished gets no
/// events, so the question costs nothing and is asked again when the application's page opens.
async fn confirm(app: &App, installation: &Installation) -> Result<(), Refused> {
    let known = app.db.installation_get(&installation.portal, installation.id).await?;
    match known.filter(|known| known.state == InstallationState::Active && !known.token_confirmed) {
        Some(unconfirmed) => proof::ask_for_token(app, &unconfirmed).await,
        None => Ok(()),
    }
}

/// The address of one of our handlers; several applications of one server have their own.
pub fn handler(app: &App, installation: &Installation, path: &str) -> String {
    let key = app.config.application(&installation.client_id).map_or("", |application| application.key.as_str());
    if key.is_empty() { app.config.own_url(path) } else { app.config.own_url(&format!("{path}/{key}")) }
}

async fn events(app: &App, installation: &Installation) -> Result<Went, Refused> {
    let lacking = bind(app, installation).await?;
    confirm(app, installation).await?;
    Ok(Went::lacking(&lacking, EVENTS.len().to_string()))
}

/// Has the portal tell of the CRM cards that a connection follows, and of no others: there are many. Gives what the portal lacks.
pub(super) async fn card_events(app: &App, installation: &Installation) -> Result<Vec<&'static str>, Refused> {
    let lacking = bind(app, installation).await?;
    Ok(lacking.into_iter().filter(|event| CARD_EVENTS.iter().any(|(known, _)| known == event)).collect())
}

/// Makes the portal's list of our events what it should be. Gives those that it does not have.
async fn bind(app: &App, installation: &Installation) -> Result<Vec<&'static str>, Refused> {
    let handler = handler(app, installation, "/b24/events");
    let followed = in_step::followed(&app.db.binding_list(&installation.portal).await?, installation.id);
    let cards = CARD_EVENTS.iter().filter(|(_, kind)| followed.contains(kind)).map(|(event, _)| *event);
    let wanted: Vec<&'static str> = EVENTS.iter().copied().chain(cards).collect();
    let bound = grant::call_in_setup(app, installation, &EventGet {}).await?.0;
    // A handler of an older address would have every message sent twice.
    let is_wanted =
        |own: &BoundEvent| own.handler == handler && wanted.iter().any(|event| own.event.eq_ignore_ascii_case(event));
    for old in bound.iter().filter(|old| !old.offline && !is_wanted(old)) {
        let unbind = EventUnbind { event: &old.event, handler: &old.handler, auth_type: old.auth_type };
        grant::call_in_setup(app, installation, &unbind).await?;
    }
    let mut lacking = Vec::new();
    for event in wanted {
        let known = bound.iter().any(|own| own.event.eq_ignore_ascii_case(event) && own.handler == handler);
        if known {
            continue;
        }
        let bind = EventBind { event, handler: &handler, auth_type: None };
        if !allowed(grant::call_in_setup(app, installation, &bind).await)? {
            lacking.push(event);
        }
    }
    Ok(lacking)
}

/// True when done or done before, false when the portal does not have it or does not let us, today and tomorrow: what one
/// part lacks must not stop the others.
pub(super) fn allowed(done: Result<Done, Refused>) -> Result<bool, Refused> {
    match done {
        Ok(_done) => Ok(true),
        Err(Refused::Portal(error)) if error.is_already_bound() => Ok(true),
        Err(refused) if is_lacking(&refused) => Ok(false),
        Err(other) => Err(other),
    }
}

/// Whether the portal does not have something, or does not let us, today and tomorrow.
pub(super) fn is_lacking(refused: &Refused) -> bool {
    refused.portal().is_some_and(|error| {
        let is_final = !error.is_right_lost() && error.to_failure().retry == Retry::Never;
        error.code == Code::InsufficientScope || is_final
    })
}

async fn connectors(app: &App, installation: &Installation) -> Result<Went, Refused> {
    let handler = app.config.own_url("/b24/placements/connector");
    let mut lacking = Vec::new();
    let mut count = 0;
    for connector in app.connectors() {
        let known = Connector::from_id(&connector.id);
        let client_deletes = known.is_some_and(|known| app.capabilities_of(known).any(|can| can.client_delete));
        let registration = placements::connectors::registration(connector, &handler, client_deletes);
        if allowed(grant::call_in_setup(app, installation, &Register(&registration)).await)? {
            count += 1;
        } else {
            lacking.push(connector.id.as_str());
        }
    }
    accounts::repair(app, installation).await?;
    Ok(Went::lacking(&lacking, count.to_string()))
}

async fn placements(app: &App, installation: &Installation) -> Result<Went, Refused> {
    let mut lacking = Vec::new();
    let mut count = 0;
    for placement in placements::all() {
        let handler = app.config.own_url(&placement.manifest.route);
        for binding in placements::bindings(&placement.manifest, &handler) {
            if allowed(grant::call_in_setup(app, installation, &PlacementBind(&binding)).await)? {
                count += 1;
            } else {
                lacking.push(binding.get("PLACEMENT").and_then(Value::as_str).unwrap_or_default().to_owned());
            }
        }
    }
    Ok(Went::lacking(&lacking, count.to_string()))
}

/// Robots, and the channels that are SMS providers: what the portal's automation offers.
async fn robots(app: &App, installation: &Installation) -> Result<Went, Refused> {
    let (options, lang, user) = robot_options(app, installation).await?;
    let mut lacking = Vec::new();
    for robot in robots::all() {
        let url = app.config.own_url(&format!("/b24/robots/{}", robot.manifest.code));
        let handler = robots::Handler { url: &url, user_id: user, language: &lang, options: &options };
        let add = robots::registration(&robot.manifest, &handler);
        let added = match grant::call_in_setup(app, installation, &RobotAdd(&add)).await {
            Err(Refused::Portal(error)) if error.is_already_bound() => {
                let update = robots::registration_update(&robot.manifest, &handler);
                grant::call_in_setup(app, installation, &RobotUpdate(&update)).await
            }
            other => other,
        };
        if !allowed(added)? {
            lacking.push(robot.manifest.code.clone());
        }
    }
    lacking.extend(sms::senders(app, installation).await?);
    Ok(Went::lacking(&lacking, robots::all().len().to_string()))
}

/// What the robots' select fields offer in this portal.
async fn robot_options(
    app: &App,
    installation: &Installation,
) -> Result<(robots::PortalOptions, String, u64), Refused> {
    let portal = &installation.portal;
    let lang = lang_of(app, portal).await?;
    let user = app.db.grant_get(portal, installation.id).await?.map_or(0, |grant| grant.user);
    let bindings = app.db.binding_list(portal).await?;
    let channels = app.db.channel_list(portal).await?;
    // Robots write to people: where groups alone are shown, their answers would be lost.
    let connected = channels.into_iter().filter(|channel| serving(&bindings, &channel.id, false).is_some());
    let lines = grant::call_in_setup(app, installation, &ConfigListGet::page(0)).await?.0;
    let options = robots::PortalOptions {
        channels: connected
            .map(|channel| robots::PortalOption {
                label: format!("{} · {}", channel.connector.title(), channel.title),
                key: channel.id.0,
            })
            .collect(),
        lines: lines
            .into_iter()
            .filter_map(|line| Some(robots::PortalOption { key: line.id?.to_string(), label: line.line_name }))
            .collect(),
    };
    Ok((options, lang, u64::try_from(user).unwrap_or(0)))
}
