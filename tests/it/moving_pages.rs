//! The pages about moving from another proxy are true: what stands side by side there answers alike, by that proxy itself.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use regex::Regex;

use crate::harness::*;
use crate::moving_pairs::{Answer, Asked, Pair, pairs};
use crate::moving_peers::{Peer, Program};

/// Which request of a page this is, in a header that all of them pass on.
const MARK: &str = "X-Mark";

/// Headers of requests that Wharf adds by itself, as the pages say.
const OURS: [&str; 6] =
    ["x-real-ip", "x-request-id", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port"];

/// Headers of requests in which the others speak of themselves, as the pages say. Those written in Go ask for gzip, and unpack it, where
/// the client does not.
const THEIRS: [&str; 7] = [
    "via",
    "connection",
    "accept-encoding",
    "x-forwarded-server",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-replaced-path",
];

/// Headers of answers in which a server speaks of itself or of its connection.
const ITS_OWN: [&str; 6] = ["server", "date", "via", "connection", "keep-alive", "alt-svc"];

/// An origin that says which it is and what it was asked; what ends in `/broken` is answered 500.
fn origin(name: String) -> Origin {
    Origin::answering(move |request| {
        if request.header("upgrade").is_some() {
            return b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n".to_vec();
        }
        let status = if request.target.ends_with("/broken") { "500 Internal Server Error" } else { "200 OK" };
        let head = format!("HTTP/1.1 {status}\r\nServer: {name}\r\nX-Powered-By: origin\r\nContent-Type: text/plain");
        with_head(&head, format!("{name} {}\n", request.target))
    })
}

/// The endpoints that both configurations name. Those called `down` refuse connections.
struct Endpoints {
    origins: Vec<Origin>,
    addresses: BTreeMap<String, SocketAddr>,
}

impl Endpoints {
    fn of(pair: &Pair) -> Endpoints {
        let endpoint = Regex::new(r"\b([a-z][a-z0-9-]*:[0-9]{4})\b").unwrap();
        let mut found = Endpoints { origins: Vec::new(), addresses: BTreeMap::new() };
        for text in pair.theirs.iter().chain([&pair.ours]) {
            for name in endpoint.captures_iter(text).map(|found| found[1].to_owned()) {
                if found.addresses.contains_key(&name) {
                    continue;
                }
                let address = if name.starts_with("down") {
                    Origin::refusing()
                } else {
                    found.origins.push(origin(name.split(':').next().unwrap().to_owned()));
                    found.origins.last().unwrap().address()
                };
                found.addresses.insert(name, address);
            }
        }
        found
    }

    /// The text with addresses in place of names.
    fn within(&self, text: &str) -> String {
        self.addresses.iter().fold(text.to_owned(), |text, (name, to)| text.replace(name, &to.to_string()))
    }

    /// The header lines with which a request arrived, if it did.
    fn saw(&self, mark: &str) -> Option<BTreeMap<String, String>> {
        let requests = self.origins.iter().flat_map(|origin| origin.requests());
        let request = requests.into_iter().find(|request| request.header(MARK) == Some(mark))?;
        let lines = request.headers.0.into_iter();
        Some(
            lines
                .map(|(name, value)| (name.to_ascii_lowercase(), value))
                .filter(|(name, _)| *name != "x-mark")
                .collect(),
        )
    }
}

/// What was answered: the line of a table, and all headers.
struct Said {
    answer: Answer,
    headers: BTreeMap<String, String>,
}

fn ask(asked: &Asked, mark: &str, plain: SocketAddr, secured: SocketAddr) -> Said {
    let Asked { method, is_secured, host, target, lines } = asked;
    let mut text = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{MARK}: {mark}\r\n");
    lines.iter().for_each(|line| text += &format!("{line}\r\n"));
    if method == "POST" && !lines.iter().any(|line| line.starts_with("Content-Length")) {
        text += "Content-Length: 0\r\n";
    }
    text += "\r\n";
    let response = match is_secured {
        true => Visitor::trusting(host).ready().connect(secured).ask(text),
        false => Client::connect(plain).ask(text),
    };
    // the ports of the page are others than those of the test
    let location = response.header("location").map(|to| to.replace(":21443", "").replace(":21080", ""));
    let body = response.text().trim().to_owned();
    let headers = response.headers.0.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
    let answer = Answer { status: response.status, text: Some(location.unwrap_or(body)), headers: Vec::new() };
    Said { answer, headers: headers.collect() }
}

/// What is wrong about an answer, by what the page says of it.
fn differs(said: &Said, wanted: &Answer) -> Option<String> {
    let is_text = wanted.text.is_none() || wanted.text == said.answer.text;
    let headers =
        wanted.headers.iter().all(|(name, value)| said.headers.get(&name.to_ascii_lowercase()) == Some(value));
    let is_it = said.answer.status == wanted.status && is_text && headers;
    (!is_it).then(|| format!("it says {wanted:?}, and was told {:?} {:?}", said.answer, said.headers))
}

/// Whether an endpoint was asked the same, and the client told the same of its answer.
fn alike(theirs: &Said, ours: &Said, asked: [BTreeMap<String, String>; 2]) -> Vec<String> {
    let mut wrong = Vec::new();
    let [asked_theirs, asked_ours] = asked.map(|mut lines| {
        // nginx's `$host` is in lower case
        lines.get_mut("host").into_iter().for_each(|host| host.make_ascii_lowercase());
        lines
    });
    for (name, value) in &asked_theirs {
        if !THEIRS.contains(&&**name) && asked_ours.get(name) != Some(value) {
            wrong.push(format!("the endpoint gets `{name}: {value}` from them, {:?} from us", asked_ours.get(name)));
        }
    }
    for (name, value) in &asked_ours {
        if !OURS.contains(&&**name) && asked_theirs.get(name) != Some(value) {
            wrong.push(format!("the endpoint gets `{name}: {value}` from us alone"));
        }
    }
    let told = |said: &Said| -> BTreeMap<String, String> {
        let kept = said.headers.iter().filter(|(name, _)| !ITS_OWN.contains(&&***name));
        kept.map(|(name, value)| (name.clone(), if name == "set-cookie" { cookie(value) } else { value.clone() }))
            .collect()
    };
    if told(theirs) != told(ours) {
        wrong.push(format!("the client gets {:?} from them, {:?} from us", told(theirs), told(ours)));
    }
    wrong
}

/// A cookie's name: whose value is whose own way to say where a client belongs.
fn cookie(line: &str) -> String {
    line.split('=').next().unwrap().to_owned()
}

fn compare(program: Program, pair: Pair, authority: &Authority) -> Vec<String> {
    let endpoints = Endpoints::of(&pair);
    let leaf = authority.issue(&["shop.example.com"]);
    let own = |text: &String| {
        let text = endpoints.within(text);
        let certificate = Regex::new(r"/etc/(ssl|wharf|caddy|traefik)/site\.crt").unwrap();
        let key = Regex::new(r"/etc/(ssl|wharf|caddy|traefik)/site\.key").unwrap();
        let text = certificate.replace_all(&text, leaf.cert.display().to_string());
        key.replace_all(&text, leaf.key.display().to_string()).into_owned()
    };
    let peer = Peer::start(program, &pair.theirs.iter().map(own).collect::<Vec<_>>());
    let ours = own(&pair.ours).replace("\":80\"", "\"HERE:21080\"").replace("\":443\"", "\"HERE:21443\"");
    let gateway = Gateway::start(&ours);
    let mut wrong = Vec::new();
    for (n, row) in pair.rows.iter().enumerate() {
        for (m, (theirs, ours)) in row.theirs.iter().zip(&row.ours).enumerate() {
            let marks = [format!("{n}-{m}-theirs"), format!("{n}-{m}-ours")];
            let said = [
                ask(&row.request, &marks[0], peer.on(21080), peer.on(21443)),
                ask(&row.request, &marks[1], gateway.on(21080), gateway.on(21443)),
            ];
            let mut complain =
                |who: &str, why: String| wrong.push(format!("{}: {:?}: {who}: {why}", pair.place, row.request));
            if let Some(why) = differs(&said[0], theirs) {
                complain(program.name(), why);
            }
            if let Some(why) = differs(&said[1], ours) {
                complain("wharf", why);
            }
            let saw = [endpoints.saw(&marks[0]), endpoints.saw(&marks[1])];
            if let ([Some(a), Some(b)], true) = (saw, theirs == ours) {
                alike(&said[0], &said[1], [a, b]).into_iter().for_each(|why| complain("both", why));
            }
        }
    }
    if !wrong.is_empty() {
        let log = peer.log();
        let errors: Vec<&str> = log.lines().filter(|line| line.contains("error")).collect();
        wrong.push(format!("{}: what {program:?} complains of: {errors:#?}", pair.place));
    }
    wrong
}

#[track_caller]
fn prove(page: &str, fence: &str, program: Program, at_least: usize) {
    let pairs = pairs(page, fence);
    assert!(pairs.len() >= at_least, "only {} pairs are left of {page}", pairs.len());
    if !program.is_installed() {
        return;
    }
    let authority = Authority::new(fence);
    let wrong = side_by_side(4, pairs, |pair| compare(program, pair, &authority)).concat();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn the_pairs_of_the_page_about_nginx_answer_alike() {
    prove("docs/how-to/from-nginx.md", "nginx", Program::Nginx, 8);
}

#[test]
fn the_pairs_of_the_page_about_caddy_answer_alike() {
    prove("docs/how-to/from-caddy.md", "caddyfile", Program::Caddy, 6);
}

#[test]
fn the_pairs_of_the_page_about_traefik_answer_alike() {
    prove("docs/how-to/from-traefik.md", "traefik", Program::Traefik, 6);
}
