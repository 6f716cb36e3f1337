//! A pool: endpoints that give the same service, and how requests are spread over them.

use super::balance;
use super::endpoint::{Endpoint, InFlight};
use super::idle::Keepalive;
use std::sync::Arc;

/// Endpoints that give the same service.
pub struct Pool {
    pub name: Box<str>,
    pub endpoints: Box<[Arc<Endpoint>]>,
    pub keepalive: Keepalive,
}

/// The endpoints that a request has tried, by their place in the pool. Empty for nearly every request, and then without memory.
#[derive(Default)]
pub struct Tried(Vec<u16>);

impl Pool {
    /// Chooses the endpoint for a request and counts it there; `None` when each is tried or down.
    pub fn pick(&self, tried: &Tried) -> Option<InFlight> {
        balance::least_conn(&self.endpoints, &tried.0).map(Endpoint::enter)
    }

    /// Notes that `endpoint` was tried.
    pub fn mark(&self, tried: &mut Tried, endpoint: &Arc<Endpoint>) {
        let place = self.endpoints.iter().position(|e| Arc::ptr_eq(e, endpoint));
        tried.0.extend(place.and_then(|p| u16::try_from(p).ok()));
    }
}
