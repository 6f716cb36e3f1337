//! What the tests stand on: a gateway in a process of its own, scripted origins, a client that speaks bytes.

mod address;
mod chunks;
mod client;
mod corpus;
mod fields;
mod gate;
mod gateway;
mod metrics;
mod name_server;
mod operator;
pub mod oracle;
mod origin;
mod patience;
mod peer;
mod process;
mod readings;
mod response;

pub use address::own_address;
pub use client::{Client, Trouble};
pub use corpus::{corpus, decode, number, text};
pub use fields::Grammar;
pub use gate::Gate;
pub use gateway::{Gateway, listener, member, pool};
pub use name_server::{NameServer, Reply};
pub use operator::{Said, json};
pub use oracle::Request;
pub use origin::{Origin, Then, ok, with_head};
pub use patience::{Done, PATIENCE, eventually, side_by_side};
pub use process::Process;
pub use readings::{is_below, readings};
pub use response::Response;
