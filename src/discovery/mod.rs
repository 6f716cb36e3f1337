//! Where endpoints come from: fixed addresses, names, and sources that are asked for the endpoints of a service.

pub mod asking;
pub mod board;
pub mod claim;
pub mod dns;
pub mod docker;
mod doubts;
pub mod follow;
pub mod found;
pub mod kept;
pub mod names;
mod resolver;
mod sentence;
pub mod services;
mod settings;
pub mod sought;
mod srv;
mod standing;

pub use asking::ask_names;
pub use board::{Board, News};
pub use claim::Claim;
pub use dns::Dns;
pub use doubts::Doubts;
pub use found::Found;
pub use kept::Kept;
pub use settings::DnsSettings;
pub use sought::{Sought, SourceKind};
pub use standing::{SourceStanding, Standing};
