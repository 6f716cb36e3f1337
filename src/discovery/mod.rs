//! Where endpoints come from: so far fixed addresses and names.

pub mod dns;

pub use dns::Dns;
