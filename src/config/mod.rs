//! The document: what a user writes in `gateway.yaml`, read strictly, with every mistake shown at its place.
//!
//! Sections declare their keys once (`section!`); the same table reads them, refuses what is not of them, and is the
//! manual (`docs/reference/configuration.md`).

mod action;
mod admin;
mod balance;
mod bundle;
mod check;
mod declare;
mod difference;
mod defaults;
mod diagnostic;
mod discreet;
mod document;
mod expand;
mod findings;
pub mod facts;
mod form;
mod health;
mod include;
mod listener;
mod load;
mod loaded;
mod merge;
mod node;
mod observability;
mod pool;
mod reading;
mod reference;
mod render;
mod request_key;
mod retries;
mod route;
mod secret;
mod section;
mod source;
mod span;
mod split;
mod suggest;
mod syntax;
mod upstream;
mod variables;
mod yaml;

pub use action::{ActionConfig, Headers, RedirectConfig, RespondConfig};
pub use admin::AdminConfig;
pub use balance::Balance;
pub use bundle::Bundle;
pub use defaults::{DefaultsConfig, RequestConfig, TimeoutsConfig};
pub use diagnostic::{Diagnostic, Report, Severity};
pub use difference::{Difference, Field, Item, Items};
pub use document::{Document, Named, Threads};
pub use expand::Environment;
pub use findings::{Finding, Findings, Other};
pub use health::{ActiveConfig, ActiveStart, PassiveConfig, Probe};
pub use include::{PathPattern, matching};
pub use listener::{ClientKeepaliveConfig, ClientLimitsConfig, ListenerConfig, ListenerProtocol};
pub use load::{LARGEST, Purpose, admin_of, load, load_from, load_regular, parse, review, review_all};
pub use loaded::Loaded;
pub use observability::{
    AccessLogConfig, AccessLogFormat, AccessLogOutput, LogConfig, LogFormat, LogLevel, ObservabilityConfig,
};
pub use reference::reference;
pub use retries::{RetriesConfig, RetryOn, RouteRetriesConfig};
pub use route::{MatchConfig, RouteConfig, RouteRequestConfig, RouteTimeoutsConfig, Upgrade};
pub use secret::Secrets;
pub use section::{Absent, Key, Section};
pub use source::{Position, Source};
pub use span::{Span, Spanned};
pub use split::{SplitChoice, SplitConfig};
pub use suggest::hint as suggestion;
pub use upstream::{
    EndpointConfig, StickyConfig, UpstreamConfig, UpstreamKeepaliveConfig, UpstreamProtocol, WaitConfig,
};
pub use variables::Variables;
