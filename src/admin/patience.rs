//! How long a connection may take for what it is doing: nobody holds one by doing nothing.

use hyper::body::{Body, Frame, SizeHint};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::Instant;

/// For a whole head, counted from the connection or from its first byte on a kept one.
const HEAD: Duration = Duration::from_secs(10);
/// Between two requests.
const IDLE: Duration = Duration::from_secs(60);
/// For the client to take anything of a response, so that large ones are not held for those who take nothing.
const STUCK: Duration = Duration::from_secs(10);
/// From a whole head until the client has the whole response.
const EXCHANGE: Duration = Duration::from_secs(120);

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Its first head has not come yet.
    New,
    /// It waits for another request.
    Idle,
    /// A head has begun to come.
    Head,
    Exchange,
    /// It is to make room for another one.
    Unwanted,
}

/// A phase, since when it lasts, and since when the client has taken nothing that was there for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Doing {
    phase: Phase,
    since: Instant,
    stuck: Option<Instant>,
}

impl Doing {
    fn deadline(self) -> Instant {
        let limit = match self.phase {
            Phase::New | Phase::Head => HEAD,
            Phase::Idle => IDLE,
            Phase::Exchange => EXCHANGE,
            Phase::Unwanted => Duration::ZERO,
        };
        let whole = self.since + limit;
        self.stuck.map_or(whole, |stuck| whole.min(stuck + STUCK))
    }
}

/// What one connection is doing since when. Its parts share it.
#[derive(Debug)]
pub struct Patience {
    doing: Mutex<Doing>,
    changed: Notify,
}

impl Patience {
    pub fn new() -> Arc<Patience> {
        let doing = Doing { phase: Phase::New, since: Instant::now(), stuck: None };
        Arc::new(Patience { doing: Mutex::new(doing), changed: Notify::new() })
    }

    /// Returns when the connection took too long, or is asked to make room.
    pub async fn ends(&self) {
        loop {
            let doing = self.doing();
            tokio::select! {
                () = tokio::time::sleep_until(doing.deadline()) => if self.doing() == doing { return },
                () = self.changed.notified() => {}
            }
        }
    }

    /// A whole head has come. The body that is given back tells when the response has gone.
    pub fn begin(self: &Arc<Self>) -> Answering {
        self.turn_to(Phase::Exchange);
        Answering(Arc::clone(self))
    }

    /// Since when it has had nothing to do; `None` while it is busy.
    pub fn idle_since(&self) -> Option<Instant> {
        let Doing { phase, since, .. } = self.doing();
        matches!(phase, Phase::New | Phase::Idle).then_some(since)
    }

    /// Its first head has not come yet.
    pub fn is_new(&self) -> bool {
        self.doing().phase == Phase::New
    }

    /// Asks it to make room for another one. A request that comes at this very moment is still answered.
    pub fn end(&self) {
        self.turn_to(Phase::Unwanted);
    }

    fn read_something(&self) {
        if self.doing().phase == Phase::Idle {
            self.turn_to(Phase::Head);
        }
    }

    /// Bytes were to be written: the client took some, or none.
    fn wrote(&self, took: bool) {
        let mut doing = self.doing.lock().unwrap_or_else(PoisonError::into_inner);
        if doing.stuck.is_some() == took {
            doing.stuck = (!took).then(Instant::now);
            self.changed.notify_one();
        }
    }

    fn turn_to(&self, phase: Phase) {
        let mut doing = self.doing.lock().unwrap_or_else(PoisonError::into_inner);
        (doing.phase, doing.since) = (phase, Instant::now());
        self.changed.notify_one();
    }

    fn doing(&self) -> Doing {
        *self.doing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request is being answered until this is dropped.
pub struct Answering(Arc<Patience>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.turn_to(Phase::Idle);
    }
}

/// A response's body, which ends the answering when it has gone.
pub struct Tracked<B> {
    body: B,
    _answering: Answering,
}

impl<B> Tracked<B> {
    pub fn new(body: B, answering: Answering) -> Tracked<B> {
        Tracked { body, _answering: answering }
    }
}

impl<B: Body + Unpin> Body for Tracked<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection that notes when bytes come.
pub struct Watched<S> {
    pub stream: S,
    pub patience: Arc<Patience>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.patience.read_something();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.patience.wrote(polled.is_ready());
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.patience.wrote(polled.is_ready());
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long, in virtual time, until the connection is given up.
    async fn lasts(patience: &Patience) -> Duration {
        let start = Instant::now();
        patience.ends().await;
        start.elapsed().round_to_seconds()
    }

    trait Round {
        fn round_to_seconds(self) -> Duration;
    }

    impl Round for Duration {
        fn round_to_seconds(self) -> Duration {
            Duration::from_secs(self.as_secs_f64().round() as u64)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_says_nothing_is_given_up() {
        assert_eq!(lasts(&Patience::new()).await, HEAD);
    }

    #[tokio::test(start_paused = true)]
    async fn a_kept_connection_may_be_silent_for_longer_but_its_next_head_must_come_at_once() {
        let patience = Patience::new();
        drop(patience.begin());
        assert_eq!(lasts(&patience).await, IDLE);
        patience.read_something();
        assert_eq!(lasts(&patience).await, HEAD);
        // further bytes of the same head buy no time
        let half = tokio::time::timeout(HEAD / 2, patience.ends());
        patience.turn_to(Phase::Head);
        assert!(half.await.is_err());
        patience.read_something();
        assert_eq!(lasts(&patience).await, HEAD / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_of_its_response_is_given_up() {
        let patience = Patience::new();
        let _answering = patience.begin();
        for _ in 0..5 {
            patience.wrote(true);
            patience.wrote(false);
            tokio::time::sleep(STUCK / 2).await;
            patience.wrote(false);
        }
        assert_eq!(lasts(&patience).await, STUCK / 2);
        // one that takes a little now and then is given up in the end
        patience.wrote(true);
        assert_eq!(lasts(&patience).await, EXCHANGE - STUCK * 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_while_it_is_watched_counts() {
        let patience = Patience::new();
        let watched = Arc::clone(&patience);
        let watch = tokio::spawn(async move { lasts(&watched).await });
        tokio::time::sleep(Duration::from_secs(9)).await;
        let answering = patience.begin();
        tokio::time::sleep(Duration::from_secs(100)).await;
        assert!(patience.idle_since().is_none());
        drop(answering);
        assert!(patience.idle_since().is_some());
        tokio::time::sleep(Duration::from_secs(59)).await;
        patience.read_something();
        assert_eq!(watch.await.unwrap(), Duration::from_secs(9 + 100 + 59 + 10));
    }
}
