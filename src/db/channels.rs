//! Channels: one connected messenger account each.

use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, JoinOnDsl as _, OptionalExtension as _, QueryDsl as _,
    Queryable, RunQueryDsl as _,
};

use super::{
    Db, DbError, DbResult, NewDelivery,
    conn::Conn,
    dispatch, on_each,
    schema::{binding, channel, portal},
    stored_enum,
};
use crate::{
    clock::Millis,
    domain::{
        connector::Connector,
        ids::{ChannelId, LoginId, NodeId, PortalId},
    },
    messaging::{ChannelRef, CoreKind},
    secret::{Secret, constant_time_eq, fingerprint},
};

stored_enum! {
    ChannelState {
        Alive = "alive",
        /// The core refuses the credentials: its deliveries are parked until a person connects it again.
        Dead = "dead",
        /// Its core does not list it any more.
        Gone = "gone",
    }
}

stored_enum! {
    /// How the core's events reach us.
    Intake {
        None = "none",
        Webhook = "webhook",
        Polling = "polling",
    }
}

#[derive(Clone, Debug)]
pub struct Channel {
    pub id: ChannelId,
    pub portal: PortalId,
    pub core: CoreKind,
    pub connector: Connector,
    /// How the core names it; see [`ChannelRef::account`].
    pub account: String,
    /// What people tell it apart by wherever channels of several accounts are listed.
    pub title: String,
    /// What its core calls it inside the account that [`Channel::title`] names; none where the account is the channel.
    pub own_name: Option<String>,
    /// Where a client can write to it.
    pub link: Option<String>,
    pub login: Option<LoginId>,
    /// End of the license's paid period.
    pub valid_until: Option<Millis>,
    secret: Option<String>,
    webhook_hash: Option<String>,
    pub intake: Intake,
    /// The first update that a poll has not taken yet.
    pub poll_offset: i64,
    pub state: ChannelState,
    /// When its credentials or its state changed last.
    pub changed_at: Millis,
}

/// What a core told about an account that it can serve.
#[derive(Clone, Debug)]
pub struct NewChannel {
    pub id: ChannelId,
    pub core: CoreKind,
    pub connector: Connector,
    pub account: String,
    pub title: String,
    pub own_name: Option<String>,
    pub link: Option<String>,
    pub login: Option<LoginId>,
    pub valid_until: Option<Millis>,
    pub secret: Option<Secret>,
    pub state: ChannelState,
}

impl Channel {
    /// Whether a webhook brought the secret that was registered last, or one that is being registered.
    pub fn webhook_matches(&self, offered: &str) -> bool {
        let offered = fingerprint(offered);
        let mut known = self.webhook_hash.as_deref().into_iter().flat_map(str::lines);
        known.any(|hash| constant_time_eq(hash.as_bytes(), offered.as_bytes()))
    }
}

fn place(portal: &str, account: &str) -> String {
    format!("channel.secret/{portal}/{account}")
}

#[derive(Queryable)]
struct Row {
    id: String,
    portal_id: String,
    core: String,
    connector: String,
    account: String,
    title: String,
    own_name: Option<String>,
    link: Option<String>,
    login_id: Option<i64>,
    valid_until: Option<i64>,
    secret_sealed: Option<String>,
    webhook_hash: Option<String>,
    intake: String,
    poll_offset: i64,
    state: String,
    _created_at: i64,
    changed_at: i64,
    _first_at: i64,
}

impl TryFrom<Row> for Channel {
    type Error = DbError;

    fn try_from(row: Row) -> DbResult<Self> {
        let unknown = |what: &str| DbError::Corrupt(format!("channel {}: {what}", row.id));
        Ok(Self {
            core: CoreKind::from_name(&row.core).ok_or_else(|| unknown("core"))?,
            connector: Connector::from_id(&row.connector).ok_or_else(|| unknown("connector"))?,
            id: ChannelId(row.id),
            portal: PortalId(row.portal_id),
            account: row.account,
            title: row.title,
            own_name: row.own_name,
            link: row.link,
            login: row.login_id.map(LoginId),
            valid_until: row.valid_until.map(Millis),
            secret: row.secret_sealed,
            webhook_hash: row.webhook_hash,
            intake: Intake::read(&row.intake)?,
            poll_offset: row.poll_offset,
            state: ChannelState::read(&row.state)?,
            changed_at: Millis(row.changed_at),
        })
    }
}

