//! The change to a new binary, seen from the old process: start it, hand over the sockets, wait until it is ready.

use super::handover::{self, ANNOUNCEMENT, Message, VERSION};
use super::listeners::Addressed;
use super::program::Program;
use rustix::process::Pid;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::Duration;
use tokio::process::{Child, Command};

/// How long the new process may take until it is ready.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How long a process that has closed its end may take to end.
const END: Duration = Duration::from_secs(1);

/// Starts `program` and hands `sockets` over. Its process is in `heir` from the moment it runs. The error says why it did not take over; it
/// does not run any more then.
pub async fn upgrade(
    program: &Program,
    message: Message,
    sockets: Vec<Addressed>,
    patience: Duration,
    heir: &OnceLock<Pid>,
) -> Result<(), String> {
    let (ours, theirs) = pair().map_err(|e| format!("no socket to hand over by: {e}"))?;
    let mut arguments = program.arguments.iter();
    let mut command = Command::new(&program.path);
    command.arg0(arguments.next().map_or(program.path.as_os_str(), |name| name));
    command.args(arguments).env(ANNOUNCEMENT, VERSION).stdin(Stdio::from(theirs));
    // it names this process: without it, systemd's watchdog is whose it becomes
    command.env_remove("WATCHDOG_PID");
    let mut child = command.spawn().map_err(|e| format!("cannot start {}: {e}", program.path.display()))?;
    // else it holds the new process's end, and would not see it close
    drop(command);
    if let Some(pid) = child.id().and_then(|id| Pid::from_raw(id as i32)) {
        // nobody else sets it
        let _ = heir.set(pid);
        log::info!("upgrade: {} runs as process {}", program.path.display(), pid.as_raw_nonzero());
    }
    let ready = tokio::select! {
        talked = tokio::time::timeout(patience, talk(ours, message, sockets)) => match talked {
            Ok(Ok(())) => child.try_wait().map_or(Ok(()), |status| status.map_or(Ok(()), |status| Err(ended(status)))),
            Ok(Err(e)) => Err(match tokio::time::timeout(END, child.wait()).await {
                Ok(Ok(status)) => ended(status),
                _ => format!("the new process did not take over: {e}"),
            }),
            Err(_) => Err(format!("the new process was not ready within {patience:?}, and is killed")),
        },
        status = child.wait() => Err(status.map_or_else(|e| format!("the new process is lost: {e}"), ended)),
    };
    if ready.is_err() {
        kill(&mut child).await;
    }
    ready
}

fn ended(status: ExitStatus) -> String {
    format!("the new process ended before it was ready ({status}); its own messages are above")
}

async fn kill(child: &mut Child) {
    // one that has ended already is only waited for
    if let Err(e) = child.kill().await {
        log::warn!("upgrade: the new process cannot be killed: {e}");
    }
}

/// Our end, and the one that becomes the new process's standard input.
fn pair() -> io::Result<(tokio::net::UnixStream, OwnedFd)> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    Ok((tokio::net::UnixStream::from_std(ours)?, theirs.into()))
}

async fn talk(mut stream: tokio::net::UnixStream, message: Message, sockets: Vec<Addressed>) -> io::Result<()> {
    let descriptors: Vec<BorrowedFd<'_>> = sockets.iter().map(|(_, socket)| socket.as_fd()).collect();
    handover::send(&mut stream, &message, &descriptors).await?;
    // the workers must be the last to let go of them
    drop(sockets);
    handover::answer(&mut stream).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    async fn run(script: &str, patience: Duration) -> (Result<(), String>, Option<Pid>) {
        let arguments = ["sh", "-c", script].map(Into::into).to_vec();
        let program = Program { path: "/bin/sh".into(), arguments };
        let heir = OnceLock::new();
        let result = upgrade(&program, Message::default(), Vec::new(), patience, &heir).await;
        (result, heir.get().copied())
    }

    #[tokio::test]
    async fn a_new_process_that_ends_is_told_by_its_status() {
        for (script, status) in
            [("exit 3", "exit status: 3"), ("exit 0", "exit status: 0"), ("kill -9 $$", "signal: 9")]
        {
            let (result, _) = run(script, PATIENCE).await;
            let why = result.expect_err("it is not ready");
            assert!(why.contains(status), "{why}");
        }
    }

    #[tokio::test]
    async fn a_new_process_that_says_nothing_is_killed() {
        let begun = Instant::now();
        for script in ["exec sleep 60", "exec sleep 60 <&-"] {
            let (result, heir) = run(script, Duration::from_millis(1500)).await;
            assert!(result.is_err());
            let heir = heir.expect("it ran");
            assert!(rustix::process::test_kill_process(heir).is_err(), "it runs still");
        }
        assert!(begun.elapsed() < Duration::from_secs(30));
    }

    #[tokio::test]
    async fn a_new_process_that_answers_has_taken_over() {
        // reads the message of no sockets, answers, and stays
        let (result, heir) = run("head -c 4 >/dev/null; printf R >&0; exec sleep 5", PATIENCE).await;
        assert_eq!(result, Ok(()));
        let heir = heir.expect("it runs");
        rustix::process::kill_process(heir, rustix::process::Signal::KILL).unwrap();
    }

    #[tokio::test]
    async fn a_program_that_cannot_be_started_is_named() {
        let program = Program { path: "/nowhere/wharf".into(), arguments: vec!["wharf".into()] };
        let result = upgrade(&program, Message::default(), Vec::new(), PATIENCE, &OnceLock::new()).await;
        assert!(result.is_err_and(|why| why.contains("cannot start /nowhere/wharf: No such file")));
    }
}
