//! One worker thread: a single-threaded runtime that accepts, serves and drains, and shares nothing with the others.

use super::Gateway;
use super::doorkeeper::Doorkeeper;
use super::handshake::shake_hands;
use super::life::{GRACE, Stage};
use super::listeners::Doors;
use super::reactor::Reactor;
use super::socket::Socket;
use crate::http::clock::Moment;
use crate::http::transport::Downstream;
use crate::proxy::{After, Standing, Worker, serve};
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::watch;

/// How often idle upstream connections are looked after.
const SWEEP: Duration = Duration::from_secs(1);

/// Costly handshakes that are made at one time for each worker.
const HANDSHAKES: usize = 2;

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
    doors: watch::Receiver<Doors>,
    stage: watch::Receiver<Stage>,
) -> io::Result<()> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        // what they do are handshakes that would hold the worker up
        .max_blocking_threads(HANDSHAKES)
        .thread_name(format!("handshake-{number}"))
        .on_thread_unpark(|| with_current(|worker| worker.clock.tick()))
        .on_thread_park(|| with_current(|worker| worker.log.borrow_mut().flush()))
        .build_local(LocalOptions::default())?;
    let lines = gateway.access.log.lines();
    let program = Arc::clone(&gateway.program);
    let worker = Rc::new(Worker::new(number, Arc::clone(&gateway.live), lines, program, gateway.parts.start));
    CURRENT.set(Some(Rc::clone(&worker)));
    let result = runtime.block_on(work(gateway, worker, doors, stage));
    // ends the tasks that are left: each writes its line
    drop(runtime);
    with_current(|worker| worker.log.borrow_mut().flush());
    CURRENT.set(None);
    result
}

async fn work(
    gateway: &Arc<Gateway>,
    worker: Rc<Worker>,
    doors: watch::Receiver<Doors>,
    mut stage: watch::Receiver<Stage>,
) -> io::Result<()> {
    let reactor = Rc::new(Reactor::new(Rc::clone(&worker))?);
    let deadlines = Rc::clone(&reactor);
    tokio::task::spawn_local(async move { deadlines.keep_deadlines().await });
    tokio::task::spawn_local(look_after_idle(Rc::clone(&worker), Arc::clone(gateway)));
    let mut doorkeeper = Doorkeeper::new(Rc::clone(&reactor), doors);
    doorkeeper.beginning().await;
    doorkeeper.look();
    // a task of its own: what is awaited beside the events is polled with each of them
    let mut keeping = tokio::task::spawn_local(keep_doors(doorkeeper, stage.clone()));
    gateway.pulse.begins();
    let events = Rc::clone(&reactor).run(|socket, standing| {
        // boxed: tokio moves a future several times before it polls it; and the task yields by itself after some rounds, so tokio need
        // not count its steps
        let task = Box::pin(serve_client(socket, standing, Rc::clone(&worker)));
        drop(tokio::task::spawn_local(tokio::task::unconstrained(task)));
    });
    let mut events = std::pin::pin!(events);
    let mut waited_for = false;
    let mut doorkeeper = poll_fn(|cx| {
        if let Poll::Ready(failed) = events.as_mut().poll(cx) {
            return Poll::Ready(failed.and(Err(io::ErrorKind::Other.into())));
        }
        // polled once so that its end wakes this task, and then not with every event
        if std::mem::replace(&mut waited_for, true) && !keeping.is_finished() {
            return Poll::Pending;
        }
        Pin::new(&mut keeping).poll(cx).map(|kept| kept.map_err(io::Error::other)?)
    })
    .await?;
    worker.draining.set(true);
    let mut left = std::pin::pin!(async {
        doorkeeper.close().await?;
        reactor.emptied().await;
        Ok(())
    });
    loop {
        match *stage.borrow_and_update() {
            Stage::Serve | Stage::Leave => {}
            Stage::Drain => reactor.hurry(GRACE.into()),
            Stage::Stop => return Ok(()),
        }
        tokio::select! {
            failed = &mut events => return failed,
            left = &mut left => return left,
            changed = stage.changed() => if changed.is_err() { return Ok(()) },
        }
    }
}

/// Follows the listeners as they come and go, until the gateway serves no longer.
async fn keep_doors(mut doorkeeper: Doorkeeper, mut stage: watch::Receiver<Stage>) -> io::Result<Doorkeeper> {
    loop {
        tokio::select! {
            _ = stage.wait_for(|s| *s > Stage::Serve) => return Ok(doorkeeper),
            changed = doorkeeper.changed() => changed?,
        }
        doorkeeper.look();
    }
}

async fn serve_client(mut socket: Socket, mut standing: Standing, worker: Rc<Worker>) {
    if standing.served == 0
        && is_to_be_greeted(&socket, standing, &worker)
        && !Box::pin(greet(&mut socket, &mut standing, &worker)).await
    {
        return;
    }
    if serve(&mut socket, &mut standing, &worker).await == After::Park {
        let snapshot = worker.snapshot();
        let limits = snapshot.table.listener(standing.peer.listener).map(|l| l.limits);
        let deadline = match limits {
            // nothing was said yet: the first head is still waited for
            Some(_) if standing.served == 0 => standing.deadline.unwrap_or(Moment::NEVER),
            Some(limits) => worker.clock.now() + limits.keepalive_timeout,
            None => return,
        };
        socket.park(standing.served, deadline);
    }
}

/// It is new, and its listener speaks TLS.
#[inline(never)]
fn is_to_be_greeted(socket: &Socket, standing: Standing, worker: &Worker) -> bool {
    socket.is_plain()
        && worker.snapshot().table.listener(standing.peer.listener).is_some_and(|listener| listener.secure)
}

/// Makes the handshake. False when that failed.
async fn greet(socket: &mut Socket, standing: &mut Standing, worker: &Worker) -> bool {
    let snapshot = worker.snapshot();
    let tls = snapshot.table.listener(standing.peer.listener).and_then(|listener| listener.tls.as_ref());
    let Some(tls) = tls.map(|tls| Arc::clone(&tls.server)) else { return false };
    drop(snapshot);
    // it began when the connection was accepted
    let until = standing.deadline.unwrap_or(Moment::NEVER);
    let result = shake_hands(socket, &tls, worker, until).await;
    let snapshot = worker.snapshot();
    let Some(listener) = snapshot.table.listener(standing.peer.listener) else { return false };
    listener.stats.handshake(worker.number, result, socket.secured().map(|secured| secured.version));
    standing.deadline = Some(worker.clock.now() + listener.limits.header_timeout);
    result.is_good()
}

/// Closes upstream connections that were idle for too long or that their endpoint closed. By this the worker shows that it lives.
async fn look_after_idle(worker: Rc<Worker>, gateway: Arc<Gateway>) {
    loop {
        gateway.pulse.beat(worker.number);
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
        assert!(size <= 1760, "the task of a request takes {size} bytes");
        assert!(size_of::<Standing>() <= 48 && size_of::<Peer>() <= 24 && size_of::<Span>() == 8);
    }
}
