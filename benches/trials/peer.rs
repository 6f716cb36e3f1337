//! nginx and HAProxy under the same trial, for figures to compare with.

use std::fs;
use std::io;
use std::process::Child;
use std::time::Duration;

use rustix::process::Signal;

use crate::place::Place;
use crate::process;
use crate::table::Generation;

/// How long one may take to stop when asked, before it is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(3);

/// Between two reloads of HAProxy.
const HAPROXY_REST: Duration = Duration::from_millis(400);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Nginx,
    Haproxy,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Nginx => "nginx",
            Kind::Haproxy => "haproxy",
        }
    }
}

pub struct Peer<'p> {
    kind: Kind,
    child: Child,
    place: &'p Place,
}

impl<'p> Peer<'p> {
    /// `None`: it is not installed.
    pub fn start(kind: Kind, place: &'p Place, table: &Generation) -> io::Result<Option<Peer<'p>>> {
        let Some(program) = process::find_program(kind.name()) else { return Ok(None) };
        let file = place.file("configuration");
        fs::write(&file, text(kind, place, table))?;
        let (program, file) = (program.display().to_string(), file.display().to_string());
        let folder = place.folder().display().to_string();
        let command = match kind {
            Kind::Nginx => vec![program, "-p".into(), folder, "-c".into(), file],
            Kind::Haproxy => vec![program, "-W".into(), "-f".into(), file],
        };
        let child = process::start(&command, &[], place.folder(), &place.file("log"))?;
        Ok(Some(Peer { kind, child, place }))
    }

    /// What `nginx -s reload` and `systemctl reload haproxy` do.
    pub fn reload(&self, table: &Generation) -> io::Result<()> {
        fs::write(self.place.file("configuration"), text(self.kind, self.place, table))?;
        match self.kind {
            Kind::Nginx => process::signal(self.child.id(), Signal::HUP),
            Kind::Haproxy => {
                // Its master misses a signal that comes while it starts itself anew.
                std::thread::sleep(HAPROXY_REST);
                process::signal(self.child.id(), Signal::USR2)
            }
        }
    }
}

impl Drop for Peer<'_> {
    fn drop(&mut self) {
        let pid = self.child.id();
        let _ = process::signal(pid, Signal::TERM);
        if process::wait_for_end(pid, STOP_PATIENCE).is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        // HAProxy's old workers stay for as long as they have clients.
        for pid in process::with_argument(&self.place.file("configuration").display().to_string()) {
            let _ = process::signal(pid, Signal::KILL);
        }
    }
}

fn text(kind: Kind, place: &Place, table: &Generation) -> String {
    match kind {
        Kind::Nginx => table.nginx(place),
        Kind::Haproxy => table.haproxy(place),
    }
}
