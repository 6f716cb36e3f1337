//! What this process was given by the one it takes over from.

use super::bind::Bound;
use super::estate::Estate;
use super::handover::{self, ANNOUNCEMENT, VERSION};
use super::listeners::Addressed;
use crate::value::ListenAddress;
use rustix::net::{AddressFamily, sockopt};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

/// How long the old process may take to hand over, once it has started this one.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was given; nothing, for a process that takes over from nobody.
#[derive(Default)]
pub struct Inheritance {
    from: Option<UnixStream>,
    /// Listening sockets that nobody has taken yet.
    pub sockets: Vec<Addressed>,
    /// What is known of the upstreams.
    pub estate: Estate,
    /// All that were given.
    given: Vec<Arc<Bound>>,
}

impl Inheritance {
    /// Takes what standard input has, if the environment announces it. Standard input is empty afterwards.
    pub fn take() -> Result<Inheritance, String> {
        let Some(version) = std::env::var_os(ANNOUNCEMENT) else { return Ok(Inheritance::default()) };
        if version != VERSION {
            let version = version.to_string_lossy();
            return Err(format!(
                "the running gateway hands over in another way ({ANNOUNCEMENT} is `{version}`) than this program understands \
                 ({VERSION})\nhint: stop the running gateway, then start this one"
            ));
        }
        let mut from = take_stdin().map_err(|e| {
            format!(
                "{ANNOUNCEMENT} is set, but standard input is not the socket of a running gateway: {e}\n\
                 hint: the variable is for gateways only: unset it"
            )
        })?;
        match handover::receive(&mut from) {
            Ok((message, descriptors)) => {
                let mut sockets = Vec::with_capacity(descriptors.len());
                for (address, descriptor) in message.sockets.iter().zip(descriptors) {
                    // an address that this version does not know is one that its configuration cannot want
                    let Ok(address) = ListenAddress::parse(address) else { continue };
                    match Bound::given(descriptor, &address) {
                        Ok(socket) => sockets.push((address, Arc::new(socket))),
                        Err(e) => {
                            log::warn!("the socket that was given for {address} is not used, {e}; it is bound anew")
                        }
                    }
                }
                let given = sockets.iter().map(|(_, socket)| Arc::clone(socket)).collect();
                Ok(Inheritance { from: Some(from), sockets, estate: message.estate, given })
            }
            // then its addresses are free
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                log::warn!("the process that hands over is gone; starting without it");
                Ok(Inheritance::default())
            }
            Err(e) => Err(format!("the running gateway did not hand over: {e}")),
        }
    }

    /// How many sockets were taken over.
    pub fn len(&self) -> usize {
        self.given.len()
    }

    /// This process serves: the old one may go. What nobody took is closed first, so that those who wait there are the old one's.
    pub fn ready(mut self) {
        for (_, socket) in self.sockets.drain(..) {
            socket.take_file();
            self.given.retain(|given| !Arc::ptr_eq(given, &socket));
        }
        let Some(from) = self.from else { return };
        if let Err(e) = handover::say_ready(&from) {
            log::warn!("the process that handed over is gone: {e}");
        }
        self.given.iter().for_each(|socket| socket.take_file());
    }
}

/// Standard input as a socket; `/dev/null` is in its place then.
fn take_stdin() -> io::Result<UnixStream> {
    let stdin = io::stdin();
    if sockopt::socket_domain(&stdin)? != AddressFamily::UNIX {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let stream = UnixStream::from(stdin.as_fd().try_clone_to_owned()?);
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?)?;
    Ok(stream)
}
