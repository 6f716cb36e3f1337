//! TLS: certificates and who presents which, what clients and endpoints must prove, and the records on the wire.
//!
//! rustls does the cryptography and the protocol. For clients it is driven through its unbuffered interface, so that a connection that waits
//! holds nothing but rustls' own state; for endpoints, of which there are few connections, through the one with buffers.

mod certificate;
mod cipher;
mod chain;
mod challenges;
mod client;
mod identity;
mod client_stream;
mod ordered;
mod presenter;
mod pem;
mod provider;
mod refused;
mod server;
mod session;
mod stream;
mod system;
mod stapled;
mod trust;
mod verify;
mod version;

pub use certificate::{Certificate, Flaw, Role};
pub use challenges::{CHALLENGE_PATH, Challenges};
pub use client::{ClientTerms, ClientTls, Mark};
pub use client_stream::ClientStream;
pub use ordered::Ordered;
pub use provider::provider;
pub use refused::Refused;
pub use server::{ACME, Clients, HTTP1, Presented, ServerTerms, ServerTls};
pub use session::{Progress, Session};
pub use trust::{Authorities, Revocations};
pub use version::MinVersion;
