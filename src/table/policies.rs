//! What a route does to its requests and their answers, compiled from what is written.

use crate::config::{ActionConfig, EditsConfig, ErrorPageConfig, Headers, HeadersConfig, RewriteConfig, RouteConfig};
use crate::http::spelled_path::SpelledPath;
use crate::policy::{Captures, Edits, Page, Pages, Policies, Prefix, Rewrite};
use crate::value::{PathPattern, Template, Variable};

/// The policies of a route, if it has any.
pub(super) fn policies(config: &RouteConfig) -> Option<Box<Policies>> {
    let path = &config.matches.path;
    let edits = config.headers.as_deref();
    let request = edits
        .map(|HeadersConfig { request: EditsConfig { set, add, remove }, .. }| Edits::of_requests(remove, set, add));
    let response = edits
        .map(|HeadersConfig { response: EditsConfig { set, add, remove }, .. }| Edits::of_responses(remove, set, add));
    let policies = Policies {
        captures: if captures(config) { Captures::of(path) } else { None },
        rewrite: config.rewrite.as_deref().map(|config| rewrite(config, path)),
        request: request.filter(|edits| !edits.is_empty()),
        response: response.filter(|edits| !edits.is_empty()),
        pages: (!config.errors.is_empty()).then(|| Pages::new(config.errors.iter().map(page))),
    };
    (!policies.is_empty()).then(|| Box::new(policies))
}

fn rewrite(config: &RewriteConfig, path: &PathPattern) -> Rewrite {
    match config {
        RewriteConfig::StripPrefix(prefix) => {
            let prefix = prefix.as_bytes();
            // a prefix is checked: it has a normal form
            Rewrite::StripPrefix(SpelledPath::of(prefix).map_or(prefix.into(), |path| path.normal().into()))
        }
        RewriteConfig::ReplacePrefix(by) => Rewrite::ReplacePrefix { matched: Prefix::of(path), by: by.clone() },
        RewriteConfig::Path(template) => Rewrite::Path(template.clone()),
        RewriteConfig::Regex { regex, to } => Rewrite::Regex { regex: regex.clone(), to: to.clone() },
    }
}

fn page(config: &ErrorPageConfig) -> Page {
    let ErrorPageConfig { status, intercept, respond } = config;
    Page {
        of: status.clone(),
        intercept: *intercept,
        status: respond.status,
        lines: lines(&respond.headers).into(),
        body: respond.body.clone(),
    }
}

/// Whole header lines.
pub(super) fn lines(headers: &Headers) -> Vec<u8> {
    headers.iter().flat_map(|(name, value)| format!("{name}: {value}\r\n").into_bytes()).collect()
}

/// Whether one of the route's texts asks for a capture.
fn captures(config: &RouteConfig) -> bool {
    let is_capture = |variable: &Variable| matches!(variable, Variable::Capture(_));
    let asks = |template: &Template| template.variables().any(is_capture);
    let in_action = match &config.action {
        ActionConfig::Redirect(redirect) => asks(&redirect.to),
        ActionConfig::Upstream(_) | ActionConfig::Split(_) | ActionConfig::Respond(_) => false,
    };
    let in_rewrite = match config.rewrite.as_deref() {
        Some(RewriteConfig::Path(template)) => asks(template),
        Some(RewriteConfig::Regex { to, .. }) => to.variables().any(is_capture),
        Some(RewriteConfig::StripPrefix(_) | RewriteConfig::ReplacePrefix(_)) | None => false,
    };
    let edits = config.headers.iter().flat_map(|headers| [&headers.request, &headers.response]);
    let mut templates = edits.flat_map(|edits| edits.set.iter().chain(&edits.add)).map(|(_, template)| template);
    in_action || in_rewrite || templates.any(asks)
}
