//! A page in a frame without a browser: posted as the portal's page posts it, obeyed as `templates/frame.js` obeys its
//! attributes. Stories that need a real browser are told in one.

use reqwest::{Method, RequestBuilder, header::HeaderMap};
use sandbox::{
    messengers::Cabinet,
    portal::{FrameForm, Portal},
};
use serde_json::{Value, json};

use super::Story;

pub struct Frame<'s> {
    story: &'s Story,
    portal: Portal,
    form: FrameForm,
    pub status: u16,
    pub headers: HeaderMap,
    pub html: String,
    session: Option<String>,
    /// How often a form was sent, for its `once` key.
    sent: u32,
}

/// What our server answered to the page's script.
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Answer {
    /// Fails with the words that the person would read.
    pub fn is_done(&self) {
        assert!(self.status == 200, "refused with {}: {}", self.status, self.body);
    }

    /// The code of the failure; empty when there was none.
    pub fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    /// What the person reads of the failure.
    pub fn told(&self) -> &str {
        self.body["error"]["text"].as_str().unwrap_or_default()
    }
}

impl<'s> Frame<'s> {
    pub async fn load(story: &'s Story, portal: &Portal, form: FrameForm) -> Self {
        let answer = story.http().post(&form.url).form(&form.fields).send().await.expect("the server answers");
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let html = answer.text().await.expect("a page is text");
        let session = page_data(&html).and_then(|data| Some(data["session"].as_str()?.to_owned()));
        Self { story, portal: portal.clone(), form, status, headers, html, session, sent: 0 }
    }

    /// Fails unless the page opened with a session.
    pub fn is_open(&self) {
        assert!(
            self.status == 200 && self.session.is_some(),
            "the page did not open ({}): {}",
            self.status,
            self.text()
        );
    }

    pub fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    /// What a person reads on the page.
    pub fn text(&self) -> String {
        text_of(&self.html)
    }

    /// Where the page's links lead.
    pub fn links(&self) -> Vec<String> {
        attribute(&self.html, "href")
    }

    pub fn says(&self, words: &str) {
        assert!(self.text().contains(words), "the page does not say `{words}` but: {}", self.text());
    }

    /// A request of the page's script.
    pub async fn asks(&mut self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let request = self.story.http().request(method, self.story.url(path));
        let request = request.bearer_auth(self.session.as_deref().unwrap_or_default());
        let request = body.iter().fold(request, RequestBuilder::json);
        let answer = request.send().await.expect("the server answers");
        let status = answer.status().as_u16();
        let body: Value = answer.json().await.unwrap_or_default();
        if let Some(html) = body["html"].as_str() {
            html.clone_into(&mut self.html);
        }
        Answer { status, body }
    }

    pub async fn looks(&mut self, path: &str) -> Answer {
        self.asks(Method::GET, path, None).await
    }

    /// A filled form is sent, with a key of its own.
    pub async fn sends(&mut self, path: &str, fields: &Value) -> Answer {
        self.sent += 1;
        let mut body = fields.clone();
        body["once"] = json!(format!("{}-{}", self.form.app_sid, self.sent));
        self.asks(Method::POST, path, Some(&body)).await
    }

    /// What the script does on the wizard's page: begins the work, and asks until the page asks no more.
    pub async fn runs_installation(&mut self) {
        self.is_open();
        for path in attribute(&self.html, "data-start") {
            self.asks(Method::POST, &path, Some(&json!({}))).await.is_done();
        }
        self.follows().await;
    }

    /// Asks again as long as the page wants to be asked. (Without the page's pauses.)
    async fn follows(&mut self) {
        let deadline = tokio::time::Instant::now() + super::story::PATIENCE;
        while let Some(path) = attribute(&self.html, "data-poll").first().cloned() {
            assert!(tokio::time::Instant::now() < deadline, "the page still waits: {}", self.text());
            self.looks(&path).await.is_done();
            tokio::task::yield_now().await;
        }
    }

