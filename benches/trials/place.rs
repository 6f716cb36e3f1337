//! A place of its own for each trial: a folder, and loopback addresses whose ports clash with nobody's.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};

/// Ports below those that the kernel gives to clients.
const LISTENER_PORT: u16 = 20_000;
const ADMIN_PORT: u16 = 21_900;
const ORIGIN_PORT: u16 = 22_000;

pub struct Place {
    folder: PathBuf,
    net: [u8; 2],
    keep: bool,
}

impl Place {
    /// `keep`: the folder stays, for somebody to look at.
    pub fn new(trial: &str, keep: bool) -> io::Result<Place> {
        static NEXT: AtomicU8 = AtomicU8::new(0);
        let nth = NEXT.fetch_add(1, Ordering::Relaxed);
        let process = 16 + std::process::id() % 224;
        let folder = std::env::temp_dir().join(format!("trials-{}-{nth}-{trial}", std::process::id()));
        for within in ["state", "etc"] {
            std::fs::create_dir_all(folder.join(within))?;
        }
        Ok(Place { folder, net: [process as u8, nth], keep })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A file in the folder of the configuration, where nothing else is written.
    pub fn configuration(&self, name: &str) -> PathBuf {
        self.folder.join("etc").join(name)
    }

    /// Where the POSTs are recorded.
    pub fn record(&self) -> PathBuf {
        self.file("record")
    }

    pub fn listener(&self, nth: u16) -> SocketAddr {
        self.address(1, LISTENER_PORT + nth)
    }

    pub fn admin(&self) -> SocketAddr {
        self.address(1, ADMIN_PORT)
    }

    pub fn origin(&self, nth: usize) -> SocketAddr {
        self.address(10 + nth as u8, ORIGIN_PORT)
    }

    fn address(&self, host: u8, port: u16) -> SocketAddr {
        (Ipv4Addr::new(127, self.net[0], self.net[1], host), port).into()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.keep {
            eprintln!("trials: configuration and logs are in {}", self.folder.display());
        } else {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}
