//! Pools of endpoints: who is in them, which one takes the next request, and the connections kept to each.

pub mod balance;
pub mod connection;
pub mod endpoint;
pub mod idle;
pub mod names;
pub mod pool;
pub mod reserve;

pub use connection::Connection;
pub use endpoint::{Endpoint, InFlight};
pub use idle::{IdleConnection, IdleConnections};
pub use pool::Pool;
pub use reserve::Reserve;
