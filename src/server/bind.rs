//! Listening sockets: all are bound before anything starts, so a taken port is an error on the command line, not a log line later.

use super::socket_file::SocketFile;
use crate::value::ListenAddress;
use rustix::net::{AddressFamily, SocketAddrAny, SocketAddrUnix, SocketFlags, SocketType, sockopt};
use std::fs::Permissions;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

/// Connections that may wait to be accepted; the kernel lowers it to `net.core.somaxconn`.
pub const BACKLOG: u16 = 4096;

/// Who on this machine may connect to a Unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Whom the process's umask lets.
    Umask,
    /// The user that runs the gateway, and root.
    Owner,
}

/// A socket that is bound and listens. Dropping it closes the address, and removes the file of a Unix socket.
#[derive(Debug)]
pub struct Bound {
    // dropped first: once the socket is closed, another process may have bound its own there
    file: Option<SocketFile>,
    descriptor: OwnedFd,
    closes: AtomicBool,
    // dropped last
    alive: Arc<()>,
}

impl Bound {
    /// Binds and listens. `:port` listens on IPv6 and IPv4, or on IPv4 alone where there is no IPv6.
    pub fn listen(address: &ListenAddress, reach: Reach) -> io::Result<Bound> {
        let (descriptor, file) = match address {
            ListenAddress::Any { port } => {
                let dual = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), *port);
                let bound = match tcp(dual, true) {
                    Err(e) if matches!(e.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied) => Err(e),
                    Err(_) => tcp(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), *port), false),
                    bound => bound,
                };
                (bound?, None)
            }
            ListenAddress::Ip(address) => (tcp(*address, false)?, None),
            ListenAddress::Name { host, port } => (tcp(resolve(host, *port)?, false)?, None),
            ListenAddress::Unix(path) => (unix(path, reach)?, Some(SocketFile::of(path)?)),
        };
        Ok(Bound { file, descriptor, closes: AtomicBool::new(false), alive: Arc::default() })
    }

    /// A socket that listens already, given by the process that serves it, if it is one at this address. Its file is that one's until
    /// [`Bound::take_file`].
    pub fn given(descriptor: OwnedFd, address: &ListenAddress) -> io::Result<Bound> {
        let listens =
            sockopt::socket_type(&descriptor)? == SocketType::STREAM && sockopt::socket_acceptconn(&descriptor)?;
        if !listens {
            return Err(io::Error::other("it does not listen"));
        }
        if !stands_for(address, rustix::net::getsockname(&descriptor)?) {
            return Err(io::Error::other("it is bound to another address"));
        }
        // who accepts on it must never wait in it
        rustix::io::ioctl_fionbio(&descriptor, true)?;
        let file = match address {
            ListenAddress::Unix(path) => SocketFile::of(path).ok(),
            _ => None,
        };
        file.iter().for_each(SocketFile::leave);
        Ok(Bound { file, descriptor, closes: AtomicBool::new(false), alive: Arc::default() })
    }

    /// As [`Bound::listen`], with an error that says what it was for and what to do.
    pub fn listen_for(address: &ListenAddress, what: &str, reach: Reach) -> Result<Bound, String> {
        Bound::listen(address, reach).map_err(|e| {
            let help = match e.kind() {
                io::ErrorKind::AddrInUse if matches!(address, ListenAddress::Unix(_)) => {
                    "another process accepts there (`ss -lxp` shows which), or the path is no socket that may be replaced"
                }
                io::ErrorKind::AddrInUse => "another process listens there; `ss -ltnp` shows which",
                io::ErrorKind::PermissionDenied if matches!(address, ListenAddress::Unix(_)) => {
                    "the directory must be writable for the user that runs the gateway"
                }
                io::ErrorKind::PermissionDenied => {
                    "ports below 1024 need the capability CAP_NET_BIND_SERVICE, or a higher port"
                }
                io::ErrorKind::AddrNotAvailable => {
                    "this machine does not have the address; `ip address` shows those it has"
                }
                io::ErrorKind::NotFound if matches!(address, ListenAddress::Unix(_)) => "the directory must exist",
                _ => return format!("cannot listen on {address} ({what}): {e}"),
            };
            format!("cannot listen on {address} ({what}): {e}\nhint: {help}")
        })
    }

    /// Is this the very address that `wanted` stands for, however it is written?
    pub fn is_at(&self, wanted: &ListenAddress) -> bool {
        let wanted = match wanted {
            ListenAddress::Ip(address) => Some(*address),
            ListenAddress::Name { host, port } => resolve(host, *port).ok(),
            ListenAddress::Any { .. } | ListenAddress::Unix(_) => None,
        };
        let local = rustix::net::getsockname(&self.descriptor).ok().and_then(|a| SocketAddr::try_from(a).ok());
        let dual = sockopt::ipv6_v6only(&self.descriptor) == Ok(false);
        wanted.is_some() && wanted == local && !dual
    }

    /// Ends when the socket is closed.
    pub fn alive(&self) -> Weak<()> {
        Arc::downgrade(&self.alive)
    }

    /// The socket is about to be closed for good: what waits in its queue is accepted one last time. Nobody finds a Unix socket from now on.
    pub fn close_soon(&self) {
        if let Some(file) = &self.file {
            file.remove();
        }
        self.closes.store(true, Ordering::Release);
    }

    /// As [`Bound::close_soon`], but another process serves the address from now on, and its file is that one's.
    pub fn pass_on(&self) {
        self.file.iter().for_each(SocketFile::leave);
        self.closes.store(true, Ordering::Release);
    }

    /// The process that gave the socket has let go of it.
    pub fn take_file(&self) {
        self.file.iter().for_each(SocketFile::take);
    }

    /// Lets nobody else connect to a Unix socket that was given.
    pub fn restrict(&self) -> io::Result<()> {
        self.file.as_ref().map_or(Ok(()), SocketFile::restrict)
    }

    pub fn closes_soon(&self) -> bool {
        self.closes.load(Ordering::Acquire)
    }
}