fn read_all(rows: Vec<Row>) -> DbResult<Vec<Channel>> {
    rows.into_iter().map(Channel::try_from).collect()
}

pub(super) fn read_of(conn: &mut Conn, portal: &str) -> DbResult<Vec<Channel>> {
    read_all(channel::table.filter(channel::portal_id.eq(portal)).order(channel::created_at).load(conn)?)
}

impl Db {
    /// The channel as its core needs it for a call.
    pub fn channel_access(&self, channel: &Channel) -> DbResult<ChannelRef> {
        let secret = match &channel.secret {
            Some(sealed) => self.keys.open(&place(&channel.portal.0, &channel.account), sealed)?,
            None => Secret::default(),
        };
        Ok(ChannelRef {
            id: channel.id.clone(),
            connector: channel.connector,
            account: channel.account.clone(),
            login: channel.login,
            secret,
        })
    }

    /// Adds an account, or brings what is known of it up to date. Its id never changes.
    pub async fn channel_put(&self, portal: &PortalId, new: NewChannel, now: Millis) -> DbResult<ChannelId> {
        let sealed =
            new.secret.as_ref().map(|value| self.keys.seal(&place(&portal.0, &new.account), value)).transpose()?;
        let owner = portal.0.clone();
        self.write_settings(portal, move |conn| {
            let changes = (
                channel::title.eq(&new.title),
                channel::own_name.eq(&new.own_name),
                channel::link.eq(&new.link),
                channel::login_id.eq(new.login.map(|login| login.0)),
                channel::valid_until.eq(new.valid_until.map(|until| until.0)),
                channel::secret_sealed.eq(&sealed),
                channel::state.eq(new.state.text()),
                channel::changed_at.eq(now.0),
            );
            let key = (
                channel::id.eq(&new.id.0),
                channel::portal_id.eq(&owner),
                channel::core.eq(new.core.name()),
                channel::connector.eq(new.connector.id()),
                channel::account.eq(&new.account),
                channel::intake.eq(Intake::None.text()),
                channel::poll_offset.eq(0),
                channel::created_at.eq(now.0),
            );
            on_each!(conn, |c| diesel::insert_into(channel::table)
                .values((key, changes))
                .on_conflict((channel::portal_id, channel::core, channel::connector, channel::account))
                .do_update()
                .set(changes)
                .execute(c))?;
            let own = channel::portal_id
                .eq(owner)
                .and(channel::core.eq(new.core.name()))
                .and(channel::connector.eq(new.connector.id()))
                .and(channel::account.eq(new.account));
            Ok(ChannelId(channel::table.filter(own).select(channel::id).first(conn)?))
        })
        .await
    }

    pub async fn channel_get(&self, portal: &PortalId, id: &ChannelId) -> DbResult<Option<Channel>> {
        Ok(self.tenant(portal).await?.channels.iter().find(|known| known.id == *id).cloned())
    }

    /// For webhooks, whose path names only the channel; its secret is the proof, and the portal comes with the row.
    pub async fn channel_any(&self, id: &ChannelId) -> DbResult<Option<Channel>> {
        if let Some(owner) = self.tenants.owner_of_channel(id)
            && let Some(known) = self.channel_get(&owner, id).await?
        {
            return Ok(Some(known));
        }
        let key = id.0.clone();
        let owner: Option<String> = self
            .read(move |conn| Ok(channel::table.find(key).select(channel::portal_id).first(conn).optional()?))
            .await?;
        match owner {
            Some(owner) => self.channel_get(&PortalId(owner), id).await,
            None => Ok(None),
        }
    }

    pub async fn channel_list(&self, portal: &PortalId) -> DbResult<Vec<Channel>> {
        Ok(self.tenant(portal).await?.channels.clone())
    }

    /// Channels that this node must ask for updates: those of its portals; portals that no node has become its own where `takes`.
    pub async fn channel_polled(&self, me: NodeId, takes: bool) -> DbResult<Vec<Channel>> {
        let found: Vec<(Row, Option<i64>)> = self
            .read(move |conn| {
                Ok(channel::table
                    .inner_join(portal::table.on(portal::id.eq(channel::portal_id)))
                    .filter(portal::node_id.is_null().or(portal::node_id.eq(me.0)))
                    .filter(channel::intake.eq(Intake::Polling.text()))
                    .filter(channel::state.eq(ChannelState::Alive.text()))
                    .filter(channel::id.eq_any(binding::table.select(binding::channel_id)))
                    .select((channel::all_columns, portal::node_id))
                    .load(conn)?)
            })
            .await?;
        let mut mine = Vec::with_capacity(found.len());
        for (row, node) in found {
            let channel = Channel::try_from(row)?;
            if node.is_some() || (takes && self.portal_own(&channel.portal, me).await?) {
                mine.push(channel);
            }
        }
        Ok(mine)
    }

