//! The document: what a user writes in `gateway.yaml`, read strictly, with every mistake shown at its place.
//!
//! Sections declare their keys once (`section!`); the same table reads them, refuses what is not of them, and is the
//! manual (`docs/reference/configuration.md`).

mod action;
mod admin;
mod check;
mod declare;
mod defaults;
mod diagnostic;
mod document;
mod expand;
mod form;
mod listener;
mod load;
mod node;
mod observability;
mod reading;
mod reference;
mod render;
mod route;
mod section;
mod source;
mod span;
mod suggest;
mod syntax;
mod upstream;

pub use action::{ActionConfig, Headers, RedirectConfig, RespondConfig};
pub use admin::AdminConfig;
pub use defaults::{DefaultsConfig, RequestConfig, TimeoutsConfig};
pub use diagnostic::{Diagnostic, Report, Severity};
pub use document::{Document, Named, Threads};
pub use expand::Environment;
pub use listener::{ClientKeepaliveConfig, ClientLimitsConfig, ListenerConfig, ListenerProtocol};
pub use load::{LARGEST, load, parse, review};
pub use observability::{
    AccessLogConfig, AccessLogFormat, AccessLogOutput, LogConfig, LogFormat, LogLevel, ObservabilityConfig,
};
pub use reference::reference;
pub use route::{MatchConfig, RouteConfig, RouteRequestConfig, RouteTimeoutsConfig, Upgrade};
pub use section::{Absent, Key, Section};
pub use source::{Position, Source};
pub use span::{Span, Spanned};
pub use upstream::{Balance, EndpointConfig, UpstreamConfig, UpstreamKeepaliveConfig, UpstreamProtocol};
