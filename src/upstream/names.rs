//! Names of endpoints, asked again in the background: a container that comes back with a new address is found.

use super::endpoint::{Endpoint, Target};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// How often names are asked again.
pub const INTERVAL: Duration = Duration::from_secs(5);
/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Asks for the addresses of every named endpoint, all at once. The last good set is kept when a name does not resolve.
pub async fn refresh<'e>(endpoints: impl Iterator<Item = &'e Arc<Endpoint>>) {
    let mut asking = tokio::task::JoinSet::new();
    for endpoint in endpoints.filter(|e| matches!(e.target(), Target::Name(_))) {
        asking.spawn(ask(Arc::clone(endpoint)));
    }
    while asking.join_next().await.is_some() {}
}

async fn ask(endpoint: Arc<Endpoint>) {
    let Target::Name(known) = endpoint.target() else { return };
    let answer = tokio::time::timeout(PATIENCE, tokio::net::lookup_host(&*endpoint.address)).await;
    let mut found: Vec<SocketAddr> = match answer {
        Ok(Ok(found)) => found.collect(),
        Ok(Err(e)) => return complain(&endpoint, &e.to_string()),
        Err(_) => return complain(&endpoint, "no answer in time"),
    };
    found.sort_unstable();
    found.dedup();
    if found.is_empty() {
        return complain(&endpoint, "no address");
    }
    if **known.load() != found {
        log::info!("endpoint {} is at {found:?}", endpoint.address);
        known.store(Arc::new(found));
    }
    endpoint.unresolved.store(false, Relaxed);
}

/// Says it once, until the name resolves again.
fn complain(endpoint: &Endpoint, why: &str) {
    if !endpoint.unresolved.swap(true, Relaxed) {
        let then = if endpoint.is_up() { "its last addresses are kept" } else { "it is down" };
        log::warn!("the name of endpoint {} does not resolve, {then}: {why}", endpoint.address);
    }
}
