//! Albums: several files in one call, and in one frame on the client's phone.

use reqwest::multipart::Form;
use serde_json::json;

use super::{
    TelegramBot,
    error::ApiError,
    send::{Try, method, size},
    wire::SentMessage,
};
use crate::{
    messaging::{OutgoingFile, transfer::part},
    secret::Secret,
};

/// `sendMediaGroup`: "must include 2-10 items".
pub(super) const MOST: usize = 10;

/// "Documents and audio files can be only grouped in an album with messages of the same type"; pictures and videos go together,
/// voice messages in no album.
pub(super) fn kind(mime: &str, size: u64) -> Option<&'static str> {
    match method(mime, size).1 {
        "photo" | "video" => Some("visual"),
        kind @ ("document" | "audio") => Some(kind),
        _voice => None,
    }
}

impl TelegramBot {
    /// All of the files, or none of them.
    pub(super) async fn send_album(
        &self,
        token: &Secret,
        files: &[OutgoingFile],
        now: &Try,
    ) -> Result<Vec<SentMessage>, ApiError> {
        let item = |(at, file): (usize, &OutgoingFile)| {
            let kind = if now.document { "document" } else { method(&file.mime, size(file)).1 };
            let mut item = json!({ "type": kind, "media": format!("attach://file{at}") });
            if let Some(fields) = item.as_object_mut().filter(|_| !file.caption.is_empty()) {
                fields.insert("caption".to_owned(), json!(now.text(&file.caption)));
                fields.extend((!now.plain).then(|| ("parse_mode".to_owned(), json!("HTML"))));
            }
            item
        };
        let media: Vec<_> = files.iter().enumerate().map(item).collect();
        let mut form = Form::new().text("chat_id", now.chat.clone()).text("media", json!(media).to_string());
        if let Some(answered) = now.reply_parameters() {
            form = form.text("reply_parameters", answered.to_string());
        }
        for (at, file) in files.iter().enumerate() {
            form = form.part(format!("file{at}"), part(file));
        }
        self.api.upload(token, "sendMediaGroup", form).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_telegram_groups_goes_together() {
        assert_eq!(kind("image/jpeg", 1), kind("video/mp4", 1));
        assert_ne!(kind("image/jpeg", 1), kind("image/jpeg", 11 << 20), "too large for a picture");
        assert_eq!(kind("application/pdf", 1), kind("image/gif", 1));
        assert_ne!(kind("audio/mpeg", 1), kind("application/pdf", 1));
        assert_eq!(kind("audio/ogg", 1), None);
    }
}
