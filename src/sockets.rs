//! Where the server listens: on sockets that were opened for it (systemd's socket units), or on its own.
//!
//! A socket that somebody else holds open outlives the process: what connects while one server ends and the next begins waits in the
//! kernel, and nobody is refused.

use std::{io, net::TcpListener};

use listenfd::ListenFd;

/// What a socket unit of the operators' listener is called (`FileDescriptorName=`).
const ADMIN: &str = "admin";

/// The sockets that this process was started with.
#[derive(Default)]
pub struct Inherited {
    public: Vec<TcpListener>,
    admin: Vec<TcpListener>,
}

impl Inherited {
    /// Takes them over. Names are those of `LISTEN_FDNAMES`; without any, the first socket is the public one and the second the
    /// operators'.
    pub fn take() -> io::Result<Self> {
        let mut sockets = ListenFd::from_env();
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let names: Vec<&str> = names.split(':').collect();
        let tells_admin = names.contains(&ADMIN);
        let mut all = Self::default();
        for at in 0..sockets.len() {
            let Some(listener) = sockets.take_tcp_listener(at)? else { continue };
            let is_admin = if tells_admin { names.get(at) == Some(&ADMIN) } else { at > 0 };
            if is_admin { all.admin.push(listener) } else { all.public.push(listener) }
        }
        Ok(all)
    }

    pub fn is_empty(&self) -> bool {
        self.public.is_empty() && self.admin.is_empty()
    }

    /// The public listener, then those of the operators. What was not inherited is bound here.
    pub fn or_bind(mut self, public: &str, admin: Option<&str>) -> io::Result<Vec<TcpListener>> {
        if self.public.len() > 1 {
            return Err(io::Error::other(
                "more than one public socket was handed over: name the operators' one `admin`",
            ));
        }
        if self.public.is_empty() {
            self.public.push(bind(public)?);
        }
        if self.admin.is_empty()
            && let Some(admin) = admin
        {
            self.admin.push(bind(admin)?);
        }
        Ok(self.public.into_iter().chain(self.admin).collect())
    }
}

fn bind(address: &str) -> io::Result<TcpListener> {
    TcpListener::bind(address)
        .map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")))
}
