//! Containers ask for other routes: a table is made of the document in force, with these. No file is read, and none can be in the way.

use super::reload::{build, failed, put};
use super::{Gateway, resolve_names};
use crate::config::Loaded;
use crate::table::{Changes, Outcome, Refusal, Why};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};
use std::time::SystemTime;

/// Keeps what is in force where containers may ask for routes beside it.
pub fn hold(gateway: &Gateway, loaded: Loaded) {
    let held = loaded.document.discovery.docker.routes.is_some().then_some(loaded);
    *basis(gateway) = held;
}

/// Whether what is asked for is other than what is served.
pub fn is_due(gateway: &Gateway) -> bool {
    gateway.sources.has_other_labels()
}

/// Puts it in force, and notes what came of it.
pub fn relabel(gateway: &Gateway) {
    let result = catch_unwind(AssertUnwindSafe(|| attempt(gateway)))
        .unwrap_or_else(|_| Err(Refusal::new("error: this failed by a fault of the program, see above")));
    // what came to nothing is tried again when something else is asked for
    gateway.sources.settle_labels();
    match &result {
        Ok(None) => return,
        Ok(Some(outcome)) => {
            log::info!("routes by labels (generation {}): {}", outcome.generation, outcome.changes);
        }
        Err(refusal) => log::error!("routes by labels stay as they are\n{}", refusal.text),
    }
    if let Some(result) = result.transpose() {
        gateway.history.note(Why::Labels, &result);
    }
}

/// The steps; nothing where it makes no difference.
fn attempt(gateway: &Gateway) -> Result<Option<Outcome>, Refusal> {
    let _alone = gateway.changes.blocking_lock();
    if gateway.stopping.load(Ordering::Acquire) {
        return Ok(None);
    }
    let mut basis = basis(gateway);
    let Some(loaded) = basis.as_mut() else { return Ok(None) };
    let before = gateway.live.load();
    let (table, sockets) = build(gateway, loaded, &before)?;
    let changes = Changes::between(&before, &table);
    if changes.is_empty() {
        return Ok(None);
    }
    resolve_names(&table, gateway.parts.now()).map_err(|e| failed(&e))?;
    let generation = put(gateway, table, sockets, loaded);
    let config_hash = gateway.history.standing().config_hash;
    Ok(Some(Outcome { generation, at: SystemTime::now(), config_hash, changes, details: None }))
}

fn basis(gateway: &Gateway) -> MutexGuard<'_, Option<Loaded>> {
    gateway.basis.lock().unwrap_or_else(PoisonError::into_inner)
}