    /// A webhook is about to be registered with this secret. The one before is good until that has succeeded: the core may
    /// refuse, and then goes on posting to the old address.
    pub async fn channel_expect_webhook(&self, portal: &PortalId, channel: &Channel, secret: &Secret) -> DbResult<()> {
        let before = channel.webhook_hash.as_deref().and_then(|known| known.lines().next());
        let hash = before.into_iter().fold(fingerprint(secret.expose()), |new, old| format!("{new}\n{old}"));
        let (owner, id) = (portal.0.clone(), channel.id.0.clone());
        self.write_settings(portal, move |conn| {
            diesel::update(channel::table.find(id).filter(channel::portal_id.eq(owner)))
                .set(channel::webhook_hash.eq(hash))
                .execute(conn)?;
            Ok(())
        })
        .await
    }

    /// True when another portal has the same account of a core connected: a core sends its events to one address only.
    pub async fn channel_serves_elsewhere(&self, portal: &PortalId, channel: &Channel) -> DbResult<bool> {
        let (portal, core, account) = (portal.0.clone(), channel.core.name(), channel.account.clone());
        self.read(move |conn| {
            let same = channel::core.eq(core).and(channel::account.eq(account)).and(channel::portal_id.ne(portal));
            let count: i64 = channel::table
                .filter(same)
                .filter(channel::id.eq_any(binding::table.select(binding::channel_id)))
                .count()
                .get_result(conn)?;
            Ok(count > 0)
        })
        .await
    }

    /// How events come from now on; with a webhook, the secret of its path.
    pub async fn channel_set_intake(
        &self,
        portal: &PortalId,
        id: &ChannelId,
        intake: Intake,
        secret: Option<&Secret>,
    ) -> DbResult<()> {
        let hash = secret.map(|secret| fingerprint(secret.expose()));
        let (owner, id) = (portal.0.clone(), id.0.clone());
        self.write_settings(portal, move |conn| {
            diesel::update(channel::table.find(id).filter(channel::portal_id.eq(owner)))
                .set((channel::intake.eq(intake.text()), channel::webhook_hash.eq(hash)))
                .execute(conn)?;
            Ok(())
        })
        .await
    }

    pub async fn channel_set_offset(&self, portal: &PortalId, id: &ChannelId, offset: i64) -> DbResult<()> {
        let (owner, id) = (portal.0.clone(), id.0.clone());
        self.write_settings(portal, move |conn| {
            diesel::update(channel::table.find(id).filter(channel::portal_id.eq(owner)))
                .set(channel::poll_offset.eq(offset))
                .execute(conn)?;
            Ok(())
        })
        .await
    }

    pub async fn channel_set_state(
        &self,
        portal: &PortalId,
        id: &ChannelId,
        state: ChannelState,
        now: Millis,
    ) -> DbResult<()> {
        let (owner, id) = (portal.0.clone(), id.0.clone());
        self.write_settings(portal, move |conn| {
            diesel::update(channel::table.find(id).filter(channel::portal_id.eq(owner)))
                .set((channel::state.eq(state.text()), channel::changed_at.eq(now.0)))
                .execute(conn)?;
            Ok(())
        })
        .await
    }

    /// The core refuses the credentials with which `channel` was read; false when it has changed since. With the change,
    /// `notice` is on its way.
    pub async fn channel_mark_dead(
        &self,
        portal: &PortalId,
        channel: &Channel,
        notice: NewDelivery,
        now: Millis,
    ) -> DbResult<bool> {
        let (owner, id, seen) = (portal.0.clone(), channel.id.0.clone(), channel.changed_at.0);
        self.write_settings(portal, move |conn| {
            let own = channel::portal_id.eq(&owner).and(channel::changed_at.eq(seen));
            let alive = channel::state.eq(ChannelState::Alive.text());
            let changed = diesel::update(channel::table.find(id).filter(own).filter(alive))
                .set((channel::state.eq(ChannelState::Dead.text()), channel::changed_at.eq(now.0)))
                .execute(conn)?;
            if changed == 1 {
                dispatch::insert(conn, &owner, &notice, now)?;
            }
            Ok(changed == 1)
        })
        .await
    }
}
