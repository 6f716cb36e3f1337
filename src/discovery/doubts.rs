//! Services whose endpoints were found not to answer: whoever asks for them had better ask again.

use super::Sought;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The doubts about what was found.
#[derive(Debug, Default)]
pub struct Doubts(Mutex<HashMap<Sought, Arc<Notify>>>);

impl Doubts {
    /// Hears of doubts about a service.
    pub(super) fn about(&self, sought: &Sought) -> Arc<Notify> {
        Arc::clone(self.known().entry(sought.clone()).or_default())
    }

    /// Nobody asks for it any more.
    pub(super) fn forget(&self, sought: &Sought) {
        self.known().remove(sought);
    }

    /// An endpoint of the service refuses connections, or is silent: its address may be one of the past.
    pub fn raise(&self, sought: &Sought) {
        if let Some(doubted) = self.known().get(sought) {
            doubted.notify_one();
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Sought, Arc<Notify>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
