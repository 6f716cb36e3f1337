//! Answers of the API: JSON that nobody keeps, errors that say what to do, large texts a few at a time.

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use hyper::body::{Body as Frames, Bytes, Frame, SizeHint};
use serde::Serialize;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Texts that are made, or lie in memory until a slow client has taken them, at one time.
const TEXTS_MAX: usize = 4;
/// Configurations that are checked at one time.
const CHECKS_MAX: usize = 2;
/// A text of this size may lie there beside any number of others.
const SMALL: usize = 64 << 10;
/// How long a request waits for its turn.
const TURN: Duration = Duration::from_secs(10);
/// How long a client may take to send a body.
const BODY: Duration = Duration::from_secs(30);

/// Why a request got no answer, as `{"error": …}`.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    error: String,
    hint: Option<String>,
}

impl Problem {
    pub fn new(status: StatusCode, error: impl Into<String>) -> Problem {
        Problem { status, error: error.into(), hint: None }
    }

    /// The same with what to do instead.
    pub fn hint(mut self, hint: impl Into<Option<String>>) -> Problem {
        self.hint = hint.into();
        self
    }
}

#[derive(Serialize)]
struct Said<'p> {
    error: &'p str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'p str>,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let said = Said { error: &self.error, hint: self.hint.as_deref() };
        (self.status, json_text(serde_json::to_string(&said).unwrap_or_default())).into_response()
    }
}

/// A value as JSON.
pub fn json(value: &impl Serialize) -> Response {
    json_with(StatusCode::OK, value)
}

/// The same with another status than 200.
pub fn json_with(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_string(value) {
        Ok(text) => (status, json_text(text)).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn json_text(mut text: String) -> impl IntoResponse {
    text.push('\n');
    (json_headers(), text)
}

/// What every answer in JSON says of itself.
pub fn json_headers() -> HeaderMap {
    HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ])
}

/// A request's whole body, if it is no longer than `most` and comes in time.
pub async fn body(request: Request, most: usize) -> Result<Bytes, Problem> {
    let too_large = || Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is longer than {most} bytes"));
    let length = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > most as u64) {
        return Err(too_large());
    }
    match tokio::time::timeout(BODY, axum::body::to_bytes(request.into_body(), most)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        // a client that went away gets no answer, whatever it is
        Ok(Err(_)) => Err(too_large()),
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "the body did not come in time")),
    }
}

/// Bounds how many large texts there are at one time.
#[derive(Clone)]
pub struct Turns(Arc<Semaphore>);

impl Turns {
    /// For the texts of answers.
    pub fn texts() -> Turns {
        Turns(Arc::new(Semaphore::new(TEXTS_MAX)))
    }

    /// For the checks of configurations.
    pub fn checks() -> Turns {
        Turns(Arc::new(Semaphore::new(CHECKS_MAX)))
    }

    /// A value as JSON, which takes a while to make.
    pub async fn json<T: Serialize>(&self, make: impl FnOnce() -> T + Send + 'static) -> Result<Response, Problem> {
        self.take().await?.json(|| Ok(make())).await
    }

    /// The text that `make` makes, on a thread where that may take a while.
    pub async fn text(
        &self,
        headers: HeaderMap,
        make: impl FnOnce() -> String + Send + 'static,
    ) -> Result<Response, Problem> {
        self.take().await?.text(headers, || Ok(make())).await
    }

    /// A turn, to be held while something large is in memory.
    pub async fn take(&self) -> Result<Turn, Problem> {
        let turn = tokio::time::timeout(TURN, Arc::clone(&self.0).acquire_owned()).await;
        turn.ok().and_then(Result::ok).map(|permit| Turn { _permit: permit }).ok_or_else(|| {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too much is asked for at one time")
                .hint("ask again in a moment".to_owned())
        })
    }
}

/// A turn.
pub struct Turn {
    _permit: OwnedSemaphorePermit,
}

impl Turn {
    /// The text that `make` makes, on a thread where that may take a while. The turn lasts as long as the work does, also
    /// where nobody waits for it any more; then, of a large text, until that is sent.
    pub async fn text(
        self,
        headers: HeaderMap,
        make: impl FnOnce() -> Result<String, Problem> + Send + 'static,
    ) -> Result<Response, Problem> {
        match tokio::task::spawn_blocking(move || make().map(|text| (text, self))).await {
            Ok(Ok((text, turn))) => {
                let turn = (text.len() > SMALL).then_some(turn);
                Ok((headers, Body::new(Text { bytes: text.into(), _turn: turn })).into_response())
            }
            Ok(Err(problem)) => Err(problem),
            Err(_) => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "a fault of the program, see the log")),
        }
    }

    /// A value as JSON, as [`Turn::text`].
    pub async fn json<T: Serialize>(
        self,
        make: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<Response, Problem> {
        // what is shown are strings and numbers, which can always be written
        let text = move || make().map(|made| serde_json::to_string(&made).map(|text| text + "\n").unwrap_or_default());
        self.text(json_headers(), text).await
    }
}

/// A body of one piece, which holds its turn until it is sent.
struct Text {
    bytes: Bytes,
    _turn: Option<Turn>,
}

impl Frames for Text {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let length = self.bytes.len().min(SMALL);
        let piece = self.bytes.split_to(length);
        Poll::Ready((!piece.is_empty()).then(|| Ok(Frame::data(piece))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::task::Waker;

    #[tokio::test]
    async fn a_turn_lasts_as_long_as_its_work_though_nobody_waits_for_it() {
        let turns = Turns(Arc::new(Semaphore::new(1)));
        let (finish, wait) = mpsc::sync_channel::<()>(1);
        let turn = turns.take().await.expect("a turn");
        let mut work = Box::pin(turn.json(move || Ok(wait.recv().is_ok())));
        assert!(work.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        drop(work);
        assert_eq!(turns.0.available_permits(), 0);
        finish.send(()).expect("the work goes on");
        assert!(turns.take().await.is_ok());
    }
}
