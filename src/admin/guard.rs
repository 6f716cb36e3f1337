//! Who may ask: whoever knows the token, where there is one. Forged and rebound requests of browsers are refused.

use super::View;
use super::answer::Problem;
use crate::http::host;
use crate::value::ListenAddress;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HOST, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// What every request that changes something carries. No form and no page of another origin can send it.
pub const FORGERY_HEADER: &str = "x-wharf";

/// What clients of the admin address need.
pub struct Guard {
    /// The token, if one is configured.
    pub token: Option<Box<str>>,
    /// `/metrics` is open to clients without it.
    pub metrics_open: bool,
    pub reach: Reach,
}

/// Who can reach the admin address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Processes of this machine that may open its socket.
    Socket,
    /// All of this machine, the pages in its browsers among them.
    Machine,
    Network,
}

impl Guard {
    pub fn new(address: &ListenAddress, token: Option<Box<str>>, metrics_open: bool) -> Guard {
        let reach = match address {
            ListenAddress::Unix(_) => Reach::Socket,
            address if address.is_local() => Reach::Machine,
            _ => Reach::Network,
        };
        Guard { token, metrics_open, reach }
    }

    /// Nobody but probes.
    pub fn closed() -> Guard {
        Guard { token: None, metrics_open: false, reach: Reach::Network }
    }

    /// Whether a request for `path` may be answered, and if not what is wrong with it.
    fn admits(&self, path: &str, method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
        if self.reach == Reach::Machine && !names_this_machine(headers) {
            let said = "the Host must be an IP address or localhost";
            return Err(Problem::new(StatusCode::FORBIDDEN, said));
        }
        if matches!(path, "/healthz" | "/readyz") {
            return Ok(());
        }
        if !(self.metrics_open && path == "/metrics") {
            self.check_token(headers)?;
        }
        let changes = !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        if changes && headers.get(FORGERY_HEADER).is_none_or(|value| value != "1") {
            return Err(Problem::new(StatusCode::FORBIDDEN, "a request that changes something needs `X-Wharf: 1`")
                .hint("send the header `X-Wharf: 1`".to_owned()));
        }
        Ok(())
    }

    fn check_token(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let Some(token) = &self.token else {
            return match self.reach {
                Reach::Socket | Reach::Machine => Ok(()),
                // cannot be: such an address is refused without a token
                Reach::Network => Err(Problem::new(StatusCode::FORBIDDEN, "there is no token for this address")),
            };
        };
        let hint = "send `Authorization: Bearer TOKEN` with what `admin.token` of the configuration refers to";
        let refused = |said: &str| Err(Problem::new(StatusCode::UNAUTHORIZED, said).hint(hint.to_owned()));
        match headers.get(AUTHORIZATION).map(|value| bearer(value.as_bytes())) {
            None => refused("this needs the admin token"),
            Some(None) => refused("this is no bearer token"),
            Some(Some(given)) if bool::from(given.ct_eq(token.as_bytes())) => Ok(()),
            Some(Some(_)) => refused("this is not the admin token"),
        }
    }
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(b"Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token.trim_ascii())
}

/// A page in a browser may reach this address under a name of its own (DNS rebinding): only addresses and `localhost` are answered.
fn names_this_machine(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(value), None) = (hosts.next(), hosts.next()) else { return false };
    host::parse(value.as_bytes()).is_some_and(|host| {
        let name = String::from_utf8_lossy(host.name).to_ascii_lowercase();
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        name == "localhost" || bare.parse::<IpAddr>().is_ok()
    })
}

/// Lets through who may ask.
pub async fn check(State(view): State<Arc<dyn View>>, request: Request, next: Next) -> Response {
    match view.guard().admits(request.uri().path(), request.method(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => {
            let mut response = problem.into_response();
            if response.status() == StatusCode::UNAUTHORIZED {
                response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"wharf\""));
            }
            response
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    fn status(guard: &Guard, method: Method, path: &str, pairs: &[(&'static str, &'static str)]) -> u16 {
        match guard.admits(path, &method, &headers(pairs)) {
            Ok(()) => 200,
            Err(problem) => problem.into_response().status().as_u16(),
        }
    }

    const LOCAL: (&str, &str) = ("host", "127.0.0.1:9900");
    const RIGHT: (&str, &str) = ("authorization", "Bearer s3cret");

    #[test]
    fn a_token_is_needed_for_all_but_probes_and_open_metrics() {
        for reach in [Reach::Socket, Reach::Machine, Reach::Network] {
            let mut guard = Guard { token: Some("s3cret".into()), metrics_open: false, reach };
            let ask = |guard: &Guard, path, more: &[_]| status(guard, Method::GET, path, &[&[LOCAL], more].concat());
            assert_eq!(["/healthz", "/readyz"].map(|path| ask(&guard, path, &[])), [200, 200]);
            for path in ["/metrics", "/api/v1/status", "/nothing", "/healthz/", "/readyz/../metrics"] {
                assert_eq!(ask(&guard, path, &[]), 401, "{path}");
                assert_eq!(ask(&guard, path, &[RIGHT]), 200, "{path}");
                for wrong in [
                    "Bearer s3cre",
                    "Bearer s3crets",
                    "Bearer",
                    "Bearer ",
                    "Basic s3cret",
                    "s3cret",
                    "Bearer  s3cret x",
                ] {
                    assert_eq!(ask(&guard, path, &[("authorization", wrong)]), 401, "{wrong}");
                }
            }
            guard.metrics_open = true;
            assert_eq!(["/metrics", "/api/v1/status"].map(|path| ask(&guard, path, &[])), [200, 401]);
        }
        assert_eq!(status(&Guard::closed(), Method::GET, "/metrics", &[RIGHT]), 403);
    }

    #[test]
    fn the_host_must_name_this_machine_where_browsers_can_ask() {
        let guard = |reach| Guard { token: Some("s3cret".into()), metrics_open: false, reach };
        for (host, answered) in [
            ("localhost", true),
            ("LOCALHOST:9900", true),
            ("127.0.0.1", true),
            ("[::1]:9900", true),
            ("10.0.0.1:9900", true),
            ("evil.example", false),
            ("evil.example:9900", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("", false),
        ] {
            let pairs = [("host", host), RIGHT];
            let asked = |reach| status(&guard(reach), Method::GET, "/metrics", &pairs);
            assert_eq!(asked(Reach::Machine), if answered { 200 } else { 403 }, "{host}");
            assert_eq!([asked(Reach::Network), asked(Reach::Socket)], [200, 200], "{host}");
        }
        assert_eq!(status(&guard(Reach::Machine), Method::GET, "/healthz", &[("host", "evil.example")]), 403);
    }

    #[test]
    fn what_changes_something_needs_a_header_that_no_form_can_send() {
        let guard = Guard { token: None, metrics_open: false, reach: Reach::Machine };
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
            let ask = |more: &[_]| status(&guard, method.clone(), "/api/v1/reload", &[&[LOCAL], more].concat());
            assert_eq!(ask(&[]), 403, "{method}");
            assert_eq!(ask(&[("x-wharf", "0")]), 403, "{method}");
            assert_eq!(ask(&[("x-wharf", "1")]), 200, "{method}");
        }
        assert_eq!(status(&guard, Method::GET, "/api/v1/status", &[LOCAL]), 200);
    }
}
