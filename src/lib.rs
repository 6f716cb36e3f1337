//! Wharf: a reverse-proxy API gateway in front of Docker microservices.
//!
//! The modules stand in one order; each may use only those above it (`docs/architecture.md`).
#![forbid(unsafe_code)]

pub mod value;
pub mod failure;
pub mod http;
pub mod telemetry;
pub mod tls;
pub mod acme;
pub mod discovery;
pub mod upstream;
pub mod policy;
pub mod config;
pub mod table;
pub mod proxy;
pub mod explain;
pub mod admin;
pub mod server;
pub mod cli;
