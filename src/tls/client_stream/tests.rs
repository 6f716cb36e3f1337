//! Over pipes in memory, against rustls' own server.

use super::*;
use crate::tls::{ClientTerms, MinVersion};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection};
use std::task::Waker;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

/// The endpoint's side of a pipe.
struct Endpoint {
    session: ServerConnection,
    pipe: DuplexStream,
}

impl Endpoint {
    /// Sends what there is to send.
    async fn send(&mut self) {
        let mut cipher = Vec::new();
        while self.session.wants_write() {
            self.session.write_tls(&mut cipher).unwrap();
        }
        self.pipe.write_all(&cipher).await.unwrap();
    }

    /// Takes what has come; false at the end.
    async fn take(&mut self) -> bool {
        let mut bytes = [0; 4096];
        let n = self.pipe.read(&mut bytes).await.unwrap();
        let mut cipher = &bytes[..n];
        while !cipher.is_empty() {
            self.session.read_tls(&mut cipher).unwrap();
            self.session.process_new_packets().unwrap();
        }
        n > 0
    }

    fn say(&mut self, bytes: &[u8]) {
        self.session.writer().write_all(bytes).unwrap();
    }
}

fn server() -> ServerConnection {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["a.test".to_owned()]).unwrap().self_signed(&key).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(crate::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    ServerConnection::new(Arc::new(config)).unwrap()
}

/// A connection after its handshake, over a pipe that holds this many bytes. The endpoint's tickets are not sent yet.
async fn connected(capacity: usize) -> (ClientStream<DuplexStream>, Endpoint) {
    let terms =
        ClientTerms { min_version: MinVersion::Tls13, sni: None, authorities: None, certificate: None, verify: false };
    let tls = ClientTls::new(terms, None);
    let (near, pipe) = duplex(capacity);
    let mut endpoint = Endpoint { session: server(), pipe };
    let name = ServerName::try_from("a.test").unwrap();
    let greeted = async {
        while endpoint.session.is_handshaking() {
            assert!(endpoint.take().await);
            if endpoint.session.is_handshaking() {
                endpoint.send().await;
            }
        }
    };
    let (stream, ()) = tokio::join!(ClientStream::connect(near, &tls, name), greeted);
    (stream.unwrap(), endpoint)
}

fn is_silent(stream: &mut ClientStream<DuplexStream>) -> bool {
    stream.is_silent(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn tickets_and_new_keys_are_no_speech_but_a_byte_and_an_end_are() {
    let (mut stream, mut endpoint) = connected(64 * 1024).await;
    assert!(is_silent(&mut stream));
    assert!(endpoint.session.wants_write(), "the tickets wait");
    endpoint.send().await;
    assert!(is_silent(&mut stream));
    endpoint.session.refresh_traffic_keys().unwrap();
    endpoint.send().await;
    assert!(is_silent(&mut stream));
    endpoint.say(b"x");
    endpoint.send().await;
    assert!(!is_silent(&mut stream));
    // what was looked at can still be read, and is speech as long as it was not
    assert!(!is_silent(&mut stream));
    assert_eq!(stream.read_u8().await.unwrap(), b'x');
    assert!(is_silent(&mut stream));
    endpoint.session.send_close_notify();
    endpoint.send().await;
    assert!(!is_silent(&mut stream));
}

#[tokio::test]
async fn bytes_that_others_took_off_the_wire_are_judged_in_the_same_way() {
    let (mut stream, mut endpoint) = connected(64 * 1024).await;
    let mut cipher = Vec::new();
    while endpoint.session.wants_write() {
        endpoint.session.write_tls(&mut cipher).unwrap();
    }
    // in two halves, so that the first is no whole record
    let (first, rest) = cipher.split_at(cipher.len() / 2 + 1);
    assert!(!stream.is_speech(first));
    assert!(!stream.is_speech(rest));
    endpoint.say(b"x");
    cipher.clear();
    endpoint.session.write_tls(&mut cipher).unwrap();
    assert!(stream.is_speech(&cipher));
}

#[tokio::test]
async fn a_reader_gets_every_byte_whatever_room_it_has_and_holds_nothing_afterwards() {
    let (mut stream, mut endpoint) = connected(256 * 1024).await;
    let body: Vec<u8> = (0..150_000u32).map(|n| (n % 251) as u8).collect();
    for room in [1000, 16 * 1024, 200_000] {
        let mut rest = &body[..];
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(50_000));
            endpoint.say(now);
            endpoint.send().await;
            rest = later;
        }
        let (mut got, mut space) = (Vec::new(), vec![0; room]);
        while got.len() < body.len() {
            let n = stream.read(&mut space).await.unwrap();
            got.extend_from_slice(&space[..n]);
        }
        assert!(got == body);
        assert!(is_silent(&mut stream));
        assert_eq!(stream.came.capacity(), 0);
    }
}

