//! The one door for outgoing calls.
//!
//! Who is who: [`Outgoing`] holds the HTTP client that everybody uses; [`Guard`] decides which addresses it may reach. Hosts
//! are named by portals, messengers and clients, so a name may point into our own network: every name is resolved here,
//! only checked addresses are connected to (no second look-up in between), redirects are never followed by the client
//! itself, and each hop of a followed one is checked again. `ALLOW_HOSTS` opens on-premise networks and tests.

use std::{
    future::poll_fn,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::Pin,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Duration,
};

use futures_util::StreamExt as _;
use ipnet::IpNet;
use reqwest::{
    Method, Response, StatusCode,
    dns::{Addrs, Name, Resolve, Resolving},
    header,
};
use url::{Host, Url};

/// Bitrix24 cuts a call after 60 s (its `limits.md`); a little more lets its own answer arrive first.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(65);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const USER_AGENT: &str = concat!("chatapp-server/", env!("CARGO_PKG_VERSION"));
const MAX_REDIRECTS: usize = 5;

/// Why a call was not made, or its answer not taken.
#[derive(Debug, thiserror::Error)]
pub enum OutgoingError {
    #[error("the address is not one that this server may call")]
    Forbidden,
    #[error("the address is not an http or https URL")]
    NotHttp,
    #[error("too many redirects")]
    Redirects,
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    /// No connection was made: it certainly did not happen.
    #[error("could not connect")]
    Connect,
    /// This process may have been given up for dead, and another one may be doing its work.
    #[error("this node is silent")]
    Silent,
    /// The request may have arrived.
    #[error("no answer")]
    NoAnswer,
    #[error("the client could not be built: {0}")]
    Setup(String),
}

impl OutgoingError {
    /// True when the other side certainly did not see the request.
    pub fn is_certain(&self) -> bool {
        !matches!(self, Self::NoAnswer | Self::TooLarge(_))
    }
}

impl From<reqwest::Error> for OutgoingError {
    /// reqwest's own text may hold the URL, and URLs of files and bots are secrets: only the kind is kept.
    fn from(error: reqwest::Error) -> Self {
        if error.is_connect() || error.is_builder() { Self::Connect } else { Self::NoAnswer }
    }
}

/// Which addresses may be called besides public ones.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    hosts: Vec<String>,
    networks: Vec<IpNet>,
}

impl Guard {
    /// Reads `ALLOW_HOSTS`: host names, addresses and networks.
    pub fn new<S: AsRef<str>>(allowed: &[S]) -> Self {
        let mut guard = Self::default();
        for entry in allowed.iter().map(|e| e.as_ref().trim()).filter(|e| !e.is_empty()) {
            if let Ok(network) = IpNet::from_str(entry) {
                guard.networks.push(network);
            } else if let Ok(address) = IpAddr::from_str(entry) {
                guard.networks.push(IpNet::from(address));
            } else {
                guard.hosts.push(entry.to_ascii_lowercase());
            }
        }
        guard
    }

    fn allows_name(&self, name: &str) -> bool {
        self.hosts.iter().any(|host| host.eq_ignore_ascii_case(name))
    }

    fn allows_address(&self, address: IpAddr) -> bool {
        is_public(address) || self.networks.iter().any(|network| network.contains(&address))
    }

    /// Checks what can be checked before a name is resolved.
    fn check(&self, url: &Url) -> Result<(), OutgoingError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(OutgoingError::NotHttp);
        }
        let address = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            Some(Host::Domain(_)) => return Ok(()),
            None => return Err(OutgoingError::NotHttp),
        };
        if self.allows_address(address) { Ok(()) } else { Err(OutgoingError::Forbidden) }
    }
}

/// Addresses that belong to everybody; the ranges are those of IANA's special-purpose registries (RFC 6890 and later).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [first, second, third, _] = v4.octets();
    let shared = first == 100 && (64..128).contains(&second);
    let protocol = first == 192 && second == 0 && third == 0;
    let benchmark = first == 198 && (second == 18 || second == 19);
    !(first == 0
        || first >= 240
        || shared
        || protocol
        || benchmark
        || v4.is_private()
        || v4.is_loopback()
        || v4.is_link_local()
        || v4.is_documentation()
        || v4.is_multicast())
}

