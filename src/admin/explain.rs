//! What becomes of a request, asked of the running gateway: with its configuration in force, and its endpoints as they are now.

use super::answer::{Problem, body};
use super::endpoints::{EndpointStatus, UpstreamStatus};
use super::texts::nowhere;
use super::{Admin, View};
use crate::config::{Purpose, Variables, load_from};
use crate::explain::{Candidate, Explainer, Explanation, Question};
use crate::upstream::State;
use axum::extract::{self, Request};
use axum::http::StatusCode;
use axum::response::Response;

/// The longest question, in bytes.
const QUESTION_MAX: usize = 64 << 10;

pub async fn explain(extract::State(admin): extract::State<Admin>, request: Request) -> Result<Response, Problem> {
    // a client that goes away is noticed from here on, also while it waits for its turn
    let bytes = body(request, QUESTION_MAX).await?;
    let question: Question = serde_json::from_slice(&bytes).map_err(|error| {
        let hint = "write for example `{\"method\": \"GET\", \"url\": \"http://example.com/\", \"headers\": [[\"X-A\", \"1\"]]}`";
        Problem::new(StatusCode::BAD_REQUEST, format!("the question is not understood: {error}")).hint(hint.to_owned())
    })?;
    let view = admin.view;
    admin.checks.take().await?.json(move || answer(&*view, &question)).await
}

fn answer(view: &dyn View, question: &Question) -> Result<Explanation, Problem> {
    let unread = |why: String| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, why);
    let bundle = view.texts().bundle().ok_or_else(nowhere)?;
    // what it was made from is in force, so that it is sound; but variables of the environment may be gone
    let mut loaded =
        load_from(&bundle, Purpose::Check).map_err(|_| unread("the copy is no longer valid here".to_owned()))?;
    loaded.document.label(&view.table().board.claims());
    let explainer = Explainer::new(&loaded).map_err(unread)?;
    let explained = explainer.explain(question).map_err(|why| Problem::new(StatusCode::BAD_REQUEST, why));
    explained.map(|explanation| {
        with_states(with_certificate(explanation, question, view, &loaded.variables), view, &loaded.variables)
    })
}

/// The certificate is that of the live listener: no text holds it.
fn with_certificate(
    mut explanation: Explanation,
    question: &Question,
    view: &dyn View,
    variables: &Variables,
) -> Explanation {
    let table = view.table();
    let mut listeners = table.listeners.iter();
    let listener = listeners.find(|listener| *variables.as_written(&listener.name) == *explanation.listener);
    let tls = listener.and_then(|listener| listener.tls.as_ref());
    explanation.certificate = tls.map(|tls| question.presented(&tls.server));
    explanation
}

/// Each address with its state, as the live pools say.
fn with_states(mut explanation: Explanation, view: &dyn View, variables: &Variables) -> Explanation {
    let table = view.table();
    let name = explanation.upstream.as_deref();
    let upstream = table.upstreams.iter().find(|u| name == Some(&*variables.as_written(&u.pool.name)));
    let Some(upstream) = upstream else { return explanation };
    let statuses = UpstreamStatus::of(upstream).endpoints;
    let takes = |status: &EndpointStatus| status.state == State::Up.word();
    let regular = statuses.iter().any(|status| !status.backup && takes(status));
    explanation.endpoints = statuses
        .iter()
        .map(|status| Candidate {
            address: match &status.at {
                Some(at) if *at != status.address => format!("{} ({at})", variables.as_written(&status.address)),
                _ => variables.as_written(&status.address).into_owned(),
            },
            weight: status.weight,
            backup: status.backup,
            eligible: takes(status) && (!status.backup || !regular),
            state: Some(status.state.clone()),
        })
        .collect();
    explanation
}
