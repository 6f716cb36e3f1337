//! Checking a configuration without taking it. The answer never shows what a variable of the environment holds.

use super::Admin;
use super::answer::{Problem, body};
use crate::config::{self, Bundle, Findings};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;

/// The longest text, in bytes.
const TEXT_MAX: usize = 16 << 20;

pub async fn check(State(admin): State<Admin>, request: Request) -> Result<Response, Problem> {
    let turn = admin.checks.take().await?;
    let is_bundle =
        request.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    let bytes = body(request, TEXT_MAX).await?;
    let wrong = |why: String| Problem::new(StatusCode::BAD_REQUEST, why);
    turn.json(move || {
        let text = str::from_utf8(&bytes).map_err(|_| wrong("the text is not UTF-8".to_owned()))?;
        let bundle = match is_bundle {
            true => {
                serde_json::from_str(text).map_err(|error| wrong(format!("the bundle is not understood: {error}")))?
            }
            false => Bundle::one("gateway.yaml", text),
        };
        let (_, report) = config::review_all(&bundle, &|name| std::env::var(name).ok());
        Ok(Findings::from(&report.discreet()))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_variable_holds_is_not_shown() {
        let text = "version: 1\nlisteners: { web: { address: \":8080\" } }\n\
                    upstreams: { app: { endpoints: [\"${SECRET}\"] }, other: { endpoints: [\"a:1\", \"${HOST}:1\", \"${HOST}:1\"] } }\n\
                    routes:\n  - { match: { path: /* }, upstream: \"${SECRET}\" }\n  - { name: \"${SECRET}\", match: { path: /a }, upstream: app }\n\
                    \x20 - { name: \"${SECRET}\", match: { path: /b }, upstream: app }\n  - { match: { path: /c }, upstream: \"${UNSET}\" }\n";
        let environment = |name: &str| match name {
            "SECRET" => Some("tops3cret".to_owned()),
            "HOST" => Some("hidden.example".to_owned()),
            _ => None,
        };
        let (_, report) = config::review_all(&Bundle::one("gateway.yaml", text), &environment);
        assert!(report.render(false).contains("tops3cret"), "{report}");
        let findings = Findings::from(&report.discreet());
        let shown = serde_json::to_string(&findings).unwrap();
        assert!(!shown.contains("tops3cret") && !shown.contains("hidden"), "{shown}");
        assert!(shown.contains("`UNSET` is not set"), "what is missing may be said: {shown}");
        assert!(findings.errors.len() >= 4, "{shown}");
    }
}
