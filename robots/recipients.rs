//! Which channel serves which recipient: the rules that every sending robot shares.
//!
//! A message never goes out through a channel that nobody chose and that is not the only possible one: a wrong sender is
//! worse than a refusal that says what to fill in.

use std::collections::HashSet;

use crate::call::{Address, AddressKind, Call, Channel, Notice, Recipient, Refusal, Step};
use crate::outcome::ErrorCode;

/// Recipients of one firing; beyond it each is refused by name. Own limit: a stage robot writes to the people of one
/// card, and a longer list is an accident or a broadcast, which messengers punish.
const RECIPIENTS_LIMIT: usize = 50;

/// The properties of the shared recipient block, in the order in which recipients are written to.
pub(crate) const SOURCES: [&str; 3] = ["phones", "chat_ids", "crm_messenger"];

/// The recipients of a call without repeats, and remarks about how they were given.
pub(crate) fn recipients(call: &Call) -> (Vec<Address>, Vec<Notice>) {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    let mut notices = Vec::new();
    let mut filled = 0_usize;
    for source in SOURCES {
        let addresses = call.addresses.get(source).map(Vec::as_slice).unwrap_or_default();
        filled += usize::from(!addresses.is_empty());
        for address in addresses {
            if seen.insert(address) {
                found.push(address.clone());
            } else if !notices.contains(&Notice::DuplicateRecipients) {
                notices.push(Notice::DuplicateRecipients);
            }
        }
    }
    if filled > 1 {
        notices.push(Notice::SeveralSources);
    }
    (found, notices)
}

/// One step per address; `stop` refuses all of them for a reason of the whole firing.
pub(crate) fn steps(call: &Call, addresses: Vec<Address>, stop: Option<ErrorCode>) -> Vec<Step> {
    let choice = Choice::of(call);
    let mut steps = Vec::with_capacity(addresses.len());
    for (position, address) in addresses.into_iter().enumerate() {
        let decision = match stop {
            Some(code) => Err(code),
            None if position >= RECIPIENTS_LIMIT => Err(ErrorCode::TooManyRecipients),
            None => choice.channel_for(&address),
        };
        steps.push(match decision {
            Ok(channel) => Step::Send(Recipient { address, channel: channel.id.clone() }),
            Err(code) => Step::Refuse(Refusal { label: address.label(), code }),
        });
    }
    steps
}

/// What the person chose in the robot's settings, checked against what exists now.
struct Choice<'a> {
    /// Every channel of the installation: a chat id names its own.
    all: &'a [Channel],
    /// The channels left after the chosen channel and Open Channel, or why none is.
    allowed: Result<Vec<&'a Channel>, ErrorCode>,
}

impl<'a> Choice<'a> {
    fn of(call: &'a Call) -> Self {
        Self { all: &call.channels, allowed: allowed(call) }
    }

    fn channel_for(&self, address: &Address) -> Result<&'a Channel, ErrorCode> {
        let kind = match address {
            Address::Unusable(text) if text.contains('@') => return Err(ErrorCode::InvalidAddress),
            Address::Unusable(_) => return Err(ErrorCode::InvalidPhone),
            Address::Phone(_) => AddressKind::Phone,
            Address::Username(_) => AddressKind::Username,
            Address::Email(_) => AddressKind::Email,
            Address::ChatId(id) => return self.channel_of_chat(id),
        };
        let allowed = self.allowed.as_ref().map_err(|code| *code)?;
        let able = allowed.iter().copied().filter(|channel| channel.reaches.contains(&kind));
        only_one(able, ErrorCode::ChannelUnsupported)
    }

    /// A chat belongs to its channel: the settings may only confirm it.
    fn channel_of_chat(&self, id: &str) -> Result<&'a Channel, ErrorCode> {
        let allowed = self.allowed.as_ref().map_err(|code| *code)?;
        let Some((short, _)) = id.split_once(':') else {
            return only_one(allowed.iter().copied(), ErrorCode::ChannelNotConnected);
        };
        // A chat of a channel that is gone must not be looked for in another one.
        let own = self.all.iter().find(|channel| channel.id == short);
        let own = own.ok_or(ErrorCode::ChannelNotConnected)?;
        if !allowed.iter().any(|channel| channel.id == own.id) {
            return Err(ErrorCode::ChatNotFound);
        }
        connected(own)
    }
}

fn allowed(call: &Call) -> Result<Vec<&Channel>, ErrorCode> {
    if call.channels.is_empty() {
        return Err(ErrorCode::ChannelNotConnected);
    }
    let mut channels: Vec<&Channel> = call.channels.iter().collect();
    if let Some(line) = call.value("line") {
        channels.retain(|channel| channel.lines.iter().any(|own| own == line));
        if channels.is_empty() {
            return Err(ErrorCode::LineNotFound);
        }
    }
    if let Some(id) = call.value("channel") {
        channels.retain(|channel| channel.id == id);
        if channels.is_empty() {
            return Err(ErrorCode::ChannelNotConnected);
        }
    }
    Ok(channels)
}

fn only_one<'a>(mut able: impl Iterator<Item = &'a Channel>, none: ErrorCode) -> Result<&'a Channel, ErrorCode> {
    match (able.next(), able.next()) {
        (None, _) => Err(none),
        (Some(_), Some(_)) => Err(ErrorCode::ChannelRequired),
        (Some(channel), None) => connected(channel),
    }
}

fn connected(channel: &Channel) -> Result<&Channel, ErrorCode> {
    if channel.is_connected { Ok(channel) } else { Err(ErrorCode::ChannelNotConnected) }
}
