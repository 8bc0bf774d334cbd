//! Automation: robots on the stages of deals, their firings and answers.

use serde_json::{Map, Value, json};

use super::{
    CardKind, CardRef, Counter, Placed, Portal, Robot, State, Step, StepState, UserId, expressions, rest::RestError,
};
use crate::{form, random_hex};

/// The row of a running process is written only when its first run is over; an answer that comes earlier finds nothing.
const UNSAVED_MS: i64 = 2000;

impl Portal {
    /// The robots that applications have registered.
    pub fn robots(&self) -> Vec<Robot> {
        self.read(|state| state.robots.values().cloned().collect())
    }

    /// Someone puts a robot on a stage of deals. Expressions may be written as people pick them. `None`: no such robot.
    pub fn places_robot(&self, stage: &str, code: &str, properties: &Value) -> Option<i64> {
        self.change(|state| {
            let robot = state.robots.values().find(|robot| robot.code == code)?.clone();
            let id = state.next(Counter::Placed);
            state.placed.push(Placed {
                id,
                stage: stage.to_owned(),
                client_id: robot.client_id.clone(),
                code: code.to_owned(),
                properties: saved_properties(&robot, properties),
                use_subscription: robot.use_subscription,
                auth_user: robot.auth_user,
            });
            Some(id)
        })
    }

    /// Takes a robot off its stage.
    pub fn removes_robot(&self, placed: i64) {
        self.change(|state| state.placed.retain(|it| it.id != placed));
    }

    /// A deal goes to a stage: what still runs for it is ended, and the robots of the stage fire.
    pub fn moves_stage(&self, at: CardRef, stage: &str) -> bool {
        self.change(|state| {
            let Some(card) = state.cards.get_mut(&at) else {
                return false;
            };
            stage.clone_into(&mut card.stage);
            self.tells_card(state, at, "UPDATE");
            for step in state.steps.iter_mut().filter(|step| step.card == at && step.state == StepState::Waiting) {
                step.state = StepState::Terminated;
            }
            if at.kind == CardKind::Deal {
                let workflow = format!("{}.{:08}", random_hex(7), self.now_ms().rem_euclid(100_000_000));
                let due: Vec<Placed> = state.placed.iter().filter(|placed| placed.stage == stage).cloned().collect();
                for placed in due {
                    self.fire(state, at, &workflow, &placed);
                }
            }
            true
        })
    }

    /// Firings, oldest first.
    pub fn workflows(&self) -> Vec<Step> {
        self.read(|state| state.steps.clone())
    }

    fn fire(&self, state: &mut State, at: CardRef, workflow: &str, placed: &Placed) {
        let robot = state.robots.get(&(placed.client_id.clone(), placed.code.clone())).cloned();
        let ready = state.installs.get(&placed.client_id).is_some_and(|it| it.active && it.installed);
        let waits = placed.use_subscription == "Y";
        let bare = format!("{workflow}|A{0}_{0}|{1}", placed.id, random_hex(16));
        let token = format!("{bare}.{}", self.sign(&bare));
        let step_state = match (&robot, ready) {
            (Some(_), true) if waits => StepState::Waiting,
            (Some(_), true) => StepState::Done,
            _ => StepState::Failed,
        };
        if let Some(robot) = robot.filter(|_| ready) {
            let body = self.firing(state, at, placed, (workflow, &token));
            self.post(&format!("ROBOT {}", robot.code), &robot.handler, form::pairs(&body));
        }
        state.steps.push(Step {
            workflow: workflow.to_owned(),
            card: at,
            code: placed.code.clone(),
            client_id: placed.client_id.clone(),
            token,
            state: step_state,
            started_ms: self.now_ms(),
            returned: Map::new(),
            log: Vec::new(),
        });
    }

    fn firing(&self, state: &State, at: CardRef, placed: &Placed, (workflow, token): (&str, &str)) -> Value {
        let properties: Map<String, Value> =
            placed.properties.iter().map(|(key, value)| (key.clone(), evaluated(state, at, value))).collect();
        let mut auth = self.auth(state, &placed.client_id, Some(placed.auth_user), true);
        if let Value::Object(auth) = &mut auth {
            auth.insert("WORKFLOW_ID".to_owned(), json!(workflow));
            auth.insert("ACTIVITY_NAME".to_owned(), json!(format!("A{0}_{0}", placed.id)));
            auth.insert("CODE".to_owned(), json!(placed.code));
        }
        let kind = at.kind.name().to_uppercase();
        let class = format!("CCrmDocument{}{}", &kind[..1], kind[1..].to_lowercase());
        json!({
            "workflow_id": workflow,
            "code": placed.code,
            "document_id": ["crm", class, format!("{kind}_{}", at.id)],
            "document_type": ["crm", class, kind],
            "event_token": token,
            "properties": properties,
            "use_subscription": placed.use_subscription,
            "timeout_duration": 0,
            "ts": self.world().clock.now_s(),
            "auth": auth,
        })
    }

