//! One worker thread: a single-threaded runtime that accepts, serves and drains, and shares nothing with the others.

use super::reactor::Reactor;
use super::signals::Stage;
use super::socket::Socket;
use super::{Gateway, accept};
use crate::http::clock::Moment;
use crate::proxy::{After, Standing, Worker, serve};
use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Waker};
use std::time::Duration;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::watch;

/// How often idle upstream connections are looked after.
const SWEEP: Duration = Duration::from_secs(1);
/// How often a draining worker looks whether it is done.
const DRAINED: Duration = Duration::from_millis(20);

thread_local! {
    /// This thread's worker, for the runtime's hooks, which know nothing else: it reads the time when the thread wakes and hands on the
    /// log lines before it sleeps.
    static CURRENT: RefCell<Option<Rc<Worker>>> = const { RefCell::new(None) };
}

fn with_current(f: impl FnOnce(&Worker)) {
    CURRENT.with_borrow(|worker| {
        if let Some(worker) = worker {
            f(worker);
        }
    });
}

/// Runs a worker until it is told to drain, and has.
pub fn run(
    gateway: &Arc<Gateway>,
    number: usize,
    sockets: Vec<OwnedFd>,
    stage: watch::Receiver<Stage>,
) -> io::Result<()> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .on_thread_unpark(|| with_current(|worker| worker.clock.tick()))
        .on_thread_park(|| with_current(|worker| worker.log.borrow_mut().flush()))
        .build_local(LocalOptions::default())?;
    let lines = gateway.access_log.lines();
    let program = Arc::clone(&gateway.program);
    let worker = Rc::new(Worker::new(number, Arc::clone(&gateway.live), lines, program, gateway.start));
    CURRENT.set(Some(Rc::clone(&worker)));
    let result = runtime.block_on(work(gateway, worker, sockets, stage));
    // ends the tasks that are left: each writes its line
    drop(runtime);
    with_current(|worker| worker.log.borrow_mut().flush());
    CURRENT.set(None);
    result
}

async fn work(
    gateway: &Arc<Gateway>,
    worker: Rc<Worker>,
    sockets: Vec<OwnedFd>,
    mut stage: watch::Receiver<Stage>,
) -> io::Result<()> {
    let reactor = Rc::new(Reactor::new(Rc::clone(&worker))?);
    let deadlines = Rc::clone(&reactor);
    tokio::task::spawn_local(async move { deadlines.keep_deadlines().await });
    tokio::task::spawn_local(look_after_idle(Rc::clone(&worker)));
    let mut accepting = tokio::task::JoinSet::new();
    for (listener, socket) in sockets.into_iter().enumerate() {
        accepting.spawn_local(accept::accept(Rc::clone(&reactor), socket, listener as u16));
    }
    gateway.serving.fetch_add(1, Ordering::AcqRel);
    let events = Rc::clone(&reactor).run(|socket, standing| {
        // boxed: tokio moves a future several times before it polls it; and the task yields by itself after some rounds, so tokio need
        // not count its steps
        let task = Box::pin(serve_client(socket, standing, Rc::clone(&worker)));
        drop(tokio::task::spawn_local(tokio::task::unconstrained(task)));
    });
    let mut events = std::pin::pin!(events);
    tokio::select! {
        failed = &mut events => return failed,
        _ = stage.wait_for(|s| *s >= Stage::Drain) => {}
        Some(Ok(Err(e))) = accepting.join_next() => return Err(e),
    }
    worker.draining.set(true);
    accepting.abort_all();
    reactor.close_all_parked();
    worker.idle.borrow_mut().clear();
    tokio::select! {
        failed = &mut events => failed,
        () = drained(&reactor) => Ok(()),
        _ = stage.wait_for(|s| *s == Stage::Stop) => Ok(()),
    }
}

/// Until no request is left. Connections that park meanwhile are closed.
async fn drained(reactor: &Reactor) {
    while reactor.active() > 0 {
        tokio::time::sleep(DRAINED).await;
        reactor.close_all_parked();
    }
}

async fn serve_client(mut socket: Socket, mut standing: Standing, worker: Rc<Worker>) {
    if serve(&mut socket, &mut standing, &worker).await == After::Park {
        let snapshot = worker.snapshot();
        let limits = snapshot.table.listeners.get(usize::from(standing.peer.listener)).map(|l| l.limits);
        let deadline = match limits {
            // nothing was said yet: the first head is still waited for
            Some(_) if standing.served == 0 => standing.deadline.unwrap_or(Moment::NEVER),
            Some(limits) => worker.clock.now() + limits.keepalive_timeout,
            None => return,
        };
        socket.park(standing.served, deadline);
    }
}

/// Closes upstream connections that were idle for too long or that their endpoint closed.
async fn look_after_idle(worker: Rc<Worker>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        worker.clock.tick();
        // lets go of a table that is no longer in force
        drop(worker.snapshot());
        worker.idle.borrow_mut().sweep(worker.clock.now(), &mut Context::from_waker(Waker::noop()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::clock::Span;
    use crate::proxy::Peer;

    /// The size of the future that a call would return.
    fn size_of_result<A, B, C, F>(_: impl FnOnce(A, B, C) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_request_in_flight_takes_little_memory() {
        let size = size_of_result(serve_client);
        assert!(size <= 1600, "the task of a request takes {size} bytes");
        assert!(size_of::<Standing>() <= 48 && size_of::<Peer>() <= 24 && size_of::<Span>() == 8);
    }
}
