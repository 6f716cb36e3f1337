//! The document: what a user writes in `gateway.yaml`, read strictly, with every mistake shown at its place.
//!
//! Sections declare their keys once (`section!`); the same table reads them, refuses what is not of them, and is the
//! manual (`docs/reference/configuration.md`).

mod action;
mod admin;
mod advice;
mod allow;
mod balance;
mod body_file;
mod bracket;
mod bundle;
mod check;
mod declare;
mod difference;
mod defaults;
mod diagnostic;
mod discreet;
mod document;
mod edits;
mod error_pages;
mod expand;
mod expectations;
mod findings;
pub mod facts;
mod foreign;
mod foreign_variable;
mod form;
mod health;
mod include;
mod lints;
mod listener;
mod load;
mod loaded;
mod matching;
mod merge;
mod name;
mod node;
mod observability;
mod pool;
mod print;
mod printed;
pub mod rank;
mod reading;
mod reference;
mod render;
mod request_key;
mod respond;
mod retries;
mod rewrite;
mod route;
mod route_lints;
mod schema;
mod scope;
mod secret;
mod section;
mod shape;
mod slip;
mod source;
mod span;
mod split;
mod syntax;
mod upstream;
mod ties;
mod variables;
mod yaml;

use crate::value::suggest;
pub use crate::value::suggest::hint as suggestion;
pub use action::{ActionConfig, RedirectConfig};
pub use admin::AdminConfig;
pub use balance::Balance;
pub use bundle::Bundle;
pub use defaults::{DefaultsConfig, RequestConfig, TimeoutsConfig};
pub use diagnostic::{Diagnostic, Report, Severity};
pub use difference::{Difference, Field, Item, Items};
pub use document::{Document, Named, Threads};
pub use edits::{Edits, EditsConfig, HeadersConfig};
pub use error_pages::{ErrorAnswerConfig, ErrorPageConfig};
pub use expand::Environment;
pub use expectations::{
    ExpectConfig, ExpectRequestConfig, ExpectResponseConfig, Expectations, RequestLine, TestConfig, Wanted,
    load_expectations,
};
pub use findings::{Finding, Findings, Other};
pub use health::{ActiveConfig, ActiveStart, PassiveConfig, Probe};
pub use include::{PathPattern, matching};
pub use lints::{LINTS, Lint, Mend, lints_reference};
pub use listener::{ClientKeepaliveConfig, ClientLimitsConfig, ListenerConfig, ListenerProtocol};
pub use load::{LARGEST, Purpose, admin_of, load, load_from, load_regular, parse, review, review_all};
pub use loaded::Loaded;
pub use matching::{Conditions, MatchConfig};
pub use observability::{AccessLogConfig, AccessLogOutput, LogConfig, LogFormat, LogLevel, ObservabilityConfig};
pub use printed::Printed;
pub use reference::{expectations_reference, reference};
pub use render::steers;
pub use respond::{Headers, RespondConfig};
pub use retries::{RetriesConfig, RetryOn, RouteRetriesConfig};
pub use rewrite::RewriteConfig;
pub use route::{RouteConfig, RouteRequestConfig, RouteTimeoutsConfig, Upgrade};
pub use schema::{schema, schema_included};
pub use secret::Secrets;
pub use section::{Absent, Key, Section};
pub use shape::Shape;
pub use source::{Position, Source};
pub use span::{Span, Spanned};
pub use split::{SplitChoice, SplitConfig};
pub use upstream::{
    EndpointConfig, StickyConfig, UpstreamConfig, UpstreamKeepaliveConfig, UpstreamProtocol, WaitConfig,
};
pub use variables::Variables;
