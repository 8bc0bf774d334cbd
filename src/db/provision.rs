//! What has been set up in a portal, step by step: the progress that the install page shows.

use diesel::{BoolExpressionMethods as _, ExpressionMethods as _, QueryDsl as _, RunQueryDsl as _};

use super::{Db, DbResult, on_each, schema::provision, stored_enum};
use crate::{
    clock::Millis,
    domain::ids::{InstallationId, PortalId},
};

stored_enum! {
    StepState {
        Waiting = "waiting",
        Running = "running",
        Done = "done",
        /// The portal's plan or edition does not have it: remembered, not fatal.
        Lacking = "lacking",
        Failed = "failed",
    }
}

#[derive(Clone, Debug)]
pub struct Step {
    pub name: String,
    pub state: StepState,
    /// Bitrix24's error code, or a count; never a token.
    pub detail: String,
}

impl Db {
    pub async fn step_set(&self, portal: &PortalId, id: InstallationId, step: Step, now: Millis) -> DbResult<()> {
        let portal = portal.0.clone();
        self.write(move |conn| {
            let changes = (
                provision::state.eq(step.state.text()),
                provision::detail.eq(&step.detail),
                provision::changed_at.eq(now.0),
            );
            on_each!(conn, |c| diesel::insert_into(provision::table)
                .values((
                    provision::installation_id.eq(id.0),
                    provision::step.eq(&step.name),
                    provision::portal_id.eq(&portal),
                    changes,
                ))
                .on_conflict((provision::installation_id, provision::step))
                .do_update()
                .set(changes)
                .execute(c))?;
            Ok(())
        })
        .await
    }

    pub async fn step_list(&self, portal: &PortalId, id: InstallationId) -> DbResult<Vec<Step>> {
        let portal = portal.0.clone();
        self.read(move |conn| {
            let rows: Vec<(String, String, String)> = provision::table
                .filter(provision::portal_id.eq(portal).and(provision::installation_id.eq(id.0)))
                .order(provision::step)
                .select((provision::step, provision::state, provision::detail))
                .load(conn)?;
            rows.into_iter()
                .map(|(name, state, detail)| Ok(Step { name, state: StepState::read(&state)?, detail }))
                .collect()
        })
        .await
    }
}
