//! The gateway as its users meet it: the built program, real sockets, origins that follow a script.
//!
//! Each file is one theme, each test one sentence. `harness/` holds what they stand on; its own tests prove that the
//! judge of what reached an origin (`harness/oracle.rs`) does condemn.

mod harness;

mod access_log;
mod access_log_forms;
mod acme;
mod acme_served;
mod active_health;
mod admin;
mod admin_guard;
mod balancing;
mod capacity;
mod clients;
mod commands;
mod damaged;
mod configuration;
mod docs;
mod draining;
mod endings;
mod error_pages;
mod explaining;
mod explain_command;
mod faults;
mod forwarding;
mod framing;
mod header_edits;
mod headers;
mod heirs;
mod last_good;
mod limits;
mod listeners;
mod named_files;
mod names;
mod observability;
mod openapi;
mod openings;
mod passive_health;
mod paths;
mod payloads;
mod pipelining;
mod probes;
mod redirect;
mod refusals;
mod reloading;
mod retries;
mod rewriting;
mod routing;
mod smuggling;
mod splits;
mod stale_connections;
mod sticky;
mod stopping;
mod streaming;
#[path = "../mutants/mod.rs"]
mod mutants;
#[path = "../tables/mod.rs"]
mod tables;
mod tls_seen;
mod tls_changes;
mod tls_clients;
mod tls_ends;
mod tls_handshakes;
mod tls_hostile;
mod tls_mutants;
mod tls_names;
mod tls_outside;
mod tls_sessions;
mod tls_tickets;
mod tls_traffic;
mod tls_versions;
mod tools;
mod tunnels;
mod upgrades;
mod upstream_keepalive;
mod upstream_tls;
mod upstream_tls_faults;
mod waiting;
mod ways_to_balance;
