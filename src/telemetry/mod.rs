//! What operators see: metric cells and their scrape, the access log, the program's own log.
//!
//! Everything a request touches is written by one worker alone, without locks or bus-locking instructions, and merged
//! by whoever reads.

pub mod access;
pub mod catalogue;
pub mod log;

mod cells;
mod endpoint;
mod histogram;
mod listener;
mod program;
#[cfg(test)]
mod reference;
mod route;
mod scrape;
mod series;
mod upstream;

pub use crate::http::method::Method;
pub use access::{AccessLines, AccessLog, Opened, Output, Record, TlsRecord, rfc3339};
pub use endpoint::EndpointStats;
pub use listener::{Accepting, HandshakeResult, ListenerStats, Rejection};
pub use program::{ProgramStats, Sink};
pub use route::{Finished, RouteStats};
pub use scrape::{EndpointScene, ListenerScene, Scene, SourceScene, UpstreamScene, encode};
pub use upstream::{ConnectionState, UpstreamStats};
