//! What Pebble lacks, before it: renewal information (RFC 9773), which says of a revoked certificate that it is to be renewed now.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use super::pebble::Pebble;
use super::trusting::Trusting;

/// A Pebble with renewal information, on another port of its address.
pub struct Front {
    here: Ipv4Addr,
    stop: Arc<AtomicBool>,
    told: Arc<Told>,
}

/// What it was told to do, and what it has seen.
#[derive(Default)]
struct Told {
    replaced: Mutex<Vec<String>>,
    /// Orders are refused, and wanted again after so many hours.
    rest_hours: AtomicU32,
    refused: AtomicU32,
}

struct Behind {
    here: Ipv4Addr,
    client: Trusting,
    told: Arc<Told>,
}

impl Front {
    pub fn before(pebble: &Pebble) -> Front {
        let here = pebble.here();
        let read = |name: &str| std::fs::read(pebble.folder().join(name)).unwrap();
        let chain = CertificateDer::pem_slice_iter(&read("cert.pem")).map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_slice(&read("key.pem")).unwrap();
        let builder = ServerConfig::builder_with_provider(wharf::tls::provider());
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let config = Arc::new(builder.with_single_cert(chain, key).unwrap());
        let front = Front { here, stop: Arc::default(), told: Arc::default() };
        let behind = Behind { here, client: Trusting::new(&read("ca.pem")), told: Arc::clone(&front.told) };
        let (listener, stop) = (TcpListener::bind((here, 14001)).unwrap(), Arc::clone(&front.stop));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::Acquire) {
                    return;
                }
                let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                behind.serve(StreamOwned::new(connection, stream.unwrap()));
            }
        });
        front
    }

    /// Its directory's URL.
    pub fn directory(&self) -> String {
        format!("https://{}:14001/dir", self.here)
    }

    /// From now on it is too much for it.
    pub fn refuse_orders_for_hours(&self, hours: u32) {
        self.told.rest_hours.store(hours, Ordering::Release);
    }

    /// How many orders it has refused.
    pub fn refused(&self) -> u32 {
        self.told.refused.load(Ordering::Acquire)
    }

    /// What orders said that they replace, so far.
    pub fn replaced(&self) -> Vec<String> {
        self.told.replaced.lock().unwrap().clone()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        TcpStream::connect((self.here, 14001)).ok();
    }
}

impl Behind {
    fn serve(&self, mut stream: StreamOwned<ServerConnection, TcpStream>) {
        let Some((head, body)) = request(&mut stream) else { return };
        let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let hours = self.told.rest_hours.load(Ordering::Acquire);
        let response = match target.strip_prefix("/ari/") {
            Some(id) => self.suggestion(id),
            None if hours > 0 && target == "/order-plz" => {
                self.told.refused.fetch_add(1, Ordering::AcqRel);
                let body = json!({ "type": "urn:ietf:params:acme:error:rateLimited", "detail": "too many orders" });
                let head = format!("HTTP/1.1 429 Too Many\r\nConnection: close\r\nRetry-After: {}", hours * 3600);
                with_body(&head, &body.to_string())
            }
            None => self.forwarded(&target, &head, &body),
        };
        stream.write_all(response.as_bytes()).ok();
        stream.conn.send_close_notify();
        stream.conn.complete_io(&mut stream.sock).ok();
    }

    /// When to renew: in a month, or by yesterday if it is revoked.
    fn suggestion(&self, id: &str) -> String {
        let serial = id.split_once('.').and_then(|(_, serial)| BASE64_URL_SAFE_NO_PAD.decode(serial).ok()).unwrap();
        let serial: String = serial.iter().map(|byte| format!("{byte:02x}")).collect();
        let status = self.client.get(
            (self.here, 15000).into(),
            &self.here.to_string(),
            &format!("/cert-status-by-serial/{serial}"),
        );
        let (start, end) = match status.unwrap().contains("\"Revoked\"") {
            true => ("2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z"),
            false => ("2040-01-01T00:00:00Z", "2040-01-02T00:00:00Z"),
        };
        let body =
            json!({ "suggestedWindow": { "start": start, "end": end }, "explanationURL": "https://example.com/why" });
        let body = body.to_string();
        let length = body.len();
        format!("HTTP/1.1 200 OK\r\nConnection: close\r\nRetry-After: 1\r\nContent-Length: {length}\r\n\r\n{body}")
    }

    fn forwarded(&self, target: &str, head: &str, body: &str) -> String {
        // one request each: the next would meet a connection that is closed
        let lines = head.trim_end().split("\r\n").filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
        let head = lines.collect::<Vec<_>>().join("\r\n");
        let request = format!("{head}\r\nConnection: close\r\n\r\n{body}");
        let response = self.client.ask((self.here, 14000).into(), &self.here.to_string(), request.as_bytes()).unwrap();
        let (head, said) = response.split_once("\r\n\r\n").unwrap();
        if target == "/dir" {
            let mut directory: Value = serde_json::from_str(said).unwrap();
            directory["renewalInfo"] = json!(format!("https://{}:14001/ari", self.here));
            return with_body(head, &directory.to_string());
        }
        if let Some(replaces) = replaces(body) {
            self.told.replaced.lock().unwrap().push(replaces.clone());
            let mut order: Value = serde_json::from_str(said).unwrap();
            // a problem document stays as it is
            if order.get("authorizations").is_some() {
                order["replaces"] = json!(replaces);
                return with_body(head, &order.to_string());
            }
        }
        response
    }
}

/// What an order says that it replaces.
fn replaces(body: &str) -> Option<String> {
    let signed: Value = serde_json::from_str(body).ok()?;
    let payload = BASE64_URL_SAFE_NO_PAD.decode(signed["payload"].as_str()?).ok()?;
    let order: Value = serde_json::from_slice(&payload).ok()?;
    order["replaces"].as_str().map(str::to_owned)
}

fn with_body(head: &str, body: &str) -> String {
    let lines = head.split("\r\n").filter(|line| !line.to_ascii_lowercase().starts_with("content-length:"));
    format!("{}\r\nContent-Length: {}\r\n\r\n{body}", lines.collect::<Vec<_>>().join("\r\n"), body.len())
}

/// The head of a request, with its end, and its body.
fn request(stream: &mut impl Read) -> Option<(String, String)> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let lower = head.to_ascii_lowercase();
    let length = lower.split("\r\n").find_map(|line| line.strip_prefix("content-length:"));
    let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
    stream.read_exact(&mut body).ok()?;
    Some((head, String::from_utf8(body).unwrap()))
}
