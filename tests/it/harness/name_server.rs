//! A name server that answers by a script, and a gateway that asks it and nobody else.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::address::own_address;
use super::gateway::Gateway;

/// What is said of a name, for one family of addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// These addresses, for so many seconds.
    At(Vec<IpAddr>, u32),
    /// The name is there, and has no address.
    Nothing,
    NoSuchName,
    Trouble,
    Silence,
}

type Names = HashMap<(String, bool), Reply>;

/// A name server on port 53 of an address of its own, over UDP and TCP.
pub struct NameServer {
    address: Ipv4Addr,
    names: Arc<Mutex<Names>>,
    questions: Arc<Mutex<Vec<String>>>,
    folder: PathBuf,
    stop: Arc<AtomicBool>,
}

impl NameServer {
    /// Starts one. `None`, and a word about it, where gateways cannot be made to ask it: it takes the right to mount.
    pub fn start() -> Option<NameServer> {
        let address = own_address();
        let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("names-{address}"));
        std::fs::create_dir_all(&folder).unwrap();
        let server =
            NameServer { address, names: Arc::default(), questions: Arc::default(), folder, stop: Arc::default() };
        server.write("resolv.conf", &format!("nameserver {address}\n"));
        server.write("hosts", "127.0.0.1 localhost\n");
        let tried = Command::new("sh").arg("-c").arg(format!("{} true", server.shell())).output();
        let allowed = tried.as_ref().is_ok_and(|tried| tried.status.success());
        let (udp, tcp) = (UdpSocket::bind((address, 53)), TcpListener::bind((address, 53)));
        match (allowed, udp, tcp) {
            (true, Ok(udp), Ok(tcp)) => {
                server.serve(udp, tcp);
                Some(server)
            }
            (_, udp, tcp) => {
                eprintln!(
                    "SKIPPED: this test mounts its own /etc/resolv.conf and listens on port 53, which takes root: \
                     {tried:?}, {udp:?}, {tcp:?}"
                );
                None
            }
        }
    }

    /// Starts a gateway that asks this server, as [`Gateway::start`].
    #[track_caller]
    pub fn gateway(&self, yaml: &str) -> Gateway {
        Gateway::start_under(&self.shell(), yaml)
    }

    /// The shell command behind which a program asks this server.
    pub fn shell(&self) -> String {
        let mounts = ["resolv.conf", "hosts"]
            .map(|file| format!("mount --bind {} /etc/{file}", self.folder.join(file).display()))
            .join(" && ");
        format!("exec unshare -m sh -c '{mounts} && exec \"$0\" \"$@\"'")
    }

    /// Writes the gateway's `resolv.conf` or `hosts` anew.
    pub fn write(&self, file: &str, text: &str) {
        std::fs::write(self.folder.join(file), text).unwrap();
    }

    /// Where it listens.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// The name is at these addresses, for so many seconds.
    pub fn at(&self, name: &str, addresses: &[IpAddr], seconds: u32) {
        let of = |four: bool| -> Reply {
            let own: Vec<IpAddr> = addresses.iter().copied().filter(|ip| ip.is_ipv4() == four).collect();
            if own.is_empty() { Reply::Nothing } else { Reply::At(own, seconds) }
        };
        self.say(name, of(true), of(false));
    }

    /// The same about both families.
    pub fn say_only(&self, name: &str, said: &Reply) {
        self.say(name, said.clone(), said.clone());
    }

    /// What is said of IPv4, and what of IPv6 addresses.
    pub fn say(&self, name: &str, four: Reply, six: Reply) {
        let mut names = self.names.lock().unwrap();
        names.insert((name.to_owned(), true), four);
        names.insert((name.to_owned(), false), six);
    }

    /// How often it was asked for this name's IPv4 addresses.
    pub fn asked(&self, name: &str) -> usize {
        self.questions.lock().unwrap().iter().filter(|asked| *asked == name).count()
    }

    fn serve(&self, udp: UdpSocket, tcp: TcpListener) {
        udp.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let (names, questions, stop) = (self.names.clone(), self.questions.clone(), self.stop.clone());
        std::thread::spawn(move || {
            let mut question = [0; 1500];
            while !stop.load(Ordering::Acquire) {
                let Ok((len, from)) = udp.recv_from(&mut question) else { continue };
                if let Some((mut answer, records)) = answer(&question[..len], &names, &questions) {
                    // what is too long for one packet is to be asked for over TCP
                    if answer.len() > 512 {
                        answer[2] |= 2;
                        answer[6..8].fill(0);
                        answer.truncate(records);
                    }
                    udp.send_to(&answer, from).ok();
                }
            }
        });
        let (names, questions, stop) = (self.names.clone(), self.questions.clone(), self.stop.clone());
        std::thread::spawn(move || {
            while let Ok((mut stream, _)) = tcp.accept() {
                if stop.load(Ordering::Acquire) {
                    return;
                }
                stream.set_read_timeout(Some(Duration::from_secs(1))).ok();
                let mut len = [0; 2];
                while stream.read_exact(&mut len).is_ok() {
                    let mut question = vec![0; usize::from(u16::from_be_bytes(len))];
                    if stream.read_exact(&mut question).is_err() {
                        break;
                    }
                    let Some((answer, _)) = answer(&question, &names, &questions) else { break };
                    let framed = [&(answer.len() as u16).to_be_bytes()[..], &answer].concat();
                    stream.write_all(&framed).ok();
                }
            }
        });
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        std::net::TcpStream::connect_timeout(&SocketAddr::from((self.address, 53)), Duration::from_secs(1)).ok();
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

/// The answer to a question, if one is to be given, and where its records begin.
fn answer(question: &[u8], names: &Mutex<Names>, questions: &Mutex<Vec<String>>) -> Option<(Vec<u8>, usize)> {
    let (mut name, mut at) = (String::new(), 12);
    loop {
        let len = usize::from(*question.get(at)?);
        at += 1;
        if len == 0 {
            break;
        }
        if !name.is_empty() {
            name.push('.');
        }
        name += std::str::from_utf8(question.get(at..at + len)?).ok()?;
        at += len;
    }
    let name = name.to_lowercase();
    let kind = u16::from_be_bytes([*question.get(at)?, *question.get(at + 1)?]);
    at += 4;
    let four = kind == 1;
    if four {
        questions.lock().unwrap().push(name.clone());
    }
    let said = names.lock().unwrap().get(&(name, four)).cloned().unwrap_or(Reply::NoSuchName);
    let (code, addresses, seconds) = match said {
        Reply::At(addresses, seconds) => (0, addresses, seconds),
        Reply::Nothing => (0, Vec::new(), 0),
        Reply::NoSuchName => (3, Vec::new(), 0),
        Reply::Trouble => (2, Vec::new(), 0),
        Reply::Silence => return None,
    };
    let mut answer = question[..2].to_vec();
    answer.extend([0x85, 0x80 | code, 0, 1]);
    answer.extend((addresses.len() as u16).to_be_bytes());
    answer.extend([0; 4]);
    answer.extend(&question[12..at]);
    let records = answer.len();
    for address in addresses {
        answer.extend([0xc0, 12]);
        answer.extend(kind.to_be_bytes());
        answer.extend([0, 1]);
        answer.extend(seconds.to_be_bytes());
        match address {
            IpAddr::V4(ip) => {
                answer.extend([0, 4]);
                answer.extend(ip.octets());
            }
            IpAddr::V6(ip) => {
                answer.extend([0, 16]);
                answer.extend(ip.octets());
            }
        }
    }
    Some((answer, records))
}

#[test]
fn questions_are_read_and_answered() {
    let names = Mutex::new(Names::new());
    names.lock().unwrap().insert(("a.bc".into(), true), Reply::At(vec![IpAddr::from([127, 0, 0, 9])], 7));
    let question = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01a\x02bc\0\0\x01\0\x01";
    let asked = Mutex::default();
    let expected = b"\x12\x34\x85\x80\0\x01\0\x01\0\0\0\0\x01a\x02bc\0\0\x01\0\x01\xc0\x0c\0\x01\0\x01\0\0\0\x07\0\x04\x7f\0\0\x09";
    assert_eq!(answer(question, &names, &asked), Some((expected.to_vec(), 22)));
    assert_eq!(*asked.lock().unwrap(), ["a.bc"]);
}