fn is_public_v6(v6: Ipv6Addr) -> bool {
    match v6.segments() {
        // v4-mapped, NAT64 and 6to4 addresses carry an IPv4 address
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            is_public_v4(embedded_v4(high, low))
        }
        // documentation; Teredo
        [0x2001, 0xdb8 | 0, ..] => false,
        // global unicast
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

fn embedded_v4(high: u16, low: u16) -> Ipv4Addr {
    let [first, second] = high.to_be_bytes();
    let [third, fourth] = low.to_be_bytes();
    Ipv4Addr::new(first, second, third, fourth)
}

/// What allows the calls of one piece of work, see [`only_while`].
struct Leave {
    may_call: Box<dyn Fn() -> bool + Send + Sync>,
    has_called: AtomicBool,
}

tokio::task_local! {
    static LEAVE: Arc<Leave>;
}

/// Does work whose calls are made only while they may be. None: a call was under way when they might no longer be, and was broken
/// off. That is asked at every step, because a process that was stopped in the middle of a call wakes up there, when another may
/// have made it.
pub async fn only_while<W: Future>(
    may_call: impl Fn() -> bool + Send + Sync + 'static,
    mut work: Pin<&mut W>,
) -> Option<W::Output> {
    let leave = Arc::new(Leave { may_call: Box::new(may_call), has_called: AtomicBool::new(false) });
    let steps = poll_fn(|context| {
        let is_over = LEAVE.with(|leave| leave.has_called.load(Ordering::Relaxed) && !(leave.may_call)());
        if is_over { Poll::Ready(None) } else { work.as_mut().poll(context).map(Some) }
    });
    LEAVE.scope(leave, steps).await
}

fn has_leave() -> bool {
    let asked = LEAVE.try_with(|leave| {
        leave.has_called.store(true, Ordering::Relaxed);
        (leave.may_call)()
    });
    asked.unwrap_or(true)
}

struct GuardedResolver(Arc<Guard>);

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = Arc::clone(&self.0);
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let any = guard.allows_name(&host);
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> = found.filter(|address| any || guard.allows_address(address.ip())).collect();
            if allowed.is_empty() {
                return Err(Box::<dyn std::error::Error + Send + Sync>::from(OutgoingError::Forbidden));
            }
            let addresses: Addrs = Box::new(allowed.into_iter());
            Ok(addresses)
        })
    }
}

/// The guarded HTTP client. Cheap to clone.
#[derive(Clone)]
pub struct Outgoing {
    client: reqwest::Client,
    guard: Arc<Guard>,
    may_call: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl Outgoing {
    pub fn new(guard: Guard) -> Result<Self, OutgoingError> {
        // A second call finds a provider installed: that is the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let guard = Arc::new(guard);
        #[expect(clippy::disallowed_methods, reason = "this is the guarded client that the others are sent to")]
        let client = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_TIMEOUT)
            .dns_resolver(Arc::new(GuardedResolver(Arc::clone(&guard))))
            .build()
            .map_err(|error| OutgoingError::Setup(error.to_string()))?;
        Ok(Self { client, guard, may_call: Arc::new(|| true) })
    }

    /// Calls only while this is so, whatever the work. It is asked last of all, so that a process which was stopped on the way to a
    /// call and wakes up does not make it.
    #[must_use]
    pub fn only_while(self, may_call: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self { may_call: Arc::new(may_call), ..self }
    }

    /// A request to a checked URL, to be sent at once. Redirects are not followed: see [`Outgoing::download`] and `b24::transport`.
    pub fn request(&self, method: Method, url: Url) -> Result<reqwest::RequestBuilder, OutgoingError> {
        self.guard.check(&url)?;
        if !(self.may_call)() || !has_leave() {
            return Err(OutgoingError::Silent);
        }
        Ok(self.client.request(method, url))
    }

    pub fn post(&self, url: Url) -> Result<reqwest::RequestBuilder, OutgoingError> {
        self.request(Method::POST, url)
    }

    pub fn get(&self, url: Url) -> Result<reqwest::RequestBuilder, OutgoingError> {
        self.request(Method::GET, url)
    }

