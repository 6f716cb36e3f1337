//! Listening sockets: all are bound before anything starts, so a taken port is an error on the command line, not a log line later.

use crate::value::ListenAddress;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::path::Path;

/// Connections that may wait to be accepted; the kernel lowers it to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// Binds and listens. `:port` listens on IPv6 and IPv4, or on IPv4 alone where there is no IPv6.
pub fn listen(address: &ListenAddress) -> io::Result<OwnedFd> {
    match address {
        ListenAddress::Any { port } => {
            let dual = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), *port);
            match tcp(dual, true) {
                Err(e) if e.kind() == io::ErrorKind::AddrInUse || e.kind() == io::ErrorKind::PermissionDenied => Err(e),
                Err(_) => tcp(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), *port), false),
                bound => bound,
            }
        }
        ListenAddress::Ip(address) => tcp(*address, false),
        ListenAddress::Name { host, port } => {
            let found = (&**host, *port).to_socket_addrs()?.next();
            tcp(found.ok_or_else(|| io::Error::other(format!("`{host}` has no address")))?, false)
        }
        ListenAddress::Unix(path) => unix(path),
    }
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
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

fn unix(path: &Path) -> io::Result<OwnedFd> {
    let address = SocketAddrUnix::new(path)?;
    let socket = socket(AddressFamily::UNIX)?;
    if let Err(e) = rustix::net::bind(&socket, &address) {
        if e != rustix::io::Errno::ADDRINUSE || is_served(path)? {
            return Err(e.into());
        }
        // left behind by a process that is gone
        std::fs::remove_file(path)?;
        rustix::net::bind(&socket, &address)?;
    }
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// Does somebody accept on this socket file? Anything that is no socket is somebody's too.
fn is_served(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::FileTypeExt;
    if !std::fs::symlink_metadata(path)?.file_type().is_socket() {
        return Ok(true);
    }
    Ok(std::os::unix::net::UnixStream::connect(path).is_ok())
}

fn socket(family: AddressFamily) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(rustix::net::socket_with(family, SocketType::STREAM, flags, None)?)
}
