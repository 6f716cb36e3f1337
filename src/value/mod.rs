//! The words a user can write, one noun a file. Pure parsing: no file is read, no name is resolved; but a secret, which
//! is written as the place where it is kept, can be asked to read itself, and for that knows
//! how a file is opened without waiting.

mod cidr;
mod complaint;
mod duration;
mod endpoint_address;
mod host_pattern;
mod host_port;
mod limit;
mod listen_address;
mod path_pattern;
mod percent;
mod rate;
mod regular_file;
mod request_key;
mod secret;
mod size;
mod status_set;
mod template;
mod token;

pub use cidr::Cidr;
pub use complaint::Complaint;
pub use duration::{display_duration, parse_duration};
pub use endpoint_address::EndpointAddress;
pub use host_pattern::HostPattern;
pub use limit::Limit;
pub use listen_address::ListenAddress;
pub use path_pattern::{PathKind, PathPattern};
pub use percent::Percent;
pub use rate::Rate;
pub use regular_file::{AT_ONCE, open_regular};
pub use request_key::RequestKey;
pub use secret::Secret;
pub use size::Size;
pub use status_set::StatusSet;
pub use template::{Segment, Template, Variable};
pub use token::is_token;
