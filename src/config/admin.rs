//! `admin`: the address for operators and Prometheus. Off unless written.

use super::declare::section;
use super::form::{self, Form, LISTEN_ADDRESS};
use super::secret::SECRET;
use super::section::Fields;
use super::{Diagnostic, Spanned, advice};
use crate::value::{ListenAddress, Secret};

section! { "`admin`",
    /// The address for operators and Prometheus: `/healthz` (the process lives), `/readyz` (it takes requests),
    /// `/metrics`, and the API behind `wharf status`, `reload`, `drain` and `undrain` ([admin-api.md](admin-api.md)). Off
    /// unless written. A reload may change all of it but the address.
    #[derive(Clone, PartialEq, Eq, Hash)]
    pub struct AdminConfig {
        /// Where to accept. An address that other machines can reach, one that is neither loopback nor a Unix socket, needs
        /// a `token`. A Unix socket has the mode 0600: it is for the user that runs the gateway, and for root.
        "address" => address: Spanned<ListenAddress>, required(ADMIN_ADDRESS);
        /// What clients must present, as `Authorization: Bearer TOKEN`, for everything but `/healthz` and `/readyz`. It is kept
        /// in a file or in an environment variable, and never shown; a line break at its end does not count. A path that
        /// does not start with `/` counts from the directory in which the gateway was started. It is read when the gateway
        /// starts and at every reload, which fail if it cannot be, and a change of the file makes one; `wharf check` does not read it, since it may run where
        /// the secret is not.
        "token" => token: Option<Spanned<Secret>>, optional(SECRET);
        /// Whether `/metrics` is open to clients without the token. An error without `token`.
        "metrics_open" => metrics_open: bool, default(form::BOOL, "false");
    }
    later []
    checked by reach
}

fn reach(admin: &AdminConfig, fields: &Fields<'_, '_>) {
    if !admin.address.is_local() && fields.place("token").is_none() {
        fields.reading.tell(
            Diagnostic::error(admin.address.at, "the admin address can be reached from other machines")
                .label("not loopback")
                .hint("add for example `token: { file: /run/secrets/admin_token }`, or write `127.0.0.1:9900`"),
        );
    }
    if let Some(at) = fields.place("metrics_open")
        && admin.metrics_open
        && fields.place("token").is_some()
    {
        advice::open_metrics(&admin.address, at, fields.reading);
    }
    if let Some(at) = fields.place("metrics_open")
        && fields.place("token").is_none()
    {
        let diagnostic = Diagnostic::error(at, "`metrics_open` has no effect without `token`");
        fields.reading.tell(diagnostic.label("everything is open").hint("leave it out, or write a `token`"));
    }
}

/// What other machines can reach without a token is refused once the whole document is read, so the example is a loopback
/// address.
const ADMIN_ADDRESS: Form<Spanned<ListenAddress>> = Form {
    form: "`127.0.0.1:port`, `[::1]:port`, `localhost:port`, `unix:/path`, or with a token any address",
    example: "\"127.0.0.1:9900\"",
    ..LISTEN_ADDRESS
};