    /// Fetches a file, following at most five redirects, each checked like the first address.
    pub async fn download(&self, mut url: Url) -> Result<Response, OutgoingError> {
        for _ in 0..=MAX_REDIRECTS {
            let response = self.get(url.clone())?.header(header::ACCEPT, "*/*").send().await?;
            let Some(next) = redirect_target(&url, &response) else {
                return Ok(response);
            };
            url = next;
        }
        Err(OutgoingError::Redirects)
    }
}

/// Where a 3xx answer points, resolved against the URL that was asked.
pub fn redirect_target(asked: &Url, response: &Response) -> Option<Url> {
    let moved = matches!(
        response.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let location = response.headers().get(header::LOCATION)?.to_str().ok()?;
    moved.then(|| asked.join(location).ok())?
}

/// Reads a body of at most `limit` bytes.
pub async fn read_limited(response: Response, limit: usize) -> Result<Vec<u8>, OutgoingError> {
    let mut body = Vec::new();
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk?;
        if body.len() + chunk.len() > limit {
            return Err(OutgoingError::TooLarge(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(guard: &Guard, url: &str) -> bool {
        guard.check(&Url::parse(url).unwrap()).is_err()
    }

    #[test]
    fn private_addresses_are_refused_in_every_spelling() {
        let guard = Guard::default();
        for url in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://[::1]/",
            "http://[::ffff:10.0.0.1]/",
            "http://169.254.169.254/",
            "http://192.168.0.1/",
            "http://100.64.1.1/",
            "http://[fd00::1]/",
            "http://[fe80::1]/",
            "http://[64:ff9b::7f00:1]/",
            "http://[2002:7f00:1::]/",
            "http://0.0.0.0/",
            "ftp://example.com/",
            "file:///etc/passwd",
        ] {
            assert!(refused(&guard, url), "{url}");
        }
        assert!(!refused(&guard, "https://93.184.216.34/"));
        assert!(!refused(&guard, "https://[2606:4700::1111]/"));
    }

    #[test]
    fn allowed_networks_and_names_are_open() {
        let guard = Guard::new(&["10.0.0.0/8", "127.0.0.1", "portal.corp"]);
        assert!(!refused(&guard, "http://10.1.2.3/"));
        assert!(!refused(&guard, "http://127.0.0.1:8080/"));
        assert!(refused(&guard, "http://127.0.0.2/"));
        assert!(guard.allows_name("Portal.Corp"));
        assert!(!guard.allows_name("evil.portal.corp"));
    }

    #[test]
    fn who_may_not_call_does_not() {
        let outgoing = Outgoing::new(Guard::default()).unwrap().only_while(|| false);
        let refused = outgoing.get(Url::parse("https://93.184.216.34/").unwrap()).map(|_request| ());
        assert!(refused.is_err_and(|error| matches!(error, OutgoingError::Silent) && error.is_certain()));
    }

    #[tokio::test]
    async fn a_call_that_may_not_be_made_any_more_is_broken_off() {
        let outgoing = Outgoing::new(Guard::default()).unwrap();
        let url = Url::parse("https://93.184.216.34/").unwrap();
        let calls = || outgoing.get(url.clone()).is_ok();
        let may = |until: usize| {
            let asked = std::sync::atomic::AtomicUsize::new(0);
            move || asked.fetch_add(1, Ordering::Relaxed) < until
        };
        let work = async |before: usize, after: usize| {
            for _step in 0..before {
                tokio::task::yield_now().await;
            }
            let called = calls();
            for _step in 0..after {
                tokio::task::yield_now().await;
            }
            called
        };
        // Nothing was called yet: the work goes on, and hears that it may not call.
        assert_eq!(only_while(may(0), std::pin::pin!(work(3, 0))).await, Some(false));
        assert_eq!(only_while(may(1), std::pin::pin!(work(3, 0))).await, Some(true));
        assert_eq!(only_while(may(2), std::pin::pin!(work(0, 3))).await, None);
        assert_eq!(only_while(|| true, std::pin::pin!(work(0, 3))).await, Some(true));
    }

    #[tokio::test]
    async fn a_name_that_resolves_inside_is_refused() {
        let outgoing = Outgoing::new(Guard::default()).unwrap();
        let answer = outgoing.get(Url::parse("http://localhost:9/").unwrap()).unwrap().send().await;
        assert!(matches!(answer.map_err(OutgoingError::from), Err(OutgoingError::Connect)));
    }
}
