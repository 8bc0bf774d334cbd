//! Runs: one firing of a robot each.

use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable, RunQueryDsl as _};

use super::{Db, DbError, DbResult, conn::Conn, on_each, schema::run};
use crate::{
    clock::Millis,
    domain::ids::{InstallationId, PortalId, RunId},
    secret::{Secret, fingerprint},
};

/// How one recipient of a run fared.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecipientOutcome {
    Sent,
    Refused { code: String, text: String },
}

/// The recipients of a run in the order of the plan; None while the delivery is under way.
pub type Outcomes = Vec<(String, Option<RecipientOutcome>)>;

#[derive(Clone, Debug)]
pub struct Run {
    pub id: RunId,
    pub installation: InstallationId,
    pub code: String,
    token: String,
    /// Whether the process waits for an answer.
    pub waits: bool,
    /// The card as Bitrix24 names it: `DEAL_12`.
    pub document: String,
    pub outcomes: Outcomes,
    /// Whether the result goes into the card as a comment.
    pub comment: bool,
}

#[derive(Clone, Debug)]
pub struct NewRun {
    pub installation: InstallationId,
    pub code: String,
    pub token_sealed: String,
    pub token_hash: String,
    pub waits: bool,
    pub document: String,
    pub outcomes: Outcomes,
    pub comment: bool,
}

#[derive(Queryable)]
struct Row {
    id: i64,
    _portal_id: String,
    installation_id: i64,
    code: String,
    _token_hash: String,
    token_sealed: String,
    waits: bool,
    document: String,
    outcomes: String,
    comment: bool,
    _state: String,
    _created_at: i64,
}

fn place(portal: &PortalId) -> String {
    format!("run.token/{portal}")
}

fn read_outcomes(text: &str) -> DbResult<Outcomes> {
    serde_json::from_str(text).map_err(|error| DbError::Corrupt(format!("run outcomes: {error}")))
}

fn write_outcomes(outcomes: &Outcomes) -> DbResult<String> {
    serde_json::to_string(outcomes).map_err(|error| DbError::Corrupt(error.to_string()))
}

impl TryFrom<Row> for Run {
    type Error = DbError;

    fn try_from(row: Row) -> DbResult<Self> {
        Ok(Self {
            id: RunId(row.id),
            installation: InstallationId(row.installation_id),
            code: row.code,
            token: row.token_sealed,
            waits: row.waits,
            document: row.document,
            outcomes: read_outcomes(&row.outcomes)?,
            comment: row.comment,
        })
    }
}

/// None when this firing was seen before.
pub(super) fn insert(conn: &mut Conn, portal: &str, new: &NewRun, now: Millis) -> DbResult<Option<RunId>> {
    let outcomes = write_outcomes(&new.outcomes)?;
    let id: Option<i64> = on_each!(conn, |c| diesel::insert_into(run::table)
        .values((
            run::portal_id.eq(portal),
            run::installation_id.eq(new.installation.0),
            run::code.eq(&new.code),
            run::token_hash.eq(&new.token_hash),
            run::token_sealed.eq(&new.token_sealed),
            run::waits.eq(new.waits),
            run::document.eq(&new.document),
            run::outcomes.eq(&outcomes),
            run::comment.eq(new.comment),
            run::state.eq("running"),
            run::created_at.eq(now.0),
        ))
        .on_conflict((run::portal_id, run::token_hash))
        .do_nothing()
        .returning(run::id)
        .get_result(c)
        .optional())?;
    Ok(id.map(RunId))
}

/// Writes one recipient's outcome; true when it was the last one missing.
pub(super) fn record(
    conn: &mut Conn,
    portal: &str,
    (id, index): (RunId, usize),
    outcome: RecipientOutcome,
) -> DbResult<bool> {
    let own = run::table.find(id.0).filter(run::portal_id.eq(portal.to_owned()));
    let text: String = own.clone().select(run::outcomes).first(conn)?;
    let mut outcomes = read_outcomes(&text)?;
    if let Some((_address, slot)) = outcomes.get_mut(index) {
        *slot = Some(outcome);
    }
    let complete = outcomes.iter().all(|(_address, slot)| slot.is_some());
    diesel::update(own)
        .set((
            run::outcomes.eq(write_outcomes(&outcomes)?),
            run::state.eq(if complete { "decided" } else { "running" }),
        ))
        .execute(conn)?;
    Ok(complete)
}

impl Db {
    /// Seals an event token, which is as good as a password for that step, and names it for recognising repeats.
    pub fn run_seal(&self, portal: &PortalId, token: &str) -> DbResult<(String, String)> {
        Ok((self.keys.seal(&place(portal), &Secret::new(token))?, fingerprint(token)))
    }

    pub fn run_token(&self, portal: &PortalId, run: &Run) -> DbResult<Secret> {
        Ok(self.keys.open(&place(portal), &run.token)?)
    }

    pub async fn run_get(&self, portal: &PortalId, id: RunId) -> DbResult<Option<Run>> {
        let portal = portal.0.clone();
        self.read(move |conn| {
            let own = run::table.find(id.0).filter(run::portal_id.eq(portal));
            own.first::<Row>(conn).optional()?.map(Run::try_from).transpose()
        })
        .await
    }
}
