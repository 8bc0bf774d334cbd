//! Notes: what we write into an Open-Channel chat ourselves (`user_id` 0): shown to operators, never sent back to us. A failure is
//! red; what a robot or a card sent names its author.

use serde::{Deserialize, Serialize};

use super::{Resolved, carried, db_failure, groups, payload, retry, to_portal};
use crate::{
    app::App,
    b24::bbcode,
    clock::Millis,
    db::{Carried, Delivery, DeliveryKind, Lane, NewDelivery, Part, Settled},
    domain::{
        failure::{Failure, Told},
        ids::ChatId,
    },
};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Note {
    /// An operator's message did not reach the client.
    Failed { told: String },
    /// The messenger itself said so, in its own words.
    FailedBecause { reason: String },
    /// It waits and is tried again; why.
    Delayed { told: String },
    /// Nobody can tell whether it did.
    Unknown,
    /// The client's message has not got into the chat, or nobody can tell: its words, so that they are not lost.
    Unseen { certain: bool },
    /// An operator's edit did not reach the client.
    NotChanged {
        told: String,
        /// The beginning of what the client still sees.
        #[serde(default)]
        still: String,
    },
    /// An operator's deletion did not reach the client.
    NotDeleted {
        told: String,
        #[serde(default)]
        still: String,
    },
    /// The client changed a message, and it could not be changed in the chat: what it says now.
    ClientChanged { text: String },
    /// The client, or one of a group, has put an emoji on a message, of which this is the beginning.
    Reaction {
        emoji: String,
        about: String,
        #[serde(default)]
        who: Option<String>,
    },
    /// A robot has written to the client.
    ByRobot { text: String },
    /// The CRM has sent the client a text message through the channel.
    BySms { text: String },
    /// Somebody has written to the client from a CRM card.
    ByCard { author: String, text: String },
}

impl Note {
    pub fn delivery(&self, lane: Lane, now: Millis) -> NewDelivery {
        NewDelivery::new(lane, DeliveryKind::Note, now).payload(self)
    }

    pub fn in_chat(&self, chat: ChatId, now: Millis) -> NewDelivery {
        self.delivery(Lane::InOf(chat), now)
    }

    /// `author`: who of a group wrote the message that it is about.
    fn text(&self, lang: &str, (parts, files): (&[Part], &[String]), author: Option<&str>) -> String {
        let texts = texts(lang);
        let said = |text: String| author.map_or_else(|| text.clone(), |author| groups::under(author, &text));
        match self {
            Self::Delayed { told } if told == Told::Unavailable.code() => texts.delayed.to_owned(),
            Self::Delayed { told } => format!("{} {}", texts.delayed, reason(texts, told)),
            Self::Unseen { certain } => {
                let head = if *certain { texts.unseen } else { texts.perhaps_unseen };
                let words = parts.iter().map(|part| part.text.clone()).filter(|text| !text.is_empty());
                let files = files.iter().map(|name| format!("📎 {}", bbcode::from_plain(name)));
                let said = said(words.chain(files).collect::<Vec<_>>().join("[br]"));
                [red(head), said].into_iter().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("[br]")
            }
            Self::Failed { told } => red(&format!("{} {}", texts.not_delivered, reason(texts, told))),
            Self::FailedBecause { reason } => red(&format!("{} {reason}", texts.not_delivered)),
            Self::Unknown => red(texts.unknown),
            Self::NotChanged { told, still } => {
                format!("{}\n>>{still}", red(&format!("{} {}", texts.not_changed, reason(texts, told))))
            }
            Self::NotDeleted { told, still } => {
                format!("{}\n>>{still}", red(&format!("{} {}", texts.not_deleted, reason(texts, told))))
            }
            Self::Reaction { emoji, about, who } => {
                let who = who.as_ref().map_or_else(|| texts.reaction.to_owned(), |who| format!("{who}:"));
                format!("[b]{who}[/b] {emoji}\n>>{about}")
            }
            Self::ClientChanged { text } => format!("[b]{}[/b][br]{}", texts.client_changed, said(text.clone())),
            Self::ByRobot { text } => format!("[b]{}:[/b][br]{text}", texts.robot),
            Self::BySms { text } => format!("[b]{}:[/b][br]{text}", texts.sms),
            Self::ByCard { author, text } => format!("[b]{author} ({}):[/b][br]{text}", texts.card),
        }
    }
}

