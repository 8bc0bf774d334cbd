//! Messages into an open line, and the word that an operator's message has gone out.

use serde::{Deserialize, Serialize};

use crate::{
    b24::{
        method::{Method, Scope},
        values,
    },
    domain::failure::{Failure, Retry, Told},
};

/// Writes into open-line chats. The portal checks no message id for uniqueness: never repeat blindly.
#[derive(Debug, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub struct SendMessages<'a> {
    pub connector: &'a str,
    pub line: i64,
    pub messages: &'a [LineMessage],
}

impl Method for SendMessages<'_> {
    type Output = SendReport;
    const NAME: &'static str = "imconnector.send.messages";
    const SCOPE: Scope = Scope::ImOpenLines;

    fn elements(&self) -> usize {
        self.messages.len()
    }
}

/// Changes the texts of messages that stand in open-line chats: of each the client's id, our id and the new text. The portal finds
/// a message by our id, keeps its files, and tells nobody.
#[derive(Debug, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub struct UpdateMessages<'a> {
    pub connector: &'a str,
    pub line: i64,
    pub messages: &'a [LineMessage],
}

impl Method for UpdateMessages<'_> {
    type Output = SendReport;
    const NAME: &'static str = "imconnector.update.messages";
    const SCOPE: Scope = Scope::ImOpenLines;
    const REPEATABLE: bool = true;

    fn elements(&self) -> usize {
        self.messages.len()
    }
}

/// One message; the inner keys are lower-case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LineMessage {
    pub user: LineUser,
    pub message: LineText,
    pub chat: LineChat,
}

/// The person outside. The portal's user is found by connector and `id`, whatever the line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LineUser {
    pub id: String,
    /// Letters, spaces, hyphens and apostrophes, at most 25 characters; nothing at all becomes "Guest".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub picture: Option<Picture>,
    /// A link to the person in the messenger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// E.164 with `+`. It must come with the first message to reach the CRM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Keeps a phone that the portal's own check would drop.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "values::some_yes_no")]
    pub skip_phone_validate: Option<bool>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Picture {
    pub url: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LineText {
    /// The messenger's id; kept by the portal as `CONNECTOR_MID`.
    pub id: String,
    /// Seconds since 1970.
    pub date: i64,
    /// BB-code. A text or a file must be there.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<LineFile>,
    /// Keeps phones and e-mails inside this text out of the CRM's tracker.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "values::some_yes_no")]
    pub disable_crm: Option<bool>,
    /// None: the client wrote it. `Some(0)`: a neutral note that fires no event (mirrors of what was sent elsewhere). An
    /// employee's id: fires `ONIMCONNECTORMESSAGEADD`, as if he had written it in the chat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<i64>,
}

/// The portal fetches the file during the call and drops it silently when it cannot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LineFile {
    pub url: String,
    /// With an extension.
    pub name: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LineChat {
    /// The external chat id: comes back as `chat.id` in events.
    pub id: String,
    /// The title of a group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SendReport {
    /// What became of each message, in the order of the call.
    pub outcomes: Vec<SendOutcome>,
}

impl<'de> Deserialize<'de> for SendReport {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// `{"SUCCESS": …, "DATA": {"RESULT": […]}}`, where `DATA` may be `[]`.
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "UPPERCASE", default)]
        struct Envelope {
            #[serde(deserialize_with = "values::some")]
            data: Option<Data>,
        }
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "UPPERCASE", default)]
        struct Data {
            #[serde(deserialize_with = "values::list")]
            result: Vec<SendOutcome>,
        }
        Ok(Self { outcomes: Envelope::deserialize(deserializer)?.data.unwrap_or_default().result })
    }
}

/// What became of one message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SendOutcome {
    /// The client's user in the portal.
    #[serde(deserialize_with = "values::some_id")]
    pub user: Option<i64>,
    #[serde(deserialize_with = "values::some")]
    pub message: Option<Echo>,
    #[serde(deserialize_with = "values::some")]
    pub chat: Option<Echo>,
    #[serde(rename = "SUCCESS", deserialize_with = "values::flag")]
    pub success: bool,
    /// Texts in the portal's language, and sometimes a code.
    #[serde(rename = "ERRORS", deserialize_with = "values::texts")]
    pub errors: Vec<String>,
    /// The open session; may be missing, then `imopenlines.session.open` knows the chat.
    #[serde(deserialize_with = "values::some")]
    pub session: Option<SessionRef>,
}

/// Our own id as the portal repeats it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Echo {
    #[serde(deserialize_with = "values::text")]
    pub id: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE", default)]
pub struct SessionRef {
    #[serde(deserialize_with = "values::some_id")]
    pub id: Option<i64>,
    /// The portal's own chat id.
    #[serde(deserialize_with = "values::some_id")]
    pub chat_id: Option<i64>,
}

