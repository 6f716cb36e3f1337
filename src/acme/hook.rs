//! The command that sets and unsets records in the DNS.
//!
//! It is run without a shell, as `COMMAND… set DOMAIN NAME VALUE` and later `COMMAND… unset DOMAIN NAME VALUE`: the host without `*.`,
//! the full name of the TXT record, and its value. Status 0 says that it is done.

use super::Trouble;
use super::trouble::tame;
use serde::{Deserialize, Serialize};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

/// The longest a command may take; then it is killed.
const HOOK_TIMEOUT: Duration = Duration::from_secs(120);
/// The most of its stderr that is read.
const STDERR_MAX: u64 = 64 * 1024;
/// The most lines of it that go to the log.
const LINES_MAX: usize = 50;

/// A record in the DNS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DnsRecord {
    /// The host that is proven, without `*.`.
    pub domain: String,
    /// The value of the TXT record.
    pub value: String,
}

/// What is done with a record.
#[derive(Clone, Copy, Debug)]
pub(super) enum Deed {
    Set,
    Unset,
}

/// Runs the command.
pub(super) async fn run(hook: &[String], deed: Deed, record: &DnsRecord) -> Result<(), Trouble> {
    let deed = match deed {
        Deed::Set => "set",
        Deed::Unset => "unset",
    };
    let done = timeout(HOOK_TIMEOUT, command(hook, deed, record)).await;
    let late = || Err(format!("it did not end within {} s and was killed", HOOK_TIMEOUT.as_secs()));
    done.unwrap_or_else(|_| late()).map_err(|why| {
        Trouble::new(format!("the dns hook failed to {deed} the record of {}: {why}", record.domain))
            .hint("run the hook by hand as the gateway's user")
    })
}

async fn command(hook: &[String], deed: &str, record: &DnsRecord) -> Result<(), String> {
    let (program, arguments) = hook.split_first().ok_or("no command is given")?;
    let name = format!("_acme-challenge.{}", record.domain);
    let mut child = Command::new(program)
        .args(arguments)
        .args([deed, &record.domain, &name, &record.value])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| format!("`{program}` cannot be run: {e}"))?;
    let last = match child.stderr.take() {
        Some(mut stderr) => {
            let last = said(program, BufReader::new((&mut stderr).take(STDERR_MAX))).await;
            // who says more than is read must not fail for it
            let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
            last
        }
        None => None,
    };
    let status = child.wait().await.map_err(|e| e.to_string())?;
    match last {
        _ if status.success() => Ok(()),
        Some(last) => Err(format!("{status}: {last}")),
        None => Err(status.to_string()),
    }
}

/// Puts its stderr into the log; the last line.
async fn said(program: &str, mut stderr: impl AsyncBufReadExt + Unpin) -> Option<String> {
    let (mut line, mut last, mut lines) = (Vec::new(), None, 0);
    while stderr.read_until(b'\n', &mut line).await.is_ok_and(|length| length > 0) {
        let text = tame(String::from_utf8_lossy(&line).trim_end());
        if lines < LINES_MAX {
            log::info!("acme: {program}: {text}");
        }
        (last, lines) = (Some(text), lines + 1);
        line.clear();
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> DnsRecord {
        DnsRecord { domain: "a.example.com".into(), value: "some $(value)".into() }
    }

    async fn sh(script: &str) -> Result<(), Trouble> {
        run(&["sh", "-c", script, "hook"].map(str::to_owned), Deed::Set, &record()).await
    }

    #[tokio::test]
    async fn a_hook_is_told_what_to_do_in_its_arguments() {
        let script = r#"test "$*" = 'set a.example.com _acme-challenge.a.example.com some $(value)'"#;
        assert_eq!(sh(script).await, Ok(()));
    }

    #[tokio::test]
    async fn a_hook_may_say_more_than_is_read() {
        assert_eq!(sh("head -c 1000000 /dev/zero | tr '\\0' 'x' >&2; echo end >&2").await, Ok(()));
    }

    #[tokio::test]
    async fn a_hook_that_fails_says_why() {
        let said = sh("echo first >&2; echo no such zone >&2; exit 3").await.unwrap_err().to_string();
        assert!(said.contains("exit status: 3: no such zone"), "{said}");
        let missing = run(&["/nowhere/hook".to_owned()], Deed::Unset, &record()).await.unwrap_err().to_string();
        assert!(missing.contains("`/nowhere/hook` cannot be run"), "{missing}");
    }
}