fn red(text: &str) -> String {
    format!("[color=#ff0000]{text}[/color]")
}

/// Why a message did not reach the client, in one sentence.
pub fn reason_text(lang: &str, told: &str) -> &'static str {
    reason(texts(lang), told)
}

/// What was written on the business's own phone, as it stands in the Open Channel.
pub fn from_phone(lang: &str, text: &str) -> String {
    format!("[b]{}:[/b][br]{text}", texts(lang).from_phone)
}

/// Somebody in a group who has no name that may be shown.
pub fn member(lang: &str) -> &'static str {
    texts(lang).member
}

/// When texts go that have to wait for their turn: whom they are for, and in how many minutes.
pub fn turns_text(lang: &str, turns: &[(&str, u64)]) -> String {
    let texts = texts(lang);
    let lines = turns.iter().map(|(label, minutes)| format!("{label}: {} {minutes} {}", texts.goes_in, texts.minutes));
    std::iter::once(texts.turns.to_owned()).chain(lines).collect::<Vec<_>>().join("\n")
}

pub async fn deliver(app: &App, delivery: &Delivery) -> Result<Settled, Failure> {
    let note: Note = payload(delivery)?;
    let Carried { message, parts, view } = carried(delivery)?;
    let gone = || Failure::permanent(Told::Internal, "the portal is gone");
    let portal = app.db.portal_get(&delivery.portal).await.map_err(db_failure)?.ok_or_else(gone)?;
    let mut files = Vec::new();
    for media in parts.iter().filter_map(|part| part.media) {
        files.extend(app.db.media_get(&delivery.portal, media).await.map_err(db_failure)?.map(|media| media.name));
    }
    let place = to_portal::place(app, &delivery.portal, view.clone()).await?;
    let author = groups::author_name(&portal.lang, &place);
    let mut text = note.text(&portal.lang, (parts, &files), author.as_deref());
    if matches!(note, Note::Failed { .. } | Note::FailedBecause { .. } | Note::Unknown)
        && let Some(link) = retry::link_for(app, &delivery.portal, message).await?
    {
        text = format!("{text} [url={link}]{}[/url]", texts(&portal.lang).send_again);
    }
    to_portal::write_note(app, &place, (key(delivery), text)).await
}

/// Looks for the note in its chat.
pub async fn resolve(app: &App, delivery: &Delivery) -> Result<Resolved, Failure> {
    to_portal::find(app, &delivery.portal, &carried(delivery)?.view, &key(delivery)).await
}

/// Our id of a note in the portal.
fn key(delivery: &Delivery) -> String {
    format!("note-{}", delivery.id)
}

struct Texts {
    not_delivered: &'static str,
    delayed: &'static str,
    unseen: &'static str,
    perhaps_unseen: &'static str,
    unknown: &'static str,
    send_again: &'static str,
    not_changed: &'static str,
    not_deleted: &'static str,
    client_changed: &'static str,
    reaction: &'static str,
    member: &'static str,
    robot: &'static str,
    sms: &'static str,
    from_phone: &'static str,
    card: &'static str,
    turns: &'static str,
    goes_in: &'static str,
    minutes: &'static str,
    unavailable: &'static str,
    blocked_by_client: &'static str,
    not_in_group: &'static str,
    cannot_write_first: &'static str,
    no_such_recipient: &'static str,
    file_too_large: &'static str,
    file_unavailable: &'static str,
    text_too_long: &'static str,
    too_old: &'static str,
    channel_disconnected: &'static str,
    license_expired: &'static str,
    portal_unauthorised: &'static str,
    line_inactive: &'static str,
    rejected: &'static str,
    unsupported: &'static str,
    internal: &'static str,
}

