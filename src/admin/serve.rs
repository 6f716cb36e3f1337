//! Accepting the admin address's connections, only so many at one time and none for ever.

use super::patience::{Patience, Tracked, Watched};
use super::{View, router};
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};

/// Connections at one time. More of them wait to be accepted.
const CONNECTIONS_MAX: usize = 256;
/// The largest head of a request, in bytes.
const HEAD_MAX: usize = 64 << 10;
/// How long accepting rests when it failed, as when there is no descriptor left.
const REST: Duration = Duration::from_millis(100);
/// How long a process that leaves waits for the first request of a connection, and how often it looks.
const FIRST: Duration = Duration::from_millis(500);
const LOOK: Duration = Duration::from_millis(10);

/// Serves the admin address on a socket that is bound and listens, until `left`; then finishes what has begun.
pub async fn serve(socket: OwnedFd, view: Arc<dyn View>, left: impl Future<Output = ()> + Send) -> io::Result<()> {
    let listener = Listener::new(socket)?;
    let router = router(view);
    let (places, known) = (Arc::new(Semaphore::new(CONNECTIONS_MAX)), Arc::new(Connections::default()));
    let (leave, leaving) = watch::channel(());
    let mut left = pin!(left);
    loop {
        let accepted = tokio::select! {
            // first: who comes now is for the process that has taken over
            biased;
            () = &mut left => break,
            accepted = listener.accept() => accepted,
        };
        let Ok(stream) = accepted else {
            tokio::time::sleep(REST).await;
            continue;
        };
        let place = loop {
            match Arc::clone(&places).try_acquire_owned() {
                Ok(place) => break place,
                Err(_) => known.make_room(),
            }
            if let Ok(Ok(place)) = tokio::time::timeout(REST, Arc::clone(&places).acquire_owned()).await {
                break place;
            }
        };
        let patience = Patience::new();
        known.add(&patience);
        let (router, leaving) = (router.clone(), leaving.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = converse(stream, router, &patience, leaving) => {}
                () = patience.ends() => {}
            }
            drop(place);
        });
    }
    drop((listener, leave));
    // as many places as there are: nobody is left
    let _ = places.acquire_many(CONNECTIONS_MAX as u32).await;
    Ok(())
}

/// Answers the requests of one connection; the one at hand alone, or the first, once the other end of `leaving` is gone.
async fn converse(stream: Box<dyn Stream>, router: Router, patience: &Arc<Patience>, mut leaving: watch::Receiver<()>) {
    let service = service_fn(|request: Request<Incoming>| {
        let answering = patience.begin();
        let answer = TowerToHyperService::new(router.clone()).call(request.map(Body::new));
        async move { answer.await.map(|response| response.map(|body| Tracked::new(body, answering))) }
    });
    let io = TokioIo::new(Watched { stream, patience: Arc::clone(patience) });
    let mut http = http1::Builder::new();
    let mut connection = pin!(http.half_close(true).max_buf_size(HEAD_MAX).serve_connection(io, service));
    // whoever went away, or spoke no HTTP, has been told as far as can be
    tokio::select! {
        _ = &mut connection => return,
        _ = leaving.changed() => {}
    }
    // it was accepted a moment ago, perhaps, and its request is on the way
    let begun = async {
        while patience.is_new() {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::select! {
        _ = &mut connection => return,
        _ = tokio::time::timeout(FIRST, begun) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// The connections there are.
#[derive(Default)]
struct Connections(Mutex<Vec<Weak<Patience>>>);

impl Connections {
    fn add(&self, patience: &Arc<Patience>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|patience| patience.strong_count() > 0);
        known.push(Arc::downgrade(patience));
    }

    /// Ends the connection that has had nothing to do for longest, so that a probe need not wait for it.
    fn make_room(&self) {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = known.iter().filter_map(Weak::upgrade).filter_map(|p| Some((p.idle_since()?, p)));
        if let Some((_, patience)) = idle.min_by_key(|(since, _)| *since) {
            patience.end();
        }
    }
}

/// The socket.
enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Listener {
    fn new(socket: OwnedFd) -> io::Result<Listener> {
        let is_unix = matches!(rustix::net::sockopt::socket_domain(&socket)?, rustix::net::AddressFamily::UNIX);
        Ok(match is_unix {
            true => Listener::Unix(UnixListener::from_std(socket.into())?),
            false => Listener::Tcp(TcpListener::from_std(socket.into())?),
        })
    }

    async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Listener::Tcp(listener) => Box::new(listener.accept().await?.0),
            Listener::Unix(listener) => Box::new(listener.accept().await?.0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test(start_paused = true)]
    async fn a_first_request_that_is_on_its_way_is_answered_by_a_process_that_leaves() {
        let (near, mut far) = tokio::io::duplex(4096);
        let (leave, leaving) = watch::channel(());
        let router = Router::new().route("/", axum::routing::get(|| async { "here" }));
        let patience = Patience::new();
        let served = tokio::spawn(async move { converse(Box::new(near), router, &patience, leaving).await });
        tokio::time::sleep(LOOK).await;
        drop(leave);
        tokio::time::sleep(FIRST / 2).await;
        far.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        far.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("here"), "{answer}");
        served.await.unwrap();
    }
}
