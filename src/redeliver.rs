//! The verb `redeliver`: lists what was given up, and has it tried again. It asks the running server at the operators' address, because
//! an embedded database has one process, and a running server knows at once that there is work.

use std::{net::SocketAddr, time::Duration};

use clap::Args;
use serde::Deserialize;
use url::Url;

use crate::{
    app::StartError,
    clock::{Clock, Millis},
    config::{Config, Flags},
    outgoing::{Guard, Outgoing, read_limited},
    web::{Chosen, OPERATOR_HEADER},
};

const TIMEOUT: Duration = Duration::from_mins(1);
/// A thousand of each kind with their reasons.
const ANSWER_LIMIT: usize = 8 * 1024 * 1024;

#[derive(Args, Debug)]
pub struct RedeliverFlags {
    /// Only of this portal (its `member_id`)
    #[arg(long)]
    portal: Option<String>,
    /// Only this delivery; may be repeated
    #[arg(long)]
    delivery: Vec<i64>,
    /// Only this inbox item; may be repeated
    #[arg(long)]
    inbox: Vec<i64>,
    /// Only what ended in this time: `90m`, `24h`, `7d`
    #[arg(long, value_parser = span)]
    since: Option<Duration>,
    /// Has what is listed tried again. Without it nothing changes
    #[arg(long)]
    put_back: bool,
    #[command(flatten)]
    settings: Flags,
}

#[derive(Deserialize)]
struct Listed {
    deliveries: Vec<Delivery>,
    inbox: Vec<Item>,
}

#[derive(Deserialize)]
struct Delivery {
    id: i64,
    portal: String,
    kind: String,
    state: String,
    message: Option<i64>,
    told: Option<String>,
    error: Option<String>,
    created_at: i64,
    ended_at: i64,
}

#[derive(Deserialize)]
struct Item {
    id: i64,
    portal: String,
    source: String,
    error: Option<String>,
    received_at: i64,
}

#[derive(Deserialize)]
struct PutBack {
    deliveries: usize,
    inbox: usize,
}

/// Runs the verb.
pub async fn run(flags: RedeliverFlags) -> Result<(), StartError> {
    let config = Config::load(&flags.settings)?;
    let now = Clock::system().now();
    let chosen = Chosen {
        portal: flags.portal,
        since: flags.since.map(|span| now.before(span).0),
        deliveries: flags.delivery,
        inbox: flags.inbox,
    };
    if flags.put_back {
        let done: PutBack = ask(&config, "/redeliver", &chosen).await?;
        println!("Tried again: {} deliveries, {} inbox items.", done.deliveries, done.inbox);
        return Ok(());
    }
    let listed: Listed = ask(&config, "/dead", &chosen).await?;
    print!("{}", text(&listed, now));
    Ok(())
}

/// Where the operators' routes are answered, as this machine reaches it.
fn address(config: &Config) -> std::io::Result<SocketAddr> {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs as _};
    let bound = config.admin_bind.as_ref().unwrap_or(&config.bind);
    let found = bound.to_socket_addrs()?.next();
    let mut address = found.ok_or_else(|| std::io::Error::other(format!("{bound} is no address")))?;
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _bound => {}
    }
    Ok(address)
}

async fn ask<T: serde::de::DeserializeOwned>(config: &Config, path: &str, chosen: &Chosen) -> Result<T, StartError> {
    let failed = |why: String| StartError::Io(std::io::Error::other(why));
    let address = address(config)?;
    let url = Url::parse(&format!("http://{address}{path}")).map_err(|error| failed(error.to_string()))?;
    let outgoing = Outgoing::new(Guard::new(&[address.ip().to_string()]))?;
    let request = outgoing.post(url)?.header(OPERATOR_HEADER, "redeliver").timeout(TIMEOUT).json(chosen);
    let answer = request.send().await.map_err(|_why| failed(format!("no server answers at {address}")))?;
    let status = answer.status();
    if !status.is_success() {
        return Err(failed(format!("the server at {address} answered {status}")));
    }
    let body = read_limited(answer, ANSWER_LIMIT).await?;
    serde_json::from_slice(&body).map_err(|error| failed(format!("the answer of {address} is not understood: {error}")))
}

fn text(listed: &Listed, now: Millis) -> String {
    let age = |at: i64| {
        let minutes = now.wait_from(Millis(at)).as_secs() / 60;
        if minutes < 120 { format!("{minutes} min") } else { format!("{} h", minutes / 60) }
    };
    let mut lines = Vec::new();
    for it in &listed.deliveries {
        let message = it.message.map_or_else(String::new, |id| format!(", message {id}"));
        lines.push(format!(
            "delivery {} of portal {}: {} {}{message}, {} old, ended {} ago\n  {}: {}",
            it.id,
            it.portal,
            it.kind,
            it.state,
            age(it.created_at),
            age(it.ended_at),
            it.told.as_deref().unwrap_or("-"),
            it.error.as_deref().unwrap_or("-"),
        ));
    }
    for it in &listed.inbox {
        let (error, received) = (it.error.as_deref().unwrap_or("-"), age(it.received_at));
        lines.push(format!("inbox {} of portal {}: from {}, {received} old\n  {error}", it.id, it.portal, it.source));
    }
    let (deliveries, inbox) = (listed.deliveries.len(), listed.inbox.len());
    lines.push(format!(
        "{deliveries} deliveries and {inbox} inbox items were given up. --put-back has them tried again.\n"
    ));
    lines.join("\n")
}

/// `90m`, `24h`, `7d`.
fn span(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a time like 90m, 24h or 7d");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let number: u64 = text.strip_suffix(unit).and_then(|number| number.parse().ok()).ok_or_else(wrong)?;
    let seconds = match unit {
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _other => return Err(wrong()),
    };
    Ok(Duration::from_secs(number.saturating_mul(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read() {
        assert_eq!(span("90m"), Ok(Duration::from_mins(90)));
        assert_eq!(span("24h"), Ok(Duration::from_hours(24)));
        assert_eq!(span("7d"), Ok(Duration::from_hours(168)));
        for wrong in ["", "h", "7", "7y", "-1h", "7ч"] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
    }
}
