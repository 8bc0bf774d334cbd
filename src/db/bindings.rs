//! Bindings: which channel feeds which Open Channel of which installation. An account feeds one line with its messenger's connector
//! and one with that for groups, and one line takes one account per connector; the table's unique keys hold both.

use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable,
    RunQueryDsl as _,
    result::{DatabaseErrorKind, Error},
};

use super::{
    Chat, Db, DbError, DbResult,
    conn::Conn,
    schema::{binding, kept_settings},
    stored_enum,
};
use crate::{
    clock::Millis,
    domain::{
        connector::Connector,
        ids::{BindingId, ChannelId, InstallationId, PortalId},
        settings::Settings,
    },
    secret::Secret,
};

stored_enum! {
    BindingState {
        Active = "active",
        /// The line or the connector on it is switched off, or is not switched on yet.
        Off = "off",
    }
}

#[derive(Clone, Debug)]
pub struct Binding {
    pub id: BindingId,
    pub portal: PortalId,
    pub installation: InstallationId,
    pub channel: ChannelId,
    pub connector: Connector,
    pub line: i64,
    pub line_name: String,
    /// Whether this line puts the operator's name before his texts.
    pub signature: bool,
    pub state: BindingState,
    /// When the channel was connected to the line.
    pub created_at: Millis,
    pub settings: Settings,
    /// Sealed; [`Db::binding_hook_key`] opens it.
    pub hook_key: Option<String>,
}

impl Binding {
    /// Whether the client reads the operator's name before what he writes.
    pub fn shows_name(&self) -> bool {
        self.signature && self.settings.operator_name
    }
}

#[derive(Clone, Debug)]
pub struct NewBinding {
    pub state: BindingState,
    pub installation: InstallationId,
    pub channel: ChannelId,
    pub connector: Connector,
    pub line: i64,
    pub line_name: String,
    pub signature: bool,
}

#[derive(Queryable)]
struct Row {
    id: i64,
    portal_id: String,
    installation_id: i64,
    channel_id: String,
    connector: String,
    line: i64,
    line_name: String,
    signature: bool,
    state: String,
    created_at: i64,
    _changed_at: i64,
    settings: String,
    hook_key_sealed: Option<String>,
}

impl TryFrom<Row> for Binding {
    type Error = DbError;

    fn try_from(row: Row) -> DbResult<Self> {
        Ok(Self {
            id: BindingId(row.id),
            portal: PortalId(row.portal_id),
            installation: InstallationId(row.installation_id),
            channel: ChannelId(row.channel_id),
            connector: Connector::from_id(&row.connector)
                .ok_or_else(|| DbError::Corrupt(format!("binding {}: connector", row.id)))?,
            line: row.line,
            line_name: row.line_name,
            signature: row.signature,
            state: BindingState::read(&row.state)?,
            created_at: Millis(row.created_at),
            settings: serde_json::from_str(&row.settings)
                .map_err(|_other| DbError::Corrupt(format!("binding {}: settings", row.id)))?,
            hook_key: row.hook_key_sealed,
        })
    }
}

/// The binding that serves a channel's private chats, or its groups: these have a connector of their own, or else come through
/// the private one, if that is to take them in.
pub fn serving<'a>(bindings: &'a [Binding], channel: &ChannelId, is_group: bool) -> Option<&'a Binding> {
    let own = || bindings.iter().filter(|known| known.channel == *channel);
    let of = |group: bool| own().find(|known| known.connector.is_group() == group);
    if !is_group {
        return of(false);
    }
    let groups = of(true);
    let together = of(false).filter(|known| known.settings.group_messages);
    groups.filter(|known| known.state == BindingState::Active).or(together).or(groups)
}

/// The same for a channel that is connected anew.
fn hook_key_place(binding: &Binding) -> String {
    format!("binding.hook_key/{}/{}/{}", binding.portal, binding.channel, binding.connector.id())
}

/// What was chosen for a channel before it was taken off a line.
type Chosen = (String, Option<String>);

fn kept(conn: &mut Conn, portal: &str, new: &NewBinding) -> DbResult<Option<Chosen>> {
    let key = (portal, new.channel.0.as_str(), new.connector.id());
    Ok(kept_settings::table
        .find(key)
        .select((kept_settings::settings, kept_settings::hook_key_sealed))
        .first(conn)
        .optional()?)
}

