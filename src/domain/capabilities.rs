//! What a channel can do, as data: asked before a send, shown on the connector's page, never guessed from a name.

use std::time::Duration;

use crate::clock::Millis;

/// The abilities and limits of one kind of channel on one core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a row of a table of yes and no")]
pub struct Capabilities {
    /// How the messenger marks up text.
    pub markup: Markup,
    /// Longest text in UTF-16 code units (Telegram counts so; for others it is a safe lower bound).
    pub text_limit: usize,
    /// Longest caption of a file, in the same units; 0 = a caption goes as a text of its own.
    pub caption_limit: usize,
    /// Largest file towards the client, bytes.
    pub upload_limit: u64,
    /// Largest picture that is sent as a picture, bytes; a larger one goes as a document.
    pub photo_limit: u64,
    /// Largest file from the client that the core gives out, bytes.
    pub download_limit: u64,
    /// Whom the channel can write to first.
    pub write_first: WriteFirst,
    /// Of which addresses it can be asked whether the messenger knows them.
    pub checks: Checks,
    /// Until when the text of a message of ours can be changed.
    pub edit: Window,
    /// Until when a message of ours can be taken back.
    pub delete: Window,
    /// Whether the messenger tells that the client has changed a message.
    pub client_edit: bool,
    /// Whether the messenger tells that the client has deleted a message.
    pub client_delete: bool,
    /// Whether what an operator quotes becomes the messenger's own reply.
    pub quotes: bool,
    /// Whether the messenger tells what emoji a client puts on a message.
    pub reactions: bool,
    pub groups: Groups,
    /// Whether somebody is written to first by an approved template alone, which the core lists and sends.
    pub templates: bool,
    /// Most files that are sent as one album; 0 = each goes alone.
    pub album: usize,
    /// Whether the messenger reports that a message reached the client's device.
    pub delivered: bool,
    /// Whether the messenger reports that the client read a message.
    pub read: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Markup {
    Plain,
    /// `*bold* _italic_ ~strike~`.
    Whatsapp,
    /// Telegram's HTML.
    TelegramHtml,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteFirst {
    /// The client must write first.
    Never,
    ByPhone,
    ByPhoneOrUsername,
    ByEmail,
}

impl Capabilities {
    /// Of what nobody serves, and what others begin with.
    pub const NOTHING: Self = Self {
        markup: Markup::Plain,
        text_limit: 0,
        caption_limit: 0,
        upload_limit: 0,
        photo_limit: 0,
        download_limit: 0,
        write_first: WriteFirst::Never,
        checks: Checks::Nothing,
        edit: Window::Never,
        delete: Window::Never,
        client_edit: false,
        client_delete: false,
        quotes: false,
        reactions: false,
        groups: Groups::No,
        templates: false,
        album: 0,
        delivered: false,
        read: false,
    };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checks {
    Nothing,
    Phones,
    Usernames,
}

/// Conversations of many people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Groups {
    No,
    /// Those that the account is in.
    Joined,
    /// It can make some, too.
    Founded,
}

/// How long after it was sent something can be done to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    Never,
    For(Duration),
    Always,
}

impl Window {
    pub fn is_open(self, sent_at: Millis, now: Millis) -> bool {
        match self {
            Self::Never => false,
            Self::For(time) => now < sent_at.after(time),
            Self::Always => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_closes() {
        let day = Window::For(Duration::from_hours(24));
        let (sent, later) = (Millis(1), Millis(1).after(Duration::from_hours(24)));
        assert!(day.is_open(sent, sent) && !day.is_open(sent, later));
        assert!(Window::Always.is_open(sent, later) && !Window::Never.is_open(sent, sent));
    }
}
