//! Signals: what an operator says to the process, in nginx's words.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// TERM or QUIT: finish what is in flight, then stop.
    Stop,
    /// INT: the same; the second time stop now.
    Interrupt,
    /// HUP: read the configuration again.
    Reload,
    /// USR1: open the log files anew.
    Reopen,
    /// USR2: hand over to the new binary.
    Upgrade,
}

/// The signals that are listened to.
pub struct Signals {
    terminate: Signal,
    quit: Signal,
    interrupt: Signal,
    hangup: Signal,
    reopen: Signal,
    upgrade: Signal,
}

impl Signals {
    /// From now on none of them ends the process by itself.
    pub fn listen() -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            quit: signal(SignalKind::quit())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            reopen: signal(SignalKind::user_defined1())?,
            upgrade: signal(SignalKind::user_defined2())?,
        })
    }

    /// The next one. Nothing is lost when the result is dropped.
    pub async fn next(&mut self) -> Said {
        tokio::select! {
            _ = self.terminate.recv() => Said::Stop,
            _ = self.quit.recv() => Said::Stop,
            _ = self.interrupt.recv() => Said::Interrupt,
            _ = self.hangup.recv() => Said::Reload,
            _ = self.reopen.recv() => Said::Reopen,
            _ = self.upgrade.recv() => Said::Upgrade,
        }
    }
}
