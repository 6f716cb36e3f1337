//! `admin`: the address for operators and Prometheus. Off unless written.

use super::Spanned;
use super::declare::section;
use super::form::{Form, LISTEN_ADDRESS};
use crate::value::ListenAddress;

section! { "`admin`",
    /// The address for operators and Prometheus: `/healthz` (the process lives), `/readyz` (it takes requests) and
    /// `/metrics`. Off unless written. Probes from outside the machine or container need a way to this address.
    #[derive(Clone)]
    pub struct AdminConfig {
        /// Where to accept: a loopback address or a Unix socket. Others need a token, which is not built yet.
        "address" => address: Spanned<ListenAddress>, required(ADMIN_ADDRESS);
    }
    later ["token", "metrics_open"]
}

/// What other machines can reach is refused once the whole document is read, so the example is a loopback address.
const ADMIN_ADDRESS: Form<Spanned<ListenAddress>> = Form {
    form: "`127.0.0.1:port`, `[::1]:port`, `localhost:port` or `unix:/path`",
    example: "\"127.0.0.1:9900\"",
    ..LISTEN_ADDRESS
};
