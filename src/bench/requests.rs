//! What portals and ChatApp post to us, one body for each number, and the names of the tenants that they belong to.

use std::{io::Write as _, net::SocketAddr, sync::Arc};

use super::load::Make;

pub const CLIENT_ID: &str = "app.bench.1";
pub const CLIENT_SECRET: &str = "bench-client-secret";
/// The same in the process that fills a database and in the server that opens it.
pub const APP_SECRET: &str = "a secret of the bench alone, 32 characters or more";
pub const CONNECTOR: &str = "chatapp_whatsapp";
pub const MESSENGER: &str = "grWhatsApp";
pub const LINE: i64 = 1;
/// The portal's message ids begin here, so that all have the same length.
const FIRST_ID: usize = 1_000_000_000;

/// How many tenants there are: message `n` is of chat `n % chats`, chat `c` of portal `c % portals`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    pub portals: usize,
    pub chats: usize,
}

impl Layout {
    pub fn chat_of(self, number: usize) -> usize {
        number % self.chats
    }

    pub fn portal_of(self, chat: usize) -> usize {
        chat % self.portals
    }

    pub fn chats_of(self, portal: usize) -> impl Iterator<Item = usize> {
        (portal..self.chats).step_by(self.portals)
    }
}

pub fn member_id(portal: usize) -> String {
    format!("{portal:032x}")
}

pub fn application_token(portal: usize) -> String {
    format!("application-token-{portal:014}")
}

pub fn channel_id(portal: usize) -> String {
    format!("b{portal:07}")
}

pub fn webhook_secret(portal: usize) -> String {
    format!("webhook-secret-{portal:028}")
}

pub fn license(portal: usize) -> usize {
    1000 + portal
}

pub fn phone(chat: usize) -> String {
    format!("7900{chat:07}")
}

pub fn peer(chat: usize) -> String {
    format!("{}@c.us", phone(chat))
}

/// The number that a text of ours carries.
pub fn number_in(text: &[u8]) -> Option<usize> {
    let at = text.iter().position(|byte| *byte == b'#')?;
    let digits = text.get(at + 1..)?.split(|byte| !byte.is_ascii_digit()).next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// A text of usual length that carries its number.
pub fn text(number: usize) -> String {
    format!("#{number:09} Good afternoon! Your order is packed and leaves the warehouse today.")
}

/// An operator's message, as Bitrix24 posts it.
pub fn event(to: SocketAddr, layout: Layout) -> Make {
    Arc::new(move |number, request| {
        let chat = layout.chat_of(number);
        let data = [
            ("[CONNECTOR]", CONNECTOR.to_owned()),
            ("[LINE]", LINE.to_string()),
            ("[MESSAGES][0][im][chat_id]", (5000 + chat).to_string()),
            ("[MESSAGES][0][im][message_id]", (FIRST_ID + number).to_string()),
            ("[MESSAGES][0][message][user_id]", "1".to_owned()),
            ("[MESSAGES][0][message][text]", text(number)),
            ("[MESSAGES][0][chat][id]", format!("{}:{}", channel_id(layout.portal_of(chat)), peer(chat))),
        ];
        form(to, ("ONIMCONNECTORMESSAGEADD", &data), layout.portal_of(chat), request);
    })
}

/// An event that is kept, understood, and asks for nothing: what remains of it is the intake alone.
pub fn idle_event(to: SocketAddr, layout: Layout) -> Make {
    Arc::new(move |number, request| {
        let chat = layout.chat_of(number);
        let data = [
            ("[CONNECTOR]", CONNECTOR.to_owned()),
            ("[LINE]", LINE.to_string()),
            ("[DATA][0][connector][connector_id]", CONNECTOR.to_owned()),
            ("[DATA][0][connector][line_id]", LINE.to_string()),
            ("[DATA][0][connector][chat_id]", format!("{}:{}", channel_id(layout.portal_of(chat)), peer(chat))),
            ("[DATA][0][session][id]", (FIRST_ID + number).to_string()),
            ("[DATA][0][session][closed]", "N".to_owned()),
        ];
        form(to, ("ONIMCONNECTORDIALOGSTART", &data), layout.portal_of(chat), request);
    })
}

fn form(to: SocketAddr, (event, data): (&str, &[(&str, String)]), portal: usize, request: &mut Vec<u8>) {
    let mut body = format!("event={event}&event_handler_id=77");
    for (key, value) in data {
        pair(&mut body, &format!("data{key}"), value);
    }
    let auth = [
        ("domain", format!("portal-{portal}.bitrix24.example")),
        ("client_endpoint", format!("https://portal-{portal}.bitrix24.example/rest/")),
        ("server_endpoint", "https://oauth.bitrix24.example/rest/".to_owned()),
        ("member_id", member_id(portal)),
        ("application_token", application_token(portal)),
        ("access_token", format!("access-token-{portal:051}")),
        ("expires", "1795305600".to_owned()),
        ("expires_in", "3600".to_owned()),
        ("scope", "bizproc,crm,imconnector,imopenlines,placement".to_owned()),
        ("status", "L".to_owned()),
        ("user_id", "1".to_owned()),
    ];
    pair(&mut body, "ts", "1795302000");
    for (key, value) in &auth {
        pair(&mut body, &format!("auth[{key}]"), value);
    }
    post(to, ("/b24/events", "application/x-www-form-urlencoded"), body.as_bytes(), request);
}

fn pair(body: &mut String, key: &str, value: &str) {
    body.push('&');
    let encode = |text| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC);
    body.extend(encode(key));
    body.push('=');
    body.extend(encode(value));
}

/// A client's message, as ChatApp posts it.
pub fn webhook(to: SocketAddr, layout: Layout) -> Make {
    Arc::new(move |number, request| {
        let chat = layout.chat_of(number);
        let portal = layout.portal_of(chat);
        let (peer, phone, text, license) = (peer(chat), phone(chat), text(number), license(portal));
        let body = format!(
            r#"{{"meta":{{"type":"message","licenseId":{license},"messengerType":"{MESSENGER}"}},"data":[{{"id":"m{number}","internalId":"m{number}","fromApi":false,"fromMe":false,"side":"in","time":1795302000,"type":"text","message":{{"text":"{text}","caption":"","file":null}},"fromUser":{{"id":"{peer}","name":"Anna Orlova","phone":"{phone}","username":null}},"fromApp":null,"chat":{{"id":"{peer}","hash":null,"type":"private","phone":"{phone}","username":null,"email":null,"name":"Anna Orlova","image":null}}}}]}}"#
        );
        let path = format!("/core/chatapp/{}/{}", channel_id(portal), webhook_secret(portal));
        post(to, (&path, "application/json"), body.as_bytes(), request);
    })
}

/// Any post.
pub fn post(to: SocketAddr, (path, kind): (&str, &str), body: &[u8], request: &mut Vec<u8>) {
    // Writing into memory does not fail.
    let _ = write!(
        request,
        "POST {path} HTTP/1.1\r\nHost: {to}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    request.extend_from_slice(body);
}

pub fn get(to: SocketAddr, path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: {to}\r\n\r\n").into_bytes()
}
