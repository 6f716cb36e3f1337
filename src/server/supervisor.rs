//! The service manager (systemd), where there is one: what it is told of this process, and the sign of life it waits for.

use super::Gateway;
use super::life::Stage;
use sd_notify::NotifyState;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;

/// Signs of life that may be missed before the service manager restarts the process.
const SIGNS: u32 = 4;
/// The time that ending takes beyond what requests are given.
const ENDING: Duration = Duration::from_secs(2);

/// This process is the main one, though it does not say that it is ready.
pub fn is_main() {
    tell(&[NotifyState::MainPid(std::process::id())]);
}

/// This process serves, and is the main one.
pub fn serves() {
    tell(&[NotifyState::MainPid(std::process::id()), NotifyState::Ready]);
}

/// This process stops, which takes requests at most so long.
pub fn stops(time: Duration) {
    let time = time.saturating_add(ENDING).as_micros();
    tell(&[NotifyState::Stopping, NotifyState::ExtendTimeoutUsec(u32::try_from(time).unwrap_or(u32::MAX))]);
}

/// A reload that the service manager is told of: it begins now.
pub fn reloading() {
    // its clock is how `Type=notify-reload` tells this reload from one before
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(e) => log::warn!("the service manager is not told of the reload: {e}"),
    }
}

/// The reload is over, and this is what came of it.
pub fn reloaded(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Tells the watchdog again and again that this process lives: that its workers do, as long as it serves. Never returns while it is the main one.
pub async fn stay_alive(gateway: &Gateway, mut stage: watch::Receiver<Stage>) {
    let Some(patience) = sd_notify::watchdog_enabled().filter(|patience| !patience.is_zero()) else {
        return std::future::pending().await;
    };
    let mut seen = Vec::new();
    loop {
        let now = *stage.borrow_and_update();
        match now {
            Stage::Serve if !gateway.pulse.all_beat(&mut seen) => log::debug!("a worker has made no turn yet"),
            // a process that has been followed by another must not hide the other's end
            Stage::Leave => return std::future::pending().await,
            _ => tell(&[NotifyState::Watchdog]),
        }
        tokio::select! {
            () = sleep(patience / SIGNS) => {}
            _ = stage.changed() => {}
        }
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(e) = sd_notify::notify(state) {
        log::warn!("the service manager cannot be told ({state:?}): {e}");
    }
}
