//! What holds for all commands: exit statuses, and what they take from the environment. The manual page and the reference show it.

/// Exit statuses and what they say.
pub const STATUSES: [(&str, &str); 4] = [
    ("0", "Done."),
    (
        "1",
        "Failed while running: an address is taken, a running gateway cannot be asked, a reload was refused for another reason than its configuration.",
    ),
    ("2", "The command line is wrong."),
    ("3", "The configuration is invalid, or there is none."),
];

/// Variables of the environment and what they do.
pub const VARIABLES: [(&str, &str); 8] = [
    ("NO_COLOR", "If it is set to anything, nothing is coloured. A pipe is never sent colours."),
    ("STATE_DIRECTORY", "Where the last good configuration is kept; systemd sets it."),
    ("XDG_STATE_HOME", "Its directory `wharf` is the state directory where STATE_DIRECTORY is not set."),
    ("HOME", "Its directory `.local/state/wharf` is the state directory where neither of the two is set."),
    ("NOTIFY_SOCKET", "Where systemd is told that the gateway is ready, reloads or stops; systemd sets it."),
    (
        "WATCHDOG_USEC",
        "How often systemd wants to hear that the gateway lives, with WATCHDOG_PID; systemd sets it for `WatchdogSec=`.",
    ),
    (
        "DOCKER_HOST",
        "The engine that `wharf agent docker` asks without `--engine`; with DOCKER_TLS_VERIFY set it speaks TLS to it, with the files `docker` takes from DOCKER_CERT_PATH.",
    ),
    ("any other", "Whatever a configuration names in `${NAME}` or in a secret's `{ env: NAME }`."),
];

/// Files and what they are.
pub const FILES: [(&str, &str); 2] = [
    ("./gateway.yaml", "The configuration, where the command line names none."),
    ("/etc/wharf/gateway.yaml", "The same, where there is no ./gateway.yaml."),
];
