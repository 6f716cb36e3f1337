//! A table of routes that is another one in each generation, while what the load asks for is always in it.

use std::fmt::Write;
use std::net::SocketAddr;

use crate::place::Place;

/// Prefixes that every generation serves, from one pool or another.
pub const PREFIXES: [&str; 8] = ["/s0/", "/s1/", "/s2/", "/s3/", "/s4/", "/s5/", "/s6/", "/s7/"];

/// Origins that the pools choose from.
pub const ORIGINS: usize = 8;

const POOLS: usize = 3;

/// The target that says which generation is live.
pub const GENERATION: &str = "/generation";

pub struct Generation {
    number: u64,
    /// Endpoints of each pool, with their weights.
    pools: Vec<Vec<(SocketAddr, u64)>>,
    /// Prefixes and their pools.
    routes: Vec<(String, usize)>,
}

impl Generation {
    pub fn new(number: u64, place: &Place) -> Generation {
        let n = number as usize;
        let endpoints = |pool: usize| {
            let chosen = (0..ORIGINS).filter(move |origin| !(origin + n + pool).is_multiple_of(POOLS));
            chosen.map(|origin| (place.origin(origin), 1 + ((origin + n) % 3) as u64)).collect()
        };
        let lasting = PREFIXES.iter().enumerate().map(|(nth, prefix)| ((*prefix).to_owned(), (nth + n) % POOLS));
        let passing = (n..n + 10 + n % 7).map(|nth| (format!("/passing-{nth}/"), nth % POOLS));
        Generation { number, pools: (0..POOLS).map(endpoints).collect(), routes: lasting.chain(passing).collect() }
    }

    /// What [`GENERATION`] answers.
    pub fn answer(&self) -> String {
        self.number.to_string()
    }

    /// As gateway.yaml. `more`: lines at its end; `second_listener`: it comes and goes with the generations.
    pub fn wharf(&self, place: &Place, more: &str, second_listener: bool) -> String {
        let number = self.number;
        let mut text = format!(
            "version: 1\nadmin: {{ address: \"{}\" }}\nlisteners:\n  web:\n    address: \"{}\"\n    \
             limits: {{ connections: {}, header_timeout: {}s }}\n",
            place.admin(),
            place.listener(0),
            10_000 + number % 10,
            10 + number % 5
        );
        if second_listener && number % 2 == 1 {
            let _ = writeln!(text, "  passing: {{ address: \"{}\" }}", place.listener(1 + (number % 7) as u16));
        }
        text.push_str("upstreams:\n");
        for (nth, endpoints) in self.pools.iter().enumerate() {
            let _ = writeln!(text, "  p{nth}:\n    endpoints:");
            for (address, weight) in endpoints {
                let _ = writeln!(text, "      - {{ address: \"{address}\", weight: {weight} }}");
            }
        }
        let _ = writeln!(
            text,
            "routes:\n  - match: {{ path: {GENERATION} }}\n    respond: {{ status: 200, body: \"{number}\" }}"
        );
        for (prefix, pool) in &self.routes {
            let _ = writeln!(text, "  - match: {{ path: \"{prefix}*\" }}\n    upstream: p{pool}");
        }
        text + more + "\n"
    }

    pub fn nginx(&self, place: &Place) -> String {
        let (folder, address, number) = (place.folder().display(), place.listener(0), self.number);
        let mut text = format!(
            "worker_processes 2;\ndaemon off;\npid {folder}/nginx.pid;\nerror_log stderr crit;\n\
             events {{ worker_connections 4096; }}\nhttp {{\n    access_log off;\n"
        );
        if rustix::process::geteuid().is_root() {
            text.insert_str(0, "user root;\n");
        }
        for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
            let _ = writeln!(text, "    {kind}_temp_path {folder}/{kind};");
        }
        text.push_str(
            "    proxy_http_version 1.1;\n    proxy_set_header Connection \"\";\n    proxy_set_header Host $host;\n",
        );
        for (nth, endpoints) in self.pools.iter().enumerate() {
            let _ = writeln!(text, "    upstream p{nth} {{\n        least_conn;");
            for (address, weight) in endpoints {
                let _ = writeln!(text, "        server {address} weight={weight};");
            }
            text.push_str("        keepalive 64;\n    }\n");
        }
        let _ = writeln!(
            text,
            "    server {{\n        listen {address};\n        client_header_timeout {}s;\n        \
             location = {GENERATION} {{ return 200 {number}; }}",
            10 + number % 5
        );
        for (prefix, pool) in &self.routes {
            let _ = writeln!(text, "        location {prefix} {{ proxy_pass http://p{pool}; }}");
        }
        text + "    }\n}\n"
    }

    pub fn haproxy(&self, place: &Place) -> String {
        let (address, number) = (place.listener(0), self.number);
        let mut text = format!(
            "global\n  nbthread 2\n  no strict-limits\ndefaults\n  mode http\n  timeout connect 5s\n  \
             timeout client {}s\n  timeout server 60s\n  http-reuse always\nfrontend web\n  bind {address}\n  \
             http-request return status 200 content-type text/plain string \"{number}\" if {{ path {GENERATION} }}\n",
            60 + number % 5
        );
        for (prefix, pool) in &self.routes {
            let _ = writeln!(text, "  use_backend p{pool} if {{ path_beg {prefix} }}");
        }
        for (nth, endpoints) in self.pools.iter().enumerate() {
            let _ = writeln!(text, "backend p{nth}\n  balance leastconn");
            for (nth, (address, weight)) in endpoints.iter().enumerate() {
                let _ = writeln!(text, "  server s{nth} {address} weight {weight}");
            }
        }
        text
    }
}
