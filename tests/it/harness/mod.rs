//! What the tests stand on: a gateway in a process of its own, scripted origins, a client that speaks bytes.

mod address;
mod chunks;
mod client;
mod corpus;
mod fields;
mod gateway;
mod metrics;
pub mod oracle;
mod origin;
mod patience;
mod peer;
mod readings;
mod response;

pub use address::own_address;
pub use client::{Client, Trouble};
pub use corpus::{corpus, decode, number, text};
pub use fields::Grammar;
pub use gateway::{Gateway, listener};
pub use oracle::Request;
pub use origin::{Origin, Then, ok, with_head};
pub use patience::{PATIENCE, eventually, side_by_side};
pub use readings::{is_below, readings};