fn keep(conn: &mut Conn, (portal, id): (&str, BindingId)) -> DbResult<()> {
    let own = binding::table.find(id.0).filter(binding::portal_id.eq(portal));
    let chosen: Option<(String, String, String, Option<String>)> = own
        .select((binding::channel_id, binding::connector, binding::settings, binding::hook_key_sealed))
        .first(conn)
        .optional()?;
    let Some((channel, connector, settings, hook_key)) = chosen else { return Ok(()) };
    diesel::delete(kept_settings::table.find((portal, &channel, &connector))).execute(conn)?;
    diesel::insert_into(kept_settings::table)
        .values((
            kept_settings::portal_id.eq(portal),
            kept_settings::channel_id.eq(&channel),
            kept_settings::connector.eq(&connector),
            kept_settings::settings.eq(settings),
            kept_settings::hook_key_sealed.eq(hook_key),
        ))
        .execute(conn)?;
    Ok(())
}

pub(super) fn read_all(conn: &mut Conn, portal: &str) -> DbResult<Vec<Binding>> {
    let rows: Vec<Row> = binding::table.filter(binding::portal_id.eq(portal)).order(binding::id).load(conn)?;
    rows.into_iter().map(Binding::try_from).collect()
}

impl Db {
    /// False when the line or the channel is taken already. What was chosen for the channel when it was connected last, is so again.
    pub async fn binding_add(&self, portal: &PortalId, new: NewBinding, now: Millis) -> DbResult<bool> {
        let owner = portal.0.clone();
        self.write_settings(portal, move |conn| {
            let chosen = kept(conn, &owner, &new)?;
            let of_line = binding::portal_id
                .eq(owner.clone())
                .and(binding::connector.eq(new.connector.id()))
                .and(binding::line.eq(new.line));
            let added = diesel::insert_into(binding::table)
                .values((
                    binding::portal_id.eq(owner),
                    binding::installation_id.eq(new.installation.0),
                    binding::channel_id.eq(new.channel.0),
                    binding::connector.eq(new.connector.id()),
                    binding::line.eq(new.line),
                    binding::line_name.eq(new.line_name),
                    binding::signature.eq(new.signature),
                    binding::state.eq(new.state.text()),
                    binding::created_at.eq(now.0),
                    binding::changed_at.eq(now.0),
                ))
                .execute(conn);
            match (added, chosen) {
                (Ok(_one), None) => Ok(true),
                (Ok(_one), Some((settings, hook_key))) => {
                    let chosen = (binding::settings.eq(settings), binding::hook_key_sealed.eq(hook_key));
                    diesel::update(binding::table.filter(of_line)).set(chosen).execute(conn)?;
                    Ok(true)
                }
                (Err(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)), _) => {
                    Err(DbError::Query(Error::RollbackTransaction))
                }
                (Err(error), _) => Err(error.into()),
            }
        })
        .await
        .or_else(|error| {
            if matches!(error, DbError::Query(Error::RollbackTransaction)) { Ok(false) } else { Err(error) }
        })
    }

    pub async fn binding_on_line(
        &self,
        portal: &PortalId,
        connector: Connector,
        line: i64,
    ) -> DbResult<Option<Binding>> {
        let tenant = self.tenant(portal).await?;
        Ok(tenant.bindings.iter().find(|known| known.connector == connector && known.line == line).cloned())
    }

    /// The bindings of a channel: for its private chats, for its groups, both or none.
    pub async fn bindings_of(&self, portal: &PortalId, channel: &ChannelId) -> DbResult<Vec<Binding>> {
        Ok(self.tenant(portal).await?.bindings.iter().filter(|known| known.channel == *channel).cloned().collect())
    }

    /// The binding through which the chats of a channel reach the portal, its private ones or its groups.
    pub async fn binding_of_chats(
        &self,
        portal: &PortalId,
        (channel, is_group): (&ChannelId, bool),
    ) -> DbResult<Option<Binding>> {
        Ok(serving(&self.tenant(portal).await?.bindings, channel, is_group).cloned())
    }

    /// The same of one chat.
    pub async fn binding_of_chat(&self, portal: &PortalId, chat: &Chat) -> DbResult<Option<Binding>> {
        self.binding_of_chats(portal, (&chat.channel(), chat.is_group)).await
    }

    /// The binding of the connector through which an operator has written; if that is gone, or not told, the one of such chats.
    pub async fn binding_of_written(
        &self,
        portal: &PortalId,
        (channel, is_group): (&ChannelId, bool),
        connector: Option<Connector>,
    ) -> DbResult<Option<Binding>> {
        let bindings = &self.tenant(portal).await?.bindings;
        let through = bindings.iter().find(|known| known.channel == *channel && Some(known.connector) == connector);
        Ok(through.or_else(|| serving(bindings, channel, is_group)).cloned())
    }

    pub async fn binding_list(&self, portal: &PortalId) -> DbResult<Vec<Binding>> {
        Ok(self.tenant(portal).await?.bindings.clone())
    }

    pub async fn binding_set_state(
        &self,
        portal: &PortalId,
        id: BindingId,
        state: BindingState,
        now: Millis,
    ) -> DbResult<()> {
        let owner = portal.0.clone();
        self.write_settings(portal, move |conn| {
            diesel::update(binding::table.find(id.0).filter(binding::portal_id.eq(owner)))
                .set((binding::state.eq(state.text()), binding::changed_at.eq(now.0)))
                .execute(conn)?;
            Ok(())
        })
        .await
    }

    /// What the portal's own settings of the line say now.
    pub async fn binding_set_line(
        &self,
        portal: &PortalId,
        id: BindingId,
        (name, signature): (String, bool),
    ) -> DbResult<()> {
        let owner = portal.0.clone();
        self.write_settings(portal, move |conn| {
            diesel::update(binding::table.find(id.0).filter(binding::portal_id.eq(owner)))
                .set((binding::line_name.eq(name), binding::signature.eq(signature)))
                .execute(conn)?;
            Ok(())
        })
        .await
    }

    pub async fn binding_set_settings(
        &self,
        portal: &PortalId,
        id: BindingId,
        settings: Settings,
        now: Millis,
    ) -> DbResult<()> {
        let owner = portal.0.clone();
        let settings = serde_json::to_string(&settings).map_err(|error| DbError::Corrupt(error.to_string()))?;
        self.write_settings(portal, move |conn| {
            diesel::update(binding::table.find(id.0).filter(binding::portal_id.eq(owner)))
                .set((binding::settings.eq(settings), binding::changed_at.eq(now.0)))
                .execute(conn)?;
            Ok(())
        })
        .await
    }

    /// The key of what is told to the customer's own system, 32 bytes in Base64.
    pub fn binding_hook_key(&self, binding: &Binding) -> DbResult<Option<Secret>> {
        let sealed = binding.hook_key.as_deref();
        Ok(sealed.map(|value| self.keys.open(&hook_key_place(binding), value)).transpose()?)
    }

    pub async fn binding_set_hook_key(&self, portal: &PortalId, binding: &Binding, key: &Secret) -> DbResult<()> {
        let (owner, sealed) = (portal.0.clone(), self.keys.seal(&hook_key_place(binding), key)?);
        let id = binding.id;
        self.write_settings(portal, move |conn| {
            diesel::update(binding::table.find(id.0).filter(binding::portal_id.eq(owner)))
                .set(binding::hook_key_sealed.eq(sealed))
                .execute(conn)?;
            Ok(())
        })
        .await
    }

    pub async fn binding_get(&self, portal: &PortalId, id: BindingId) -> DbResult<Option<Binding>> {
        Ok(self.tenant(portal).await?.bindings.iter().find(|known| known.id == id).cloned())
    }

    /// Takes a channel off a line; what was chosen for it is kept.
    pub async fn binding_remove(&self, portal: &PortalId, id: BindingId) -> DbResult<()> {
        let owner = portal.0.clone();
        self.write_settings(portal, move |conn| {
            keep(conn, (&owner, id))?;
            diesel::delete(binding::table.find(id.0).filter(binding::portal_id.eq(owner))).execute(conn)?;
            Ok(())
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(connector: Connector, state: BindingState, group_messages: bool) -> Binding {
        Binding {
            id: BindingId(1),
            portal: PortalId("p".into()),
            installation: InstallationId(1),
            channel: ChannelId("c".into()),
            connector,
            line: 1,
            line_name: String::new(),
            signature: false,
            state,
            created_at: Millis(0),
            settings: Settings { group_messages, ..Settings::default() },
            hook_key: None,
        }
    }

    fn served(bindings: &[Binding], is_group: bool) -> Option<Connector> {
        serving(bindings, &ChannelId("c".into()), is_group).map(|binding| binding.connector)
    }

    #[test]
    fn groups_come_through_their_own_connector_or_through_the_private_one_that_takes_them() {
        use BindingState::{Active, Off};
        let private = |takes| binding(Connector::Whatsapp, Active, takes);
        let groups = |state| binding(Connector::WhatsappGroups, state, false);
        assert_eq!(served(&[private(false)], true), None);
        assert_eq!(served(&[private(true)], true), Some(Connector::Whatsapp));
        assert_eq!(served(&[private(true), groups(Active)], true), Some(Connector::WhatsappGroups));
        assert_eq!(served(&[private(true), groups(Off)], true), Some(Connector::Whatsapp));
        assert_eq!(served(&[private(false), groups(Off)], true), Some(Connector::WhatsappGroups));
        assert_eq!(served(&[groups(Active), private(true)], false), Some(Connector::Whatsapp));
        assert_eq!(served(&[groups(Active)], false), None);
        assert_eq!(serving(&[private(true)], &ChannelId("other".into()), false).map(|it| it.line), None);
    }
}
