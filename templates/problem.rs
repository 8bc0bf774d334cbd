//! Failures in people's words: what happened and what to do.

/// One failure in one language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProblemText {
    /// What happened, one sentence.
    pub what: &'static str,
    /// What the person can do, one or two sentences.
    pub todo: &'static str,
}

macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident $field:ident;)*) => {
        /// A failure that a person reads on a page or in a form.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Problem { $($(#[$doc])* $name,)* }

        impl Problem {
            /// Every failure.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The `code` of a JSON error.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => stringify!($field),)* }
            }
        }

        /// The words of a language for every failure.
        pub struct ProblemTexts { $($(#[$doc])* pub $field: ProblemText,)* }

        impl ProblemTexts {
            /// The words for one failure.
            pub const fn of(&self, problem: Problem) -> ProblemText {
                match problem { $(Problem::$name => self.$field,)* }
            }
        }
    };
}

problems! {
    /// Portal or person could not be proved.
    NotVerified not_verified;
    /// The installation is not finished.
    NotInstalled not_installed;
    /// Only an administrator may do this.
    AdministratorOnly administrator_only;
    /// Only people who may change connectors may do this.
    ManagersOnly managers_only;
    /// The portal does not show this card to the person.
    CardClosed card_closed;
    /// The card has no number yet.
    CardUnsaved card_unsaved;
    /// The page was opened in a way that this version does not know.
    UnknownPlacement unknown_placement;
    /// The connector is none of ours.
    UnknownConnector unknown_connector;
    /// No Open Channel was named.
    LineMissing line_missing;
    /// The right to act in the portal is lost.
    GrantLost grant_lost;
    /// The portal does not answer.
    PortalSilent portal_silent;
    /// The portal's plan lacks a function.
    PlanLacks plan_lacks;
    /// The installation lacks a permission.
    ScopeLacks scope_lacks;
    /// The page's session ended.
    SessionOver session_over;
    /// Too many requests.
    TooMany too_many;
    /// The server is starting or stopping.
    Unavailable unavailable;
    /// Our own failure.
    Internal internal;
    /// A required field is empty.
    FieldEmpty field_empty;
    /// A field has a value that cannot be right.
    FieldWrong field_wrong;
    /// The core refused e-mail, password or App ID.
    LoginRefused login_refused;
    /// The core's limit of logins a day is used up.
    LoginsUsedUp logins_used_up;
    /// The messenger refused the bot's token.
    TokenRefused token_refused;
    /// The messenger account serves another portal.
    AccountTaken account_taken;
    /// The account's paid period is over.
    AccountExpired account_expired;
    /// The channel is connected to another Open Channel.
    ChannelTaken channel_taken;
    /// The channel is gone.
    ChannelGone channel_gone;
    /// The channel cannot send now.
    ChannelDown channel_down;
    /// The core or the messenger does not answer.
    CoreSilent core_silent;
    /// There is no channel that could write.
    NoChannels no_channels;
    /// The address cannot be understood.
    AddressWrong address_wrong;
    /// The person is not in this messenger.
    NotInMessenger not_in_messenger;
    /// This messenger does not allow writing first.
    CannotWriteFirst cannot_write_first;
    /// The text is longer than the messenger takes.
    TextTooLong text_too_long;
    /// The chat is gone.
    ChatGone chat_gone;
    /// A link of ours that is no link, or not any more.
    LinkOver link_over;
    /// Nobody can tell whether the message went out.
    OutcomeUnknown outcome_unknown;
}