#[tokio::test]
async fn what_came_before_a_failure_is_read_before_it() {
    let (mut stream, mut endpoint) = connected(64 * 1024).await;
    endpoint.say(b"whole");
    endpoint.send().await;
    // a record that nobody has sealed
    endpoint
        .pipe
        .write_all(&[23, 3, 3, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20])
        .await
        .unwrap();
    let mut space = [0; 100];
    assert_eq!(stream.read(&mut space).await.unwrap(), 5);
    assert_eq!(stream.read(&mut space).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
    assert!(!is_silent(&mut stream));
}

#[tokio::test]
async fn bytes_after_an_announced_end_are_nobodys() {
    for look in [is_silent, |stream: &mut ClientStream<DuplexStream>| !stream.is_speech(&[23; 5000])] {
        let (mut stream, mut endpoint) = connected(64 * 1024).await;
        endpoint.say(b"last");
        endpoint.session.send_close_notify();
        endpoint.send().await;
        endpoint.pipe.write_all(&[23; 5000]).await.unwrap();
        let mut read = Vec::new();
        stream.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, b"last");
        assert!(!look(&mut stream));
    }
    // and during the handshake
    let (near, mut pipe) = duplex(64 * 1024);
    let terms =
        ClientTerms { min_version: MinVersion::Tls13, sni: None, authorities: None, certificate: None, verify: false };
    pipe.write_all(&[21, 3, 3, 0, 2, 1, 0]).await.unwrap();
    pipe.write_all(&[21; 5000]).await.unwrap();
    let name = ServerName::try_from("a.test").unwrap();
    assert!(ClientStream::connect(near, &ClientTls::new(terms, None), name).await.is_err());
}

#[tokio::test]
async fn an_end_that_tls_does_not_announce_is_an_error_after_the_last_byte() {
    for announced in [true, false] {
        let (mut stream, mut endpoint) = connected(64 * 1024).await;
        endpoint.say(b"the end");
        if announced {
            endpoint.session.send_close_notify();
        }
        endpoint.send().await;
        drop(endpoint);
        let mut read = Vec::new();
        let ended = stream.read_to_end(&mut read).await;
        assert_eq!(read, b"the end");
        match announced {
            true => assert_eq!(ended.unwrap(), 7),
            false => assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::UnexpectedEof),
        }
    }
}

#[tokio::test]
async fn a_write_is_done_when_the_pipe_has_it_and_not_before() {
    let (mut stream, mut endpoint) = connected(8 * 1024).await;
    endpoint.send().await;
    let body: Vec<u8> = (0..200_000u32).map(|n| (n % 251) as u8).collect();
    let mut told = 0;
    let mut got = Vec::new();
    let mut waited = 0;
    while told < body.len() {
        // nobody but the writer ever polls, and nobody flushes
        let cx = &mut Context::from_waker(Waker::noop());
        match Pin::new(&mut stream).poll_write(cx, &body[told..]) {
            Poll::Ready(n) => told += n.unwrap(),
            Poll::Pending => {
                waited += 1;
                assert!(endpoint.take().await);
                endpoint.session.reader().read_to_end(&mut got).ok();
            }
        }
    }
    assert!(waited > 20, "the pipe was never full");
    // everything that was told as written is there without a further call
    while got.len() < body.len() {
        assert!(endpoint.take().await);
        endpoint.session.reader().read_to_end(&mut got).ok();
    }
    assert!(got == body);
}

#[tokio::test]
async fn one_half_ends_while_the_other_goes_on_and_a_dropped_connection_says_goodbye() {
    let (mut stream, mut endpoint) = connected(64 * 1024).await;
    stream.write_all(b"up").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut got = Vec::new();
    while endpoint.take().await {}
    assert_eq!(endpoint.session.reader().read_to_end(&mut got).unwrap(), 2);
    endpoint.say(b"down");
    endpoint.session.send_close_notify();
    endpoint.send().await;
    let mut read = String::new();
    stream.read_to_string(&mut read).await.unwrap();
    assert_eq!(read, "down");

    let (stream, mut endpoint) = connected(64 * 1024).await;
    drop(stream);
    while endpoint.take().await {}
    assert_eq!(endpoint.session.reader().read(&mut [0]).unwrap(), 0, "an announced end");
}
