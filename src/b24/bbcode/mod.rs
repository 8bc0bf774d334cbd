//! Text on its way between an open line and a messenger.
//!
//! A portal writes BB-code, a messenger its own markup. [`parse`] makes [`Node`]s of an operator's text; `to_plain`,
//! `to_whatsapp` and the HTML renderers write them for a messenger, [`split_nodes`] cuts what is too long. The other way
//! `from_plain`, `from_whatsapp` and `from_telegram` make BB-code of a client's text, in which nothing that the client typed is
//! a tag: an operator sees what was written and is offered no button by a stranger.
//!
//! Guaranteed: nothing is refused and nothing panics; what is not a tag the portal knows stays as it was written; the work grows
//! linearly with the text (splitting: by a logarithm more). Not here: which files a text names (`disk_files` lists their ids,
//! fetching is the caller's), which message a quote means.

mod blocks;
mod border;
mod from_messenger;
mod from_telegram;
mod html;
mod loosen;
mod neutral;
mod split;
mod time;
mod to_messenger;
mod token;
mod tree;

#[cfg(test)]
mod tests;

pub use blocks::parse;
pub use from_messenger::{from_plain, from_whatsapp};
pub use from_telegram::{Entity, EntityKind, from_telegram};
pub use html::{telegram_len, to_email_html, to_max_html, to_telegram_html};
pub use split::{MIN_LIMIT, Unit, split_nodes, split_text};
pub use to_messenger::{plain, to_plain, to_whatsapp};

/// A piece of an operator's message. Line breaks are `\n` inside texts, also where the operator's text had `[br]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    Text(String),
    Styled(Style, Vec<Node>),
    /// Content is literal.
    Code(String),
    /// The address is as written: renderers decide whether it may be followed.
    Link {
        url: String,
        label: Vec<Node>,
    },
    /// Address of a picture somewhere on the web.
    Image(String),
    /// A small picture inside a line, known by its title.
    Icon(String),
    /// Something that only works inside the portal; clients see the content.
    Portal(PortalTag, Vec<Node>),
    /// A moment that every reader sees in his own time zone.
    Timestamp(Timestamp),
    /// Id of a file on the portal's Drive.
    Disk(String),
    /// Lines that began with `>>`.
    Quote(Vec<Node>),
    /// The block between two dashed lines, which the portal writes when an operator answers a message.
    Reply(Reply),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Style {
    Bold,
    Italic,
    Underline,
    Strike,
}

/// Tags whose meaning ends at the portal's border.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PortalTag {
    User,
    Chat,
    Context,
    Put,
    Send,
    Call,
    Size,
    Color,
    /// `[quote]` and `[list]`: no tags of the messenger, but pasted from other places of the portal.
    Pasted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamp {
    /// Seconds since 1970, years 1970 to 9999.
    pub unix_s: i64,
    pub shown: Shown,
}

/// What of a moment is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    Date,
    Time,
    DateTime,
}

/// A quoted message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Name and moment, as the portal wrote them; absent when the block has no such heading.
    pub heading: Option<ReplyHeading>,
    pub body: Vec<Node>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyHeading {
    pub author: String,
    /// In the portal's format and time zone.
    pub date: String,
    /// `chat18/4711` if the portal names the quoted message.
    pub context: Option<String>,
}

/// What renderers must know beyond the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// Seconds east of Greenwich, for timestamps.
    pub utc_offset_s: i32,
}

/// Ids of the Drive files that a text names, in order.
pub fn disk_files(nodes: &[Node]) -> Vec<String> {
    let mut ids = Vec::new();
    collect_disk_files(nodes, &mut ids);
    ids
}

fn collect_disk_files(nodes: &[Node], ids: &mut Vec<String>) {
    for node in nodes {
        if let Node::Disk(id) = node {
            ids.push(id.clone());
        }
        collect_disk_files(node.children(), ids);
    }
}

impl Node {
    fn children(&self) -> &[Node] {
        match self {
            Node::Styled(_, inner) | Node::Portal(_, inner) | Node::Quote(inner) => inner,
            Node::Link { label, .. } => label,
            Node::Reply(reply) => &reply.body,
            Node::Text(_) | Node::Code(_) | Node::Image(_) | Node::Icon(_) | Node::Timestamp(_) | Node::Disk(_) => &[],
        }
    }
}

/// Takes the quoted message (or `>>` lines) off the beginning of an operator's text, for messengers that have replies of their
/// own. The line break after it goes too.
pub fn take_quotation(nodes: &mut Vec<Node>) -> Option<Reply> {
    let reply = match nodes.first()? {
        Node::Reply(reply) => reply.clone(),
        Node::Quote(body) => Reply { heading: None, body: body.clone() },
        _other => return None,
    };
    nodes.remove(0);
    if let Some(Node::Text(text)) = nodes.first_mut()
        && text.starts_with('\n')
    {
        text.remove(0);
    }
    Some(reply)
}

/// Splits off the operator's name that a line with `NEED_SIGNATURE` puts before a text: `[b]Name:[/b] [br]text` on new
/// messages, `[b]Name:[/b][br] text` on changed ones. Whether the line signs at all is the caller's knowledge: an operator
/// may write such a beginning himself.
pub fn split_signature(text: &str) -> Option<(&str, &str)> {
    /// Longest name that is believed, in characters.
    const MAX_NAME: usize = 200;
    let (name, after) = strip_prefix_ci(text, "[b]")?.split_once(":[")?;
    let after = strip_prefix_ci(after, "/b]")?;
    if name.is_empty() || name.contains(['[', ']', '\n']) || name.chars().count() > MAX_NAME {
        return None;
    }
    let rest = strip_prefix_ci(after, " [br]").or_else(|| {
        let rest = strip_prefix_ci(after, "[br]")?;
        Some(rest.strip_prefix(' ').unwrap_or(rest))
    })?;
    Some((name, rest))
}

/// `strip_prefix` that does not care for the case of ASCII letters; `prefix` is ASCII.
fn strip_prefix_ci<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}
