//! How commands end that run until they are told to: process 1 of a container ends by no signal that it does not listen to.

use std::future::Future;
use std::io;
use tokio::signal::unix::{SignalKind, signal};

/// Comes when the process is told to end, by TERM or INT. Must be called on a runtime.
pub(super) fn told_to_end() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
