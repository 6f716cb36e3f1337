//! The gateway as its users meet it: the built program, real sockets, origins that follow a script.
//!
//! Each file is one theme, each test one sentence. `harness/` holds what they stand on; its own tests prove that the
//! judge of what reached an origin (`harness/oracle.rs`) does condemn.

mod harness;

mod balancing;
mod clients;
mod configuration;
mod endings;
mod faults;
mod forwarding;
mod framing;
mod headers;
mod limits;
mod observability;
mod paths;
mod payloads;
mod pipelining;
mod probes;
mod refusals;
mod routing;
mod smuggling;
mod streaming;
mod tunnels;