    /// The page has told its script to end the installation, and the portal's bridge carries it.
    pub fn finishes_as_the_script_does(&self) {
        assert_eq!(attribute(&self.html, "data-finish"), ["auto"], "the page does not end by itself: {}", self.text());
        self.bridge("setInstallFinish", &json!({})).expect("the portal takes the end of the installation");
    }

    /// What the portal does for a command of the page.
    pub fn bridge(&self, command: &str, params: &Value) -> Result<Value, String> {
        self.portal.bridge(&self.form.app_sid, command, params)
    }

    /// The script renews the session with a fresh right of the person who looks.
    pub async fn renews_session(&mut self) -> Answer {
        let fresh = self.bridge("refreshAuth", &json!({})).expect("the portal gives a fresh right");
        let answer = self.asks(Method::POST, "/frame/session/renew", Some(&json!({"auth_id": fresh["AUTH_ID"]}))).await;
        if let Some(session) = answer.body["session"].as_str() {
            self.session = Some(session.to_owned());
        }
        answer
    }

    pub async fn adds_chatapp_account(&mut self, cabinet: &Cabinet) -> Answer {
        let fields = json!({
            "kind": "chatapp", "email": cabinet.email, "password": cabinet.password, "app_id": cabinet.app_id,
        });
        self.sends("/frame/connector/account", &fields).await
    }

    /// The owner of the account consents that his password is kept.
    pub async fn adds_chatapp_account_for_good(&mut self, cabinet: &Cabinet) -> Answer {
        let fields = json!({
            "kind": "chatapp", "email": cabinet.email, "password": cabinet.password, "app_id": cabinet.app_id,
            "keep_password": "on",
        });
        self.sends("/frame/connector/account", &fields).await
    }

    /// "Refresh the list".
    pub async fn refreshes_accounts(&mut self) -> Answer {
        self.asks(Method::POST, "/frame/accounts/refresh", Some(&json!({}))).await
    }

    pub async fn adds_telegram_bot(&mut self, token: &str) -> Answer {
        self.sends("/frame/connector/account", &json!({"kind": "telegram_bot", "token": token})).await
    }

    /// Channels that can be chosen.
    pub fn free_channels(&self) -> Vec<String> {
        let radios = tags(&self.html, "input").into_iter().filter(|tag| tag.contains("name=\"channel\""));
        radios.filter(|tag| !tag.contains(" disabled")).flat_map(|tag| attribute(&tag, "value")).collect()
    }

    pub async fn connects(&mut self, channel: &str) -> Answer {
        self.sends("/frame/connector/connect", &json!({"channel": channel})).await
    }

    pub async fn disconnects(&mut self) -> Answer {
        self.asks(Method::POST, "/frame/connector/disconnect", Some(&json!({}))).await
    }
}

/// The data that the page gives its script.
fn page_data(html: &str) -> Option<Value> {
    let start = html.find("id=\"page\"")?;
    let rest = &html[start..];
    let json = rest.split_once('>')?.1.split_once("</script>")?.0;
    serde_json::from_str(json).ok()
}

/// Opening tags of a name, as they are written.
fn tags(html: &str, name: &str) -> Vec<String> {
    html.split('<')
        .filter(|piece| piece.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '>'])))
        .map(|piece| piece.split('>').next().unwrap_or_default().to_owned())
        .collect()
}

/// Values of an attribute, in the order of the page.
fn attribute(html: &str, name: &str) -> Vec<String> {
    let start = format!(" {name}=\"");
    html.match_indices(&start)
        .map(|(at, found)| plain(html[at + found.len()..].split('"').next().unwrap_or_default()))
        .collect()
}

/// What is read of a page: no tags, no scripts, no styles; one space between words.
pub fn text_of(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some((before, tag)) = rest.split_once('<') {
        text.push_str(before);
        text.push(' ');
        let hidden = ["script", "style", "title"].into_iter().find(|name| tag.starts_with(name));
        rest = match hidden {
            Some(name) => tag.split_once(&format!("</{name}>")).map_or("", |(_, rest)| rest),
            None => tag.split_once('>').map_or("", |(_, rest)| rest),
        };
    }
    text.push_str(rest);
    plain(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Character references as the templates write them.
fn plain(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}
