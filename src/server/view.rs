//! The gateway as it shows itself at its admin address.

use super::Gateway;
use crate::acme::Progress;
use crate::admin::{Guard, Reloading, Texts, View};
use crate::http::clock::Moment;
use crate::table::{History, Table, Why};
use crate::telemetry::ProgramStats;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl View for Gateway {
    fn is_ready(&self) -> bool {
        self.serves() && !self.stopping.load(Ordering::Acquire)
    }

    fn is_draining(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    fn table(&self) -> Arc<Table> {
        self.live.load()
    }

    fn generation(&self) -> u64 {
        self.live.generation()
    }

    fn now(&self) -> Moment {
        self.parts.now()
    }

    fn history(&self) -> &History {
        &self.history
    }

    fn reload(&self) -> Reloading<'_> {
        Box::pin(self.reloads.ask_and_wait(Why::Api))
    }

    fn texts(&self) -> Arc<Texts> {
        self.texts.load_full()
    }

    fn orders(&self) -> Arc<Vec<Progress>> {
        self.orders.board.read()
    }

    fn guard(&self) -> Arc<Guard> {
        self.guard.load_full()
    }

    fn program(&self) -> &ProgramStats {
        &self.program
    }
}
