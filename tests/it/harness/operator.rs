//! What an operator does with a running gateway: asks its admin API, runs the program's other commands.

use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use super::client::Client;
use super::gateway::Gateway;
use super::response::Response;

/// What a command said, with `FOLDER` and `HERE` for the gateway's own folder and address.
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    pub exit: i32,
    pub out: String,
    pub err: String,
}

impl Gateway {
    /// An order to the admin API, as the commands send it.
    #[track_caller]
    pub fn order(&self, method: &str, target: &str, body: &str) -> Response {
        self.api(method, target, "X-Wharf: 1\r\n", body)
    }

    /// A request to the admin address with these header lines.
    #[track_caller]
    pub fn api(&self, method: &str, target: &str, lines: &str, body: &str) -> Response {
        let address = self.on(21900);
        let length = body.len();
        Client::connect(address).ask(format!(
            "{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n{lines}\r\n{body}"
        ))
    }

    /// What the admin API shows.
    #[track_caller]
    pub fn shows(&self, target: &str) -> Value {
        let response = self.admin(target);
        assert_eq!(response.status, 200, "{target}: {response:?}");
        json(&response)
    }

    /// What `/api/v1/status` says of the endpoints of `app`: each `state in_flight`.
    #[track_caller]
    pub fn states(&self) -> Vec<String> {
        let status = self.shows("/api/v1/status");
        let endpoints = status["upstreams"]["app"]["endpoints"].as_array().expect("endpoints").clone();
        endpoints.iter().map(|e| format!("{} {}", e["state"].as_str().unwrap_or_default(), e["in_flight"])).collect()
    }

    /// Runs a command of the program in the gateway's folder.
    #[track_caller]
    pub fn wharf(&self, arguments: &[&str]) -> Said {
        self.said(self.command(arguments).output().expect("the program starts"))
    }

    /// Starts one, and does not wait for it.
    #[track_caller]
    pub fn start_wharf(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().expect("the program starts")
    }

    /// What it said when it has ended.
    #[track_caller]
    pub fn ended_wharf(&self, child: Child) -> Said {
        self.said(child.wait_with_output().expect("a running program"))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let program = std::env::var_os("WHARF_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_wharf").into());
        let mut command = Command::new(program);
        let place = |text: &str| text.replace("HERE", &self.on(0).ip().to_string());
        command.args(arguments.iter().map(|argument| place(argument)));
        command.current_dir(self.folder()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn said(&self, output: Output) -> Said {
        let (folder, here) = (self.folder().display().to_string(), self.on(0).ip().to_string());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&folder, "FOLDER").replace(&here, "HERE");
        Said {
            exit: output.status.code().expect("an exit status"),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }
}

/// A response's body, which must be JSON.
#[track_caller]
pub fn json(response: &Response) -> Value {
    assert_eq!(response.header("content-type"), Some("application/json"), "{response:?}");
    serde_json::from_slice(&response.body).unwrap_or_else(|e| panic!("{e} in {response:?}"))
}
