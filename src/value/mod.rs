//! The words a user can write, one noun a file. Pure parsing: no file is read, no name is resolved; but a secret, which
//! is written as the place where it is kept, can be asked to read itself, and for that knows
//! how a file is opened without waiting.

mod access_log_format;
mod cidr;
mod complaint;
mod duration;
mod endpoint_address;
mod expression;
mod field_name;
mod field_pattern;
mod host_pattern;
mod host_port;
mod limit;
mod listen_address;
mod log_field;
mod path_pattern;
mod path_rules;
mod percent;
mod rate;
mod regular_file;
mod replacement;
mod request_key;
mod secret;
mod size;
mod status_set;
pub mod suggest;
mod template;
mod token;
mod variable;

pub use access_log_format::{AccessLogFormat, LogPiece};
pub use cidr::Cidr;
pub use complaint::Complaint;
pub use duration::{display_duration, parse_duration};
pub use endpoint_address::EndpointAddress;
pub use expression::Expression;
pub use field_name::{FieldName, not_a_name};
pub use field_pattern::FieldPattern;
pub use host_pattern::HostPattern;
pub use limit::Limit;
pub use listen_address::ListenAddress;
pub use log_field::LogField;
pub use path_pattern::{PathKind, PathPattern};
pub use percent::Percent;
pub use rate::Rate;
pub use regular_file::{AT_ONCE, open_regular};
pub use replacement::{Replacement, ReplacementPart};
pub use request_key::RequestKey;
pub use secret::Secret;
pub use size::Size;
pub use status_set::StatusSet;
pub use template::{Segment, Template};
pub use token::is_token;
pub use variable::{CertificatePart, Variable, is_identifier};
