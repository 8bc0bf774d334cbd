//! The `ChatApp` tab of a CRM card.

use crate::{CardRef, Entity, Opening, Options, Refusal};

/// The kind of card comes from the placement's code alone: no field of the options may choose another one.
pub(crate) fn open(options: &Options) -> Result<Opening, Refusal> {
    let entity = match options.code() {
        "CRM_LEAD_DETAIL_TAB" => Entity::Lead,
        "CRM_DEAL_DETAIL_TAB" => Entity::Deal,
        "CRM_CONTACT_DETAIL_TAB" => Entity::Contact,
        "CRM_COMPANY_DETAIL_TAB" => Entity::Company,
        _ => return Err(Refusal::WrongCode),
    };
    let id = options.id("ID").ok_or(Refusal::NoCard)?;
    Ok(Opening::Card(CardRef { entity, id }))
}
