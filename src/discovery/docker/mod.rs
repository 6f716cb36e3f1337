//! The Docker engine as a source: containers that name their service in a label.

pub mod container;
pub mod engine;
mod event;
mod follow;
mod handout;
mod known;
mod labels;
mod wire;

pub use engine::Engine;
pub use follow::follow;
pub use handout::hand_out;

use crate::tls::ClientTls;
use std::sync::Arc;

/// How an engine is asked, and what is taken of its containers.
#[derive(Clone, Debug)]
pub struct Settings {
    pub engine: Engine,
    /// What is spoken to an engine on TCP; plain text without it.
    pub tls: Option<Arc<ClientTls>>,
    pub network: Network,
    /// Every service is sought, not only those of the board.
    pub all: bool,
    /// Containers may ask for routes.
    pub routes: bool,
}

impl PartialEq for Settings {
    fn eq(&self, other: &Settings) -> bool {
        let mark = |settings: &Settings| settings.tls.as_ref().map(|tls| tls.mark);
        self.engine == other.engine
            && self.network == other.network
            && self.all == other.all
            && self.routes == other.routes
            && mark(self) == mark(other)
    }
}

/// Where containers are reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    /// On the network that the gateway shares with them, if it runs in a container itself; else on the only one they have.
    Shared,
    /// On the network of this name.
    Named(Box<str>),
    /// By their published ports.
    Published,
}
