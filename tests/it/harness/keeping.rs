//! The keeper of certificates by itself, in a thread of this process, with listeners that show its proofs and nothing else.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use wharf::acme::{self, Authority, Board, Keeper, Order};
use wharf::tls::{Challenges, Ordered};
use wharf::value::HostPattern;

use super::patience::{PATIENCE, eventually};
use super::pebble::{HTTP_PORT, TLS_PORT};

/// A keeper that runs until this is dropped.
pub struct Keeping {
    pub board: Arc<Board>,
    pub orders: Vec<Order>,
    stop: Arc<AtomicBool>,
    shown_at: Vec<Ipv4Addr>,
    thread: Option<JoinHandle<()>>,
}

/// An order for these hosts, with a stand-in.
pub fn order(authority: &Arc<Authority>, hosts: &[&str]) -> Order {
    let hosts: Vec<HostPattern> = hosts.iter().map(|host| HostPattern::parse(host).unwrap()).collect();
    let certificate = Ordered::new(&authority.name, &hosts, acme::stand_in(&hosts).unwrap());
    Order { authority: Arc::clone(authority), certificate: Arc::new(certificate) }
}

impl Keeping {
    /// Keeps these orders below a state directory, and shows proofs at the addresses.
    pub fn start(state: &Path, shown_at: &[Ipv4Addr], orders: Vec<Order>) -> Keeping {
        let (challenges, board, stop) = (Arc::<Challenges>::default(), Arc::<Board>::default(), Arc::default());
        for here in shown_at {
            show(*here, &challenges, &stop);
        }
        acme::load_from_disk(state, &orders);
        let thread = {
            let (state, board, stop) = (state.to_owned(), Arc::clone(&board), Arc::clone(&stop));
            let orders = orders.clone();
            std::thread::spawn(move || keep(state, challenges, board, orders, &stop))
        };
        Keeping { board, orders, stop, shown_at: shown_at.to_vec(), thread: Some(thread) }
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
        for here in &self.shown_at {
            // they see that it is over, and leave their addresses to the next
            [HTTP_PORT, TLS_PORT].into_iter().for_each(|port| drop(TcpStream::connect((*here, port))));
        }
    }
}

fn keep(state: PathBuf, challenges: Arc<Challenges>, board: Arc<Board>, orders: Vec<Order>, stop: &AtomicBool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut keeper = Keeper::new(state, challenges, board);
        keeper.follow(orders).await;
        while !stop.load(Ordering::Acquire) {
            keeper.turn().await;
            tokio::time::sleep(keeper.pause()).await;
        }
    });
}

/// Listeners for both kinds of proofs.
fn show(here: Ipv4Addr, challenges: &Arc<Challenges>, stop: &Arc<AtomicBool>) {
    let answers = Arc::clone(challenges);
    serve(here, HTTP_PORT, stop, move |stream| answer(stream, &answers));
    let builder = ServerConfig::builder_with_provider(wharf::tls::provider());
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let mut config = builder.with_cert_resolver(Arc::new(Certificates(Arc::clone(challenges))));
    config.alpn_protocols = vec![b"acme-tls/1".to_vec()];
    let config = Arc::new(config);
    serve(here, TLS_PORT, stop, move |stream| {
        let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
        // the handshake is all that is asked for
        StreamOwned::new(connection, stream).read_exact(&mut [0; 1]).ok();
    });
}

fn serve(here: Ipv4Addr, port: u16, stop: &Arc<AtomicBool>, one: impl Fn(TcpStream) + Send + 'static) {
    // the one before may be about to leave it
    let listener = eventually(PATIENCE, || TcpListener::bind(SocketAddr::from((here, port))).ok());
    let stop = Arc::clone(stop);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            if stop.load(Ordering::Acquire) {
                return;
            }
            one(stream.unwrap());
        }
    });
}

fn answer(mut stream: TcpStream, challenges: &Challenges) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let token = head.strip_prefix("GET /.well-known/acme-challenge/").and_then(|rest| rest.split(' ').next());
    let response = match token.and_then(|token| challenges.answer(token)) {
        Some(answer) => format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{answer}", answer.len()),
        None => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
    };
    stream.write_all(response.as_bytes()).ok();
}

#[derive(Debug)]
struct Certificates(Arc<Challenges>);

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.certificate(hello.server_name()?)
    }
}
