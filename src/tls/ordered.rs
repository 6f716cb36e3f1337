//! A certificate that an authority issues on order: until the first one comes, a self-signed one stands in for it.

use super::Certificate;
use crate::value::HostPattern;
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// A certificate that is ordered. It outlives reloads that keep its authority and hosts.
#[derive(Debug)]
pub struct Ordered {
    /// The authority's name in the document.
    pub authority: Box<str>,
    pub hosts: Box<[HostPattern]>,
    /// What is presented now.
    current: ArcSwap<Certificate>,
    /// Whether handshakes with that take long: asked for each one, of all that are ordered.
    costly: AtomicBool,
}

impl Ordered {
    /// An order that presents `stand_in` until it is served.
    pub fn new(authority: &str, hosts: &[HostPattern], stand_in: Certificate) -> Ordered {
        let costly = AtomicBool::new(stand_in.is_costly());
        Ordered { authority: authority.into(), hosts: hosts.into(), current: ArcSwap::from_pointee(stand_in), costly }
    }

    /// What is presented now.
    pub fn current(&self) -> Arc<Certificate> {
        self.current.load_full()
    }

    /// Presents `certificate` from now on.
    pub fn present(&self, certificate: impl Into<Arc<Certificate>>) {
        let certificate = certificate.into();
        self.costly.store(certificate.is_costly(), Relaxed);
        self.current.store(certificate);
    }

    /// Whether a handshake takes long with what is presented now.
    pub fn is_costly(&self) -> bool {
        self.costly.load(Relaxed)
    }
}