    /// `bizproc.event.send`: closes a waiting step.
    pub(super) fn answers_robot(&self, token: &str, values: &Map<String, Value>, log: &str) -> Result<(), RestError> {
        self.check_token(token)?;
        let now = self.now_ms();
        self.change(|state| {
            let at = waiting_workflow(state, token, now)?;
            let declared = state
                .robots
                .get(&(state.steps[at].client_id.clone(), state.steps[at].code.clone()))
                .map(|robot| robot.returns.clone())
                .unwrap_or_default();
            let step = &mut state.steps[at];
            if step.state != StepState::Waiting {
                // A closed step of a process that still runs ignores the answer silently.
                return Ok(());
            }
            step.state = StepState::Done;
            for code in declared.keys() {
                if let Some((_, value)) = values.iter().find(|(key, _)| key.eq_ignore_ascii_case(code)) {
                    step.returned.insert(code.clone(), value.clone());
                }
            }
            if !log.is_empty() {
                step.log.push(log.to_owned());
            }
            Ok(())
        })
    }

    /// `bizproc.activity.log`: writes to the log of a step that waits.
    pub(super) fn logs_robot(&self, token: &str, log: &str) -> Result<(), RestError> {
        self.check_token(token)?;
        let now = self.now_ms();
        self.change(|state| {
            let at = waiting_workflow(state, token, now)?;
            if state.steps[at].state == StepState::Waiting {
                state.steps[at].log.push(log.to_owned());
            }
            Ok(())
        })
    }

    fn check_token(&self, token: &str) -> Result<(), RestError> {
        let genuine = token.rsplit_once('.').is_some_and(|(bare, signature)| self.signed(bare, signature));
        if genuine { Ok(()) } else { Err(RestError::new(403, "ACCESS_DENIED", "Access denied! Wrong token")) }
    }

    /// The user whose token a robot's firing carries.
    pub fn sets_robot_user(&self, placed: i64, user: UserId) {
        self.change(|state| {
            if let Some(placed) = state.placed.iter_mut().find(|it| it.id == placed) {
                placed.auth_user = user;
            }
        });
    }
}

/// The step of a token whose process is saved and still runs.
fn waiting_workflow(state: &State, token: &str, now: i64) -> Result<usize, RestError> {
    let missing = || {
        let text = state.text("Бизнес-процесс не найден", "Workflow not found");
        // The code is a number, not a string.
        RestError { code: json!(404), ..RestError::new(400, "", &text) }
    };
    let at = state.steps.iter().position(|step| step.token == token).ok_or_else(missing)?;
    let step = &state.steps[at];
    let saved = now - step.started_ms >= UNSAVED_MS;
    let runs = state.steps.iter().any(|it| it.workflow == step.workflow && it.state == StepState::Waiting);
    if saved && runs { Ok(at) } else { Err(missing()) }
}

/// Values by the codes of the registration; what is not given has its default.
fn saved_properties(robot: &Robot, given: &Value) -> Map<String, Value> {
    let mut out = Map::new();
    for (code, descriptor) in &robot.properties {
        let of = |key: &str| {
            let map = descriptor.as_object()?;
            map.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value.clone())
        };
        let value = given.get(code).cloned().or_else(|| of("Default")).unwrap_or(json!(""));
        let value = match value {
            Value::String(text) => json!(expressions::saved(&text)),
            Value::Array(items) => items
                .into_iter()
                .map(|item| item.as_str().map_or(item.clone(), |text| json!(expressions::saved(text))))
                .collect(),
            Value::Bool(yes) => json!(if yes { "Y" } else { "N" }),
            Value::Number(number) => json!(number.to_string()),
            Value::Null | Value::Object(_) => json!(""),
        };
        out.insert(code.clone(), value);
    }
    out
}

fn evaluated(state: &State, at: CardRef, value: &Value) -> Value {
    match value {
        Value::String(text) => json!(expressions::evaluated(state, at, text)),
        Value::Array(items) => items.iter().map(|item| evaluated(state, at, item)).collect(),
        other => other.clone(),
    }
}
