//! From where a request comes.

use std::net::{IpAddr, SocketAddr};

use actix_web::HttpRequest;
use ipnet::IpNet;

use crate::app::App;

/// Who asks: the peer, or whom a trusted proxy names. None when it cannot be told.
pub fn address(app: &App, request: &HttpRequest) -> Option<IpAddr> {
    let peer = request.peer_addr()?.ip();
    let header = request.headers().get("X-Forwarded-For").and_then(|value| value.to_str().ok());
    named(peer, header, &app.config.trusted_proxies)
}

/// The last address of the chain that no trusted proxy has. Who is not trusted names nobody: he may write what he likes.
fn named(peer: IpAddr, forwarded: Option<&str>, trusted: &[IpNet]) -> Option<IpAddr> {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
    let Some(chain) = forwarded else { return Some(peer) };
    let mut caller = peer;
    for hop in chain.rsplit(',') {
        if !is_trusted(caller) {
            break;
        }
        caller = hop.trim().parse().ok()?;
    }
    Some(caller)
}

/// Whether the request was made on this machine. A proxy here makes everybody look local: unless it is trusted to tell who
/// asks, a forwarded request is from anywhere.
fn is_local(app: &App, request: &HttpRequest) -> bool {
    let headers = request.headers();
    let forwarded = headers.contains_key("X-Forwarded-For") || headers.contains_key("Forwarded");
    let peer_tells = request
        .peer_addr()
        .is_some_and(|peer| app.config.trusted_proxies.iter().any(|network| network.contains(&peer.ip())));
    (!forwarded || peer_tells) && address(app, request).is_some_and(|caller| caller.is_loopback())
}

/// The listeners of the operators of the server.
#[derive(Clone, Default)]
pub struct Operators(pub Vec<SocketAddr>);

/// Whether an operator of the server asks: on `ADMIN_BIND`; without one on `BIND`, and there only from this machine.
pub fn is_operator(app: &App, operators: &Operators, request: &HttpRequest) -> bool {
    if operators.0.is_empty() {
        is_local(app, request)
    } else {
        operators.0.contains(&request.app_config().local_addr())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn only_trusted_proxies_name_somebody_else() {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "127.0.0.1/32".parse().unwrap()];
        let named = |peer: &str, chain: Option<&str>| named(ip(peer), chain, &trusted);
        assert_eq!(named("203.0.113.7", None), Some(ip("203.0.113.7")));
        assert_eq!(named("203.0.113.7", Some("127.0.0.1")), Some(ip("203.0.113.7")));
        assert_eq!(named("10.0.0.1", Some("198.51.100.9, 203.0.113.7")), Some(ip("203.0.113.7")));
        assert_eq!(named("10.0.0.1", Some("198.51.100.9, 10.0.0.2")), Some(ip("198.51.100.9")));
        assert_eq!(named("10.0.0.1", Some("nonsense")), None);
    }
}
