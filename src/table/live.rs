//! The table that is served now: one pointer, swapped whole.

use super::Table;
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The table in force and its generation.
pub struct LiveTable {
    table: ArcSwap<Table>,
    generation: AtomicU64,
}

impl LiveTable {
    pub fn new(table: Table) -> LiveTable {
        serve(&table);
        LiveTable { table: ArcSwap::from_pointee(table), generation: AtomicU64::new(1) }
    }

    /// Grows by one with each swap. Cheap to ask for with every request.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    pub fn load(&self) -> Arc<Table> {
        self.table.load_full()
    }

    /// Puts `table` in force; requests in flight keep the one they began with. Its generation.
    pub fn swap(&self, table: Table) -> u64 {
        serve(&table);
        self.table.store(Arc::new(table));
        self.generation.fetch_add(1, Ordering::AcqRel) + 1
    }
}

/// Pools say which endpoints there are only once they are in force: a table that is made and thrown away changes nothing.
fn serve(table: &Table) {
    table.upstreams.iter().for_each(|upstream| upstream.pool.serve());
}
