//! Sending as a bot.
//!
//! A refusal that names its reason did not send anything, so some are answered at once with another try: HTML that does not
//! parse goes as plain text, what is no picture or may be no voice message goes as a document, a group that has become a
//! supergroup is addressed by its new id. Each of these happens once.

use reqwest::multipart::Form;
use serde_json::{Value, json};

use super::{
    CAPABILITIES, TelegramBot,
    error::{ApiError, Reason},
    wire::SentMessage,
};
use crate::{
    domain::failure::{Failure, Told},
    messaging::{ChannelRef, Outgoing, OutgoingFile, Sent, Target, transfer::part},
    secret::Secret,
};

/// How one try differs from the first.
pub(super) struct Try {
    pub chat: String,
    answers: Option<i64>,
    pub plain: bool,
    pub document: bool,
    moved: bool,
}

impl Try {
    /// Changes what Telegram objected to; false when that was tried already or cannot be helped.
    fn mend(&mut self, reason: Option<Reason>) -> bool {
        match reason {
            Some(Reason::Markup) => !std::mem::replace(&mut self.plain, true),
            Some(Reason::Picture | Reason::Voice) => !std::mem::replace(&mut self.document, true),
            Some(Reason::Moved(id)) => {
                self.chat = id.to_string();
                !std::mem::replace(&mut self.moved, true)
            }
            _ => false,
        }
    }

    /// What is answered may have been deleted meanwhile.
    pub fn reply_parameters(&self) -> Option<Value> {
        self.answers.map(|id| json!({ "message_id": id, "allow_sending_without_reply": true }))
    }

    pub fn text(&self, html: &str) -> String {
        if self.plain { plain(html) } else { html.to_owned() }
    }
}

impl TelegramBot {
    pub(in crate::messaging::embedded) async fn send(
        &self,
        channel: &ChannelRef,
        to: Target<'_>,
        what: &Outgoing,
    ) -> Result<Sent, Failure> {
        check(what)?;
        let answers = to.answers.and_then(|id| id.parse().ok());
        let mut next = Try { chat: chat_id(to.peer)?, answers, plain: false, document: false, moved: false };
        loop {
            let answer = match what {
                Outgoing::Text(html) => self.send_text(&channel.secret, html, &next).await.map(|one| vec![one]),
                Outgoing::File(file) => self.send_file(&channel.secret, file, &next).await.map(|one| vec![one]),
                Outgoing::Album(files) => self.send_album(&channel.secret, files, &next).await,
            };
            match answer {
                Ok(messages) => return Ok(sent(&messages)),
                Err(error) if next.mend(error.reason()) => {}
                Err(error) => return Err(error.into_failure()),
            }
        }
    }

    async fn send_text(&self, token: &Secret, html: &str, now: &Try) -> Result<SentMessage, ApiError> {
        let mut body = json!({ "chat_id": now.chat, "text": now.text(html) });
        if let Value::Object(fields) = &mut body {
            fields.extend((!now.plain).then(|| ("parse_mode".to_owned(), json!("HTML"))));
            fields.extend(now.reply_parameters().map(|answered| ("reply_parameters".to_owned(), answered)));
        }
        self.api.call(token, "sendMessage", &body).await
    }

    async fn send_file(&self, token: &Secret, file: &OutgoingFile, now: &Try) -> Result<SentMessage, ApiError> {
        let (method, field) = if now.document { DOCUMENT } else { method(&file.mime, size(file)) };
        let mut form = Form::new().text("chat_id", now.chat.clone()).part(field, part(file));
        if let Some(answered) = now.reply_parameters() {
            form = form.text("reply_parameters", answered.to_string());
        }
        if !file.caption.is_empty() {
            form = form.text("caption", now.text(&file.caption));
            if !now.plain {
                form = form.text("parse_mode", "HTML");
            }
        }
        self.api.upload(token, method, form).await
    }
}

fn sent(messages: &[SentMessage]) -> Sent {
    Sent {
        ids: messages.iter().map(|message| message.message_id.to_string()).collect(),
        peer: messages.first().map(|message| message.chat.id.to_string()),
    }
}

/// Spares an upload that Telegram would refuse.
fn check(what: &Outgoing) -> Result<(), Failure> {
    let files = match what {
        Outgoing::Text(_) => &[][..],
        Outgoing::File(file) => std::slice::from_ref(file),
        Outgoing::Album(files) => files,
    };
    if files.iter().any(|file| size(file) > CAPABILITIES.upload_limit) {
        return Err(Failure::permanent(Told::FileTooLarge, "over Telegram's 50 MB"));
    }
    if files.iter().any(|file| file.bytes.is_empty()) {
        return Err(Failure::permanent(Told::Rejected, "Telegram takes no empty file"));
    }
    Ok(())
}

pub(super) fn size(file: &OutgoingFile) -> u64 {
    u64::try_from(file.bytes.len()).unwrap_or(u64::MAX)
}