impl SendOutcome {
    /// Why this message did not get into the chat; None when it did. The portal refused it before writing, so it is
    /// certain; it may have been the fetch of a file, so a later try can do better.
    pub fn failure(&self) -> Option<Failure> {
        if self.success {
            return None;
        }
        let incomplete = self.errors.iter().any(|error| error.contains("NOT_ALL_THE_REQUIRED_DATA"));
        let failure = Failure::permanent(
            Told::Rejected,
            format_args!("the portal refused the message ({} errors)", self.errors.len()),
        );
        Some(if incomplete { failure } else { failure.retry(Retry::Backoff) })
    }
}

/// Tells the portal which messages of operators have reached the messenger: the spinner stops, our ids are kept.
#[derive(Debug, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub struct SendStatusDelivery<'a> {
    pub connector: &'a str,
    pub line: i64,
    pub messages: &'a [DeliveredMessage],
}

impl Method for SendStatusDelivery<'_> {
    type Output = values::Done;
    const NAME: &'static str = "imconnector.send.status.delivery";
    const SCOPE: Scope = Scope::ImOpenLines;
    const REPEATABLE: bool = true;

    fn elements(&self) -> usize {
        self.messages.len()
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DeliveredMessage {
    pub im: ImRef,
    pub message: DeliveredIds,
    pub chat: DeliveredChat,
}

/// A message as the portal's chat knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ImRef {
    pub chat_id: i64,
    pub message_id: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DeliveredIds {
    /// All messages that the operator's one has become; a list even for one.
    pub id: Vec<String>,
    /// Seconds since 1970.
    pub date: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DeliveredChat {
    /// The external chat id.
    pub id: String,
}

#[cfg(test)]
mod tests {
    use serde_json::{json, to_value};

    use super::*;

    #[test]
    fn a_message_has_lower_case_keys_and_no_empty_ones() {
        let message = LineMessage {
            user: LineUser {
                id: "555".into(),
                name: Some("Anna".into()),
                phone: Some("+79001234567".into()),
                skip_phone_validate: Some(true),
                ..LineUser::default()
            },
            message: LineText { id: "77".into(), date: 1_760_000_000, text: "hello".into(), ..LineText::default() },
            chat: LineChat { id: "ab12cd34:555".into(), ..LineChat::default() },
        };
        let call = SendMessages { connector: "chatapp_telegram", line: 107, messages: &[message] };
        assert_eq!(
            to_value(call).unwrap(),
            json!({"CONNECTOR": "chatapp_telegram", "LINE": 107, "MESSAGES": [{
                "user": {"id": "555", "name": "Anna", "phone": "+79001234567", "skip_phone_validate": "Y"},
                "message": {"id": "77", "date": 1_760_000_000, "text": "hello"},
                "chat": {"id": "ab12cd34:555"}
            }]})
        );
    }

    #[test]
    fn a_mirror_is_written_by_user_zero() {
        let text = LineText { user_id: Some(0), ..LineText::default() };
        assert_eq!(to_value(text).unwrap()["user_id"], json!(0));
    }

    #[test]
    fn outcomes_are_told_one_by_one() {
        let report: SendReport = serde_json::from_value(json!({"SUCCESS": true, "DATA": {"RESULT": [
            {"user": "585", "message": {"id": "77", "date": {}, "text": "hello", "files": []},
             "chat": {"id": "ab12cd34:555", "name": ""}, "SUCCESS": true, "ERRORS": [],
             "session": {"ID": "323", "CHAT_ID": "1767"}},
            {"user": 0, "message": {"id": 78}, "chat": [], "SUCCESS": false,
             "ERRORS": ["IMCONNECTOR_NOT_ALL_THE_REQUIRED_DATA"]},
            {"message": {"id": "79"}, "SUCCESS": "Y", "session": []}
        ]}}))
        .unwrap();
        let [first, second, third] = report.outcomes.as_slice() else { panic!("{report:?}") };
        assert!(first.failure().is_none());
        assert_eq!(first.user, Some(585));
        assert_eq!(first.session, Some(SessionRef { id: Some(323), chat_id: Some(1767) }));
        let failure = second.failure().unwrap();
        assert_eq!((failure.retry, failure.certain), (Retry::Never, true));
        assert_eq!(second.message.as_ref().unwrap().id, "78");
        assert!(third.failure().is_none() && third.session.is_none());
    }

    #[test]
    fn an_empty_answer_has_no_outcomes() {
        for value in [json!({"SUCCESS": true, "DATA": []}), json!({})] {
            let report: SendReport = serde_json::from_value(value).unwrap();
            assert!(report.outcomes.is_empty());
        }
    }
}
