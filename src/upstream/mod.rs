//! Pools of endpoints: who is in them, which one takes the next request, how well each is, and the connections kept to each.

pub mod balance;
pub mod budget;
pub mod connection;
pub mod count;
pub mod endpoint;
pub mod entry;
pub mod idle;
pub mod lasting;
pub mod learned;
pub mod members;
pub mod names;
pub mod origin;
pub mod passive;
pub mod pool;
pub mod probe;
pub mod reserve;
mod sync;
#[cfg(test)]
mod tests;
pub mod waiting;
pub mod wire;
pub mod word;

pub use balance::Asker;
pub use connection::Connection;
pub use endpoint::{Endpoint, InFlight, State};
pub use entry::Entry;
pub use idle::{IdleConnection, IdleConnections};
pub use lasting::Lasting;
pub use origin::Origin;
pub use pool::Pool;
pub use reserve::Reserve;
pub use wire::Wire;