/// A chat's number, or the public name of a group or channel. A person is not reached by name or phone.
pub(super) fn chat_id(peer: &str) -> Result<String, Failure> {
    let peer = peer.trim();
    let digits = peer.strip_prefix('-').unwrap_or(peer);
    let number = (1..=20).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let name = peer.strip_prefix('@').is_some_and(|name| {
        (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    });
    if number || name {
        Ok(peer.to_owned())
    } else if peer.starts_with('+') {
        Err(Failure::permanent(Told::CannotWriteFirst, "a bot reaches nobody by phone"))
    } else {
        Err(Failure::permanent(Told::NoSuchRecipient, "not a chat of Telegram"))
    }
}

const DOCUMENT: (&str, &str) = ("sendDocument", "document");

/// The method and its field that show a file best. What a method would refuse or change goes as a document: pictures over
/// the limit, sounds other than those that Telegram plays, videos other than MP4.
pub(super) fn method(mime: &str, size: u64) -> (&'static str, &'static str) {
    let mime = mime.split(';').next().unwrap_or_default().trim();
    match mime.to_ascii_lowercase().as_str() {
        "image/jpeg" | "image/png" | "image/webp" if size <= CAPABILITIES.photo_limit => ("sendPhoto", "photo"),
        "audio/ogg" | "audio/opus" => ("sendVoice", "voice"),
        "audio/mpeg" | "audio/mp3" | "audio/mp4" | "audio/m4a" | "audio/x-m4a" => ("sendAudio", "audio"),
        "video/mp4" => ("sendVideo", "video"),
        _ => DOCUMENT,
    }
}

/// Telegram's HTML as plain text: tags go, a link keeps its address behind its text, entities become characters.
pub(super) fn plain(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut links: Vec<String> = Vec::new();
    let mut rest = html;
    while let Some((before, from_tag)) = rest.split_once('<') {
        out.push_str(&unescape(before));
        let Some((tag, after)) = from_tag.split_once('>') else {
            out.push('<');
            rest = from_tag;
            continue;
        };
        if let Some(link) = tag.strip_prefix("a href=\"") {
            links.push(unescape(link.trim_end_matches('"')));
        } else if tag == "/a"
            && let Some(link) = links.pop().filter(|link| !out.ends_with(link.as_str()))
        {
            out.push_str(" (");
            out.push_str(&link);
            out.push(')');
        }
        rest = after;
    }
    out.push_str(&unescape(rest));
    out
}

/// `&amp;` last, so that what was escaped twice is opened once.
fn unescape(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(mime: &str, size: usize) -> OutgoingFile {
        OutgoingFile { name: "name".into(), mime: mime.into(), caption: String::new(), bytes: vec![0; size] }
    }

    #[test]
    fn files_go_where_they_are_shown_best() {
        for (mime, name) in [
            ("image/jpeg", "sendPhoto"),
            ("image/PNG", "sendPhoto"),
            ("image/svg+xml", "sendDocument"),
            ("image/gif", "sendDocument"),
            ("audio/ogg; codecs=opus", "sendVoice"),
            ("audio/mpeg", "sendAudio"),
            ("video/mp4", "sendVideo"),
            ("video/webm", "sendDocument"),
            ("application/pdf", "sendDocument"),
            ("", "sendDocument"),
        ] {
            assert_eq!(method(mime, 1).0, name, "{mime}");
        }
        assert_eq!(method("image/jpeg", 11 << 20).0, "sendDocument");
    }

    #[test]
    fn what_telegram_would_refuse_is_not_uploaded() {
        let told = |size| check(&Outgoing::File(file("video/mp4", size))).map_err(|f| f.told);
        assert_eq!(told((50 << 20) + 1), Err(Told::FileTooLarge));
        assert_eq!(told(0), Err(Told::Rejected));
        assert_eq!(told(1), Ok(()));
    }

    #[test]
    fn html_becomes_readable_without_losing_addresses() {
        let html = r#"<b>1 &lt; 2</b> &amp;amp; <a href="https://a.example/?x=1&amp;y=2">here</a>"#;
        assert_eq!(plain(html), "1 < 2 &amp; here (https://a.example/?x=1&y=2)");
        let same = r#"<a href="https://a.example/">https://a.example/</a>"#;
        assert_eq!(plain(same), "https://a.example/");
        assert_eq!(plain("a < b"), "a < b");
    }

    #[test]
    fn only_chats_are_addresses() {
        for good in ["42", "-1001234567890", "@shop_channel"] {
            assert_eq!(chat_id(good).unwrap(), good);
        }
        assert_eq!(chat_id("+79001234567").unwrap_err().told, Told::CannotWriteFirst);
        for wrong in ["", "-", "@", "4 2", "@a/b", "79001234567@c.us"] {
            assert_eq!(chat_id(wrong).unwrap_err().told, Told::NoSuchRecipient, "{wrong}");
        }
    }

    #[test]
    fn each_objection_is_met_once() {
        let mut next = Try { chat: "1".into(), answers: None, plain: false, document: false, moved: false };
        assert!(next.mend(Some(Reason::Markup)) && next.plain);
        assert!(!next.mend(Some(Reason::Markup)));
        assert!(next.mend(Some(Reason::Moved(-100))) && next.chat == "-100");
        assert!(!next.mend(Some(Reason::Moved(-100))));
        assert!(!next.mend(Some(Reason::Blocked)) && !next.mend(None));
    }
}
