//! The words a user can write, one noun a file. Pure parsing: no file is read, no name is resolved.

mod cidr;
mod complaint;
mod duration;
mod endpoint_address;
mod host_pattern;
mod host_port;
mod limit;
mod listen_address;
mod path_pattern;
mod rate;
mod size;
mod template;

pub use cidr::Cidr;
pub use complaint::Complaint;
pub use duration::{display_duration, parse_duration};
pub use endpoint_address::EndpointAddress;
pub use host_pattern::HostPattern;
pub use limit::Limit;
pub use listen_address::ListenAddress;
pub use path_pattern::{PathKind, PathPattern};
pub use rate::Rate;
pub use size::Size;
pub use template::{Segment, Template, Variable};