const EN: Texts = Texts {
    not_delivered: "The message was not delivered.",
    delayed: "The message is not delivered yet; it is tried again by itself.",
    unseen: "A message of the client could not be shown as it is:",
    perhaps_unseen: "The connection broke while a message of the client was on its way; it may stand here twice:",
    unknown: "It is not known whether the message was delivered: the connection broke while it was being sent. Ask the client before you repeat it.",
    send_again: "Send again",
    not_changed: "The client still sees the old text.",
    not_deleted: "The client still sees the deleted message.",
    client_changed: "The client has changed a message. It says now:",
    reaction: "The client's reaction:",
    member: "Group member",
    robot: "Robot",
    sms: "SMS from the CRM",
    from_phone: "From the phone",
    card: "from the CRM card",
    turns: "A personal Telegram account writes first by phone number once in three minutes, or Telegram blocks it.",
    goes_in: "the message goes in",
    minutes: "min",
    unavailable: "The messenger was not reachable for too long.",
    blocked_by_client: "The client has blocked this channel.",
    not_in_group: "The channel is not in this group any more.",
    cannot_write_first: "The messenger does not let this channel write first: the client must begin.",
    no_such_recipient: "The messenger does not know this recipient.",
    file_too_large: "The file is larger than the messenger takes.",
    file_unavailable: "The file could not be fetched.",
    text_too_long: "The text is longer than the messenger takes.",
    too_old: "It had waited for more than a day: send it again if it is still needed.",
    channel_disconnected: "The channel is disconnected: connect it again on the connector's page.",
    license_expired: "The paid period of the ChatApp account is over.",
    portal_unauthorised: "The application has lost its access to the portal: an administrator must open it.",
    line_inactive: "The Open Channel or its connector is switched off.",
    rejected: "The messenger refused it.",
    unsupported: "This messenger cannot do that.",
    internal: "The server made a mistake; its operators can see it.",
};

const RU: Texts = Texts {
    not_delivered: "Сообщение не доставлено.",
    delayed: "Сообщение пока не доставлено; отправка повторяется сама.",
    unseen: "Сообщение клиента не удалось показать как есть:",
    perhaps_unseen: "Связь прервалась, пока сообщение клиента передавалось; оно может стоять здесь дважды:",
    unknown: "Неизвестно, доставлено ли сообщение: связь прервалась во время отправки. Уточните у клиента, прежде чем повторять.",
    send_again: "Отправить ещё раз",
    not_changed: "Клиент по-прежнему видит старый текст.",
    not_deleted: "Клиент по-прежнему видит удалённое сообщение.",
    client_changed: "Клиент изменил сообщение. Теперь в нём:",
    reaction: "Реакция клиента:",
    member: "Участник группы",
    robot: "Робот",
    sms: "SMS из CRM",
    from_phone: "С телефона",
    card: "из карточки CRM",
    turns: "Личный аккаунт Telegram пишет первым по номеру телефона раз в три минуты, иначе Telegram его блокирует.",
    goes_in: "сообщение уйдёт через",
    minutes: "мин.",
    unavailable: "Мессенджер слишком долго недоступен.",
    blocked_by_client: "Клиент заблокировал этот канал.",
    not_in_group: "Канал больше не состоит в этой группе.",
    cannot_write_first: "Мессенджер не разрешает этому каналу писать первым: начать должен клиент.",
    no_such_recipient: "Мессенджер не знает такого получателя.",
    file_too_large: "Файл больше, чем принимает мессенджер.",
    file_unavailable: "Не удалось получить файл.",
    text_too_long: "Текст длиннее, чем принимает мессенджер.",
    too_old: "Оно прождало больше суток: отправьте его снова, если оно ещё нужно.",
    channel_disconnected: "Канал отключён: подключите его снова на странице коннектора.",
    license_expired: "Закончился оплаченный период аккаунта ChatApp.",
    portal_unauthorised: "Приложение потеряло доступ к порталу: его должен открыть администратор.",
    line_inactive: "Открытая линия или её коннектор выключены.",
    rejected: "Мессенджер отклонил его.",
    unsupported: "Этот мессенджер так не умеет.",
    internal: "Ошибка сервера; его администраторы её видят.",
};

fn texts(lang: &str) -> &'static Texts {
    if lang == "ru" { &RU } else { &EN }
}

fn reason(texts: &Texts, told: &str) -> &'static str {
    match told {
        "unavailable" => texts.unavailable,
        "blocked_by_client" => texts.blocked_by_client,
        "not_in_group" => texts.not_in_group,
        "cannot_write_first" => texts.cannot_write_first,
        "no_such_recipient" => texts.no_such_recipient,
        "file_too_large" => texts.file_too_large,
        "file_unavailable" => texts.file_unavailable,
        "text_too_long" => texts.text_too_long,
        "too_old" => texts.too_old,
        "channel_disconnected" => texts.channel_disconnected,
        "license_expired" => texts.license_expired,
        "portal_unauthorised" => texts.portal_unauthorised,
        "line_inactive" => texts.line_inactive,
        "rejected" => texts.rejected,
        "unsupported" => texts.unsupported,
        _ => texts.internal,
    }
}
