//! A server on loopback that answers what a test tells it, one reply per request, and keeps what it was asked.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use url::Url;

use crate::outgoing::{Guard, Outgoing};

/// What the server does with one request.
pub(super) enum Reply {
    /// Status, further header lines, body.
    Answer(u16, String, String),
    /// Hangs up without a word.
    HangUp,
    /// Says nothing for so long.
    Wait(Duration),
}

pub(super) fn json(status: u16, body: &str) -> Reply {
    let header = "Content-Type: application/json; charset=utf-8\r\n";
    Reply::Answer(status, header.to_owned(), body.to_owned())
}

pub(super) fn html(status: u16, body: &str) -> Reply {
    let header = "Content-Type: text/html\r\n";
    Reply::Answer(status, header.to_owned(), body.to_owned())
}

pub(super) fn redirect(status: u16, location: &str) -> Reply {
    Reply::Answer(status, format!("Location: {location}\r\n"), String::new())
}

#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// `POST /rest/app.info`.
    pub line: String,
    pub headers: String,
    pub body: String,
}

pub(super) struct Loopback {
    pub url: Url,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Loopback {
    pub(super) async fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        tokio::spawn(async move {
            let mut replies = VecDeque::from(replies);
            while let Ok((mut stream, _)) = listener.accept().await {
                let Some(request) = read_request(&mut stream).await else {
                    continue;
                };
                kept.lock().unwrap().push(request);
                match replies.pop_front() {
                    Some(Reply::Answer(status, headers, body)) => {
                        write_reply(&mut stream, status, &headers, &body).await;
                    }
                    Some(Reply::Wait(time)) => tokio::time::sleep(time).await,
                    Some(Reply::HangUp) | None => {}
                }
            }
        });
        Self { url: Url::parse(&url).unwrap(), asked }
    }

    pub(super) fn endpoint(&self) -> Url {
        self.url.join("/rest/").unwrap()
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

/// The guarded client with loopback open.
pub(super) fn outgoing() -> Outgoing {
    Outgoing::new(Guard::new(&["127.0.0.1"])).unwrap()
}

async fn read_request(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let length: usize = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(0, |(_, value)| value.trim().parse().unwrap());
    while bytes.len() < head_end + 4 + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let (line, headers) = head.split_once("\r\n").unwrap();
    Some(Asked {
        line: line.trim_end_matches(" HTTP/1.1").to_owned(),
        headers: headers.to_ascii_lowercase(),
        body: String::from_utf8_lossy(&bytes[head_end + 4..]).into_owned(),
    })
}

async fn write_reply(stream: &mut TcpStream, status: u16, headers: &str, body: &str) {
    let reply =
        format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
    // a client that has heard enough may hang up first
    let _ = stream.write_all(reply.as_bytes()).await;
    let _ = stream.shutdown().await;
}
