//! Certificates that look after themselves: ordered from an authority (RFC 8555), kept on disk, renewed in time.
//!
//! What to do and when is decided in one pure place, [`schedule`]; [`Keeper`] does it, order by order.

mod account;
mod authority;
mod files;
mod hook;
mod issue;
mod keeper;
mod keys;
mod progress;
mod proof;
mod proofs;
mod prove;
pub mod schedule;
mod stand_in;
mod store;
mod task;
mod trouble;
mod wire;

pub use authority::{Authority, Challenge, ExternalAccount, KeyType, Order};
pub use keeper::Keeper;
pub use progress::{Board, Progress};
pub use stand_in::stand_in;
pub use store::load_from_disk;

use crate::value::HostPattern;
use trouble::Trouble;

/// Seconds since 1970, the time that authorities and certificates speak of.
pub type Seconds = u64;

/// Now, by the system's clock: what is on disk and what authorities say is in its terms.
pub(crate) fn now() -> Seconds {
    seconds(std::time::SystemTime::now())
}

pub(crate) fn seconds(time: std::time::SystemTime) -> Seconds {
    time.duration_since(std::time::SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A moment as it is shown.
pub(crate) fn shown(at: Seconds) -> String {
    let time = std::time::SystemTime::UNIX_EPOCH.checked_add(std::time::Duration::from_secs(at));
    time.map_or_else(|| "never".to_owned(), crate::telemetry::rfc3339)
}

/// Hosts, as they are written.
fn words(hosts: &[HostPattern]) -> Vec<String> {
    hosts.iter().map(ToString::to_string).collect()
}

/// Does what waits for the disk, away from the runtime's thread.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Trouble> {
    tokio::task::spawn_blocking(work).await.map_err(|e| Trouble::new(format!("a step of it did not end: {e}")))
}