impl AsFd for Bound {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl AsRawFd for Bound {
    fn as_raw_fd(&self) -> RawFd {
        self.descriptor.as_raw_fd()
    }
}

fn resolve(host: &str, port: u16) -> io::Result<SocketAddr> {
    (host, port).to_socket_addrs()?.next().ok_or_else(|| io::Error::other(format!("`{host}` has no address")))
}

/// Is a socket that is bound to `local` what somebody bound who was told to listen on `address`?
fn stands_for(address: &ListenAddress, local: SocketAddrAny) -> bool {
    if let ListenAddress::Unix(path) = address {
        let local = SocketAddrUnix::try_from(local);
        return local.is_ok_and(|it| it.path_bytes() == Some(path.as_os_str().as_bytes()));
    }
    let Ok(local) = SocketAddr::try_from(local) else { return false };
    let (host, port) = match address {
        ListenAddress::Any { port } => (local.ip().is_unspecified(), *port),
        ListenAddress::Ip(address) => (local.ip() == address.ip(), address.port()),
        // what it meant was settled when it was bound
        ListenAddress::Name { port, .. } => (true, *port),
        ListenAddress::Unix(_) => (false, 0),
    };
    host && port == local.port()
}

fn tcp(address: SocketAddr, dual: bool) -> io::Result<OwnedFd> {
    let family = if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let socket = socket(family)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, !dual)?;
    }
    // accepted sockets inherit it: one system call fewer a connection
    sockopt::set_tcp_nodelay(&socket, true)?;
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG.into())?;
    Ok(socket)
}

fn unix(path: &Path, reach: Reach) -> io::Result<OwnedFd> {
    let address = SocketAddrUnix::new(path)?;
    let socket = socket(AddressFamily::UNIX)?;
    if let Err(e) = rustix::net::bind(&socket, &address) {
        if e != rustix::io::Errno::ADDRINUSE || is_served(path)? {
            return Err(e.into());
        }
        // nobody accepts: left behind by a process that is gone
        std::fs::remove_file(path)?;
        rustix::net::bind(&socket, &address)?;
    }
    if reach == Reach::Owner {
        // before it listens, so that nobody else was there first
        std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
    }
    rustix::net::listen(&socket, BACKLOG.into())?;
    Ok(socket)
}

/// Does this file belong to somebody? Only a socket that refuses whoever connects is nobody's: one that has no room for
/// another connection is served, and one that may not be asked may be.
fn is_served(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::FileTypeExt;
    if !std::fs::symlink_metadata(path)?.file_type().is_socket() {
        return Ok(true);
    }
    // it does not block: who has a full queue may never accept
    let asked = rustix::net::connect(&socket(AddressFamily::UNIX)?, &SocketAddrUnix::new(path)?);
    Ok(asked != Err(rustix::io::Errno::CONNREFUSED))
}

fn socket(family: AddressFamily) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(rustix::net::socket_with(family, SocketType::STREAM, flags, None)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> ListenAddress {
        ListenAddress::parse(text).unwrap()
    }

    /// Why a socket is not taken for this address; nothing if it is.
    fn given(socket: &impl AsFd, at: &str) -> Option<String> {
        let copy = socket.as_fd().try_clone_to_owned().unwrap();
        Bound::given(copy, &address(at)).err().map(|e| e.to_string())
    }

    #[test]
    fn a_socket_that_was_given_is_taken_only_if_it_listens_at_its_address() {
        let elsewhere = Some("it is bound to another address".to_owned());
        let port_of = |bound: &Bound| SocketAddr::try_from(rustix::net::getsockname(bound).unwrap()).unwrap().port();
        let picked = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let loopback = Bound::listen(&ListenAddress::Ip(picked), Reach::Umask).unwrap();
        let port = port_of(&loopback);
        for right in [format!("127.0.0.1:{port}"), format!("localhost:{port}")] {
            assert_eq!(given(&loopback, &right), None, "{right}");
        }
        for wrong in ["127.0.0.1:1".into(), format!("127.0.0.2:{port}"), format!(":{port}"), "unix:/x".into()] {
            assert_eq!(given(&loopback, &wrong), elsewhere, "{wrong}");
        }
        let any = Bound::listen(&ListenAddress::Any { port: 0 }, Reach::Umask).unwrap();
        let port = port_of(&any);
        assert_eq!(given(&any, &format!(":{port}")), None);
        assert_eq!(given(&any, &format!("127.0.0.1:{port}")), elsewhere);

        let path = std::env::temp_dir().join(format!("wharf-given-{}", std::process::id()));
        let local = Bound::listen(&ListenAddress::Unix(path.clone()), Reach::Owner).unwrap();
        assert_eq!(given(&local, &format!("unix:{}", path.display())), None);
        assert_eq!(given(&local, "unix:/elsewhere"), elsewhere);

        let silent = socket(AddressFamily::INET).unwrap();
        assert_eq!(given(&silent, "127.0.0.1:1").as_deref(), Some("it does not listen"));
        assert!(given(&std::fs::File::open("/dev/null").unwrap(), ":1").is_some());
    }
}
