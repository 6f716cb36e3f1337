//! What was learned of an endpoint, as another process can take it over: its clock is another one, so times are told as ages.

use serde::{Deserialize, Serialize};

/// What is known of an endpoint at one moment. Ages are in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Learned {
    /// Its active check fails.
    pub down: bool,
    /// Failures that count.
    pub fails: u32,
    /// Since the last failure.
    pub failed: u64,
    /// Since the last failure, or the request that was to show whether it is back.
    pub checked: u64,
    /// Since it came back or joined its pool; `None` for always there.
    pub risen: Option<u64>,
}

impl Learned {
    /// How far back this goes.
    pub fn oldest(&self) -> u64 {
        let Learned { failed, checked, risen, .. } = self;
        (*failed).max(*checked).max(risen.unwrap_or(0))
    }
}
