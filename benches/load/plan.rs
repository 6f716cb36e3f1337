//! What a load generator is told to do and what it tells afterwards: JSON on its command line and on its stdout.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// One measurement, seen from the client.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    pub target: SocketAddr,
    pub connections: usize,
    /// Requests at a time in a closed loop; fewer than connections: they are used strictly in turn.
    pub in_flight: usize,
    /// Requests per second of an open loop; none: a closed loop.
    pub rate: Option<f64>,
    pub seconds: f64,
    /// Ends the measurement early, after so many requests.
    pub requests: Option<u64>,
    /// Uncounted seconds before; in a closed loop each connection is used at least once in them.
    pub warm_seconds: f64,
    /// Connections carry many requests; false: a new connection for each.
    pub kept: bool,
    pub method: Method,
    /// `{i}` stands for a number below `spread`.
    pub host: String,
    pub path: String,
    pub spread: usize,
    /// Cookie, Accept-Language and what else a browser's script sends.
    pub browser_headers: bool,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Method {
    Get,
    Post { body_bytes: usize },
}

impl Plan {
    /// 1 KiB GETs in a closed loop on 32 kept connections.
    pub fn small(target: SocketAddr, seconds: f64) -> Plan {
        Plan {
            target,
            connections: 32,
            in_flight: 32,
            rate: None,
            seconds,
            requests: None,
            warm_seconds: (seconds / 4.0).min(0.3),
            kept: true,
            method: Method::Get,
            host: "bench.local".into(),
            path: "/api/v1/items?id=42".into(),
            spread: 1,
            browser_headers: false,
        }
    }

    pub fn with_connections(self, connections: usize) -> Plan {
        Plan { connections, in_flight: connections, ..self }
    }

    /// The requests to send, in turn: whole messages, made beforehand.
    pub fn messages(&self) -> Vec<Vec<u8>> {
        (0..self.spread.clamp(1, SPREAD_MAX)).map(|step| self.message(step)).collect()
    }

    fn message(&self, step: usize) -> Vec<u8> {
        // A stride prime to any spread: neighbours in time are far apart in the table, as real requests are.
        let number = (step * STRIDE % self.spread.max(1)).to_string();
        let (host, path) = (self.host.replace("{i}", &number), self.path.replace("{i}", &number));
        let verb = if let Method::Post { .. } = self.method { "POST" } else { "GET" };
        let mut text = format!("{verb} {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: load/1\r\nAccept: */*\r\n");
        if self.browser_headers {
            text.push_str(BROWSER_HEADERS);
        }
        if !self.kept {
            text.push_str("Connection: close\r\n");
        }
        let mut body_bytes = 0;
        if let Method::Post { body_bytes: bytes } = self.method {
            body_bytes = bytes;
            text.push_str(&format!("Content-Type: application/octet-stream\r\nContent-Length: {bytes}\r\n"));
        }
        text.push_str("\r\n");
        let mut message = text.into_bytes();
        message.resize(message.len() + body_bytes, b'p');
        message
    }
}

/// Distinct messages made at most; a wider spread repeats a part of itself.
const SPREAD_MAX: usize = 65_536;

const STRIDE: usize = 7_368_787;

/// What a browser's script adds on a site with a session and a token.
const BROWSER_HEADERS: &str = "Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Accept-Language: nb-NO,nb;q=0.9,en;q=0.8\r\n\
    Cookie: session=7f3a9c0be51d48f2a6c4e8d09b17f35c; theme=dark\r\n\
    Authorization: Bearer eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0NzExIiwiaWF0IjoxNzY3MjI1NjAwfQ.\
MEUCIQDXk3v1s0cF6Qm2Jr8W9pTn4bYxHdLzAoKgIuRfEeVbCwIgT5nSx0Zq\r\n\
    Cache-Control: no-cache\r\n";

/// What happened while it was measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// Responses read to their end, whatever their status.
    pub completed: u64,
    /// Of these, the ones with another status than 2xx.
    pub bad_status: BTreeMap<u16, u64>,
    /// Requests that got no whole response.
    pub failed: u64,
    pub elapsed_s: f64,
    /// Latencies: in an open loop from the instant the request was due.
    pub p50_us: f64,
    pub p99_us: f64,
    pub max_us: f64,
}

impl Outcome {
    /// Requests that did not end as they should.
    pub fn errors(&self) -> u64 {
        self.failed + self.bad_status.values().sum::<u64>()
    }

    pub fn per_second(&self) -> f64 {
        self.completed as f64 / self.elapsed_s.max(1e-9)
    }
}
