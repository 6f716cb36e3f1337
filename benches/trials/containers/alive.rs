//! What is alive, by the kernel's word and no engine's: the process in each container holds a lock on a file of the host's for as long as
//! it lives, and writes there where it answers.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use crate::origin::Origins;

/// Where containers answer.
pub const PORT: u16 = 3000;

/// A folder of the host's, as containers have it.
pub const SHARED: &str = "/shared";

/// An address of nobody's: who would send something there does it from the container's own.
const ELSEWHERE: (&str, u16) = ("192.0.2.1", 9);

/// What a container writes behind the rest when it is told to stop.
const TOLD: &str = " told to stop";

/// The containers' half of this program: answers as this service until it is killed. Told to stop, it says so, and has what time the
/// engine gives it.
pub fn become_container(words: &[String]) -> io::Result<()> {
    let [service, name] = words else { return Err(io::Error::other("service and name, please")) };
    let shared = Path::new(SHARED);
    let mut file = File::options().create(true).truncate(false).write(true).open(shared.join("alive").join(name))?;
    flock(&file, FlockOperation::LockExclusive)?;
    file.set_len(0)?;
    let socket = UdpSocket::bind(("0.0.0.0", 0))?;
    socket.connect(ELSEWHERE)?;
    let address = SocketAddr::new(socket.local_addr()?.ip(), PORT);
    let number = service.parse().map_err(io::Error::other)?;
    let everywhere = SocketAddr::from(([0, 0, 0, 0], PORT));
    let origins = Origins::bind(number, &[everywhere], &shared.join("record"))?;
    file.write_all(format!("{number} {address}").as_bytes())?;
    std::thread::Builder::new().name("told".into()).spawn(move || say_when_told(&mut file))?;
    origins.serve()
}

/// The lock is held as long as the file is open: for ever.
fn say_when_told(file: &mut File) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut told = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        told.recv().await;
        file.write_all(TOLD.as_bytes())?;
        std::future::pending().await
    })
}

/// A service by its number, and an address of it.
pub type At = (usize, SocketAddr);

/// Who lives, listens and was not told to stop, by the names of their first days.
pub type Alive = BTreeMap<String, At>;

/// Looks who does.
pub fn alive(folder: &Path) -> io::Result<Alive> {
    let mut alive = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let mut file = File::open(entry.path())?;
        // who can have the lock is alone
        if flock(&file, FlockOperation::NonBlockingLockShared).is_ok() {
            continue;
        }
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        // told to stop, it says more than an address
        let at = text.split_once(' ').and_then(|(service, at)| Some((service.parse().ok()?, at.parse().ok()?)));
        if let (Some(at), Ok(name)) = (at, entry.file_name().into_string()) {
            alive.insert(name, at);
        }
    }
    Ok(alive)
}
