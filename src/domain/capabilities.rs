//! What a channel can do, as data: asked before a send, shown on the connector's page, never guessed from a name.

/// The abilities and limits of one kind of channel on one core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
