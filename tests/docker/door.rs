//! A second socket of an engine, which can be taken away with all that goes on there, while the engine lives on.

use std::io;
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// A socket that leads to another one.
pub struct Door {
    to: PathBuf,
    at: PathBuf,
    open: Option<Arc<Passage>>,
}

/// What goes on at an open door.
#[derive(Default)]
struct Passage {
    shut: AtomicBool,
    /// Both ends of each connection, as long as it lasts.
    connections: Mutex<Vec<Weak<[UnixStream; 2]>>>,
}

impl Door {
    /// An open one.
    pub fn open_at(at: &Path, to: &Path) -> io::Result<Door> {
        let mut door = Door { to: to.into(), at: at.into(), open: None };
        door.open()?;
        Ok(door)
    }

    pub fn open(&mut self) -> io::Result<()> {
        let (passage, to) = (Arc::new(Passage::default()), self.to.clone());
        let listener = UnixListener::bind(&self.at)?;
        self.open = Some(Arc::clone(&passage));
        std::thread::Builder::new().name("door".into()).spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if passage.shut.load(Ordering::Acquire) {
                    return;
                }
                // without an engine behind it the door is one that closes at once
                let _ = UnixStream::connect(&to).and_then(|engine| passage.join(client, engine));
            }
        })?;
        Ok(())
    }

    /// Takes it away: the file, and every connection.
    pub fn shut(&mut self) {
        let Some(passage) = self.open.take() else { return };
        passage.shut.store(true, Ordering::Release);
        // wakes who accepts
        let _ = UnixStream::connect(&self.at);
        let _ = std::fs::remove_file(&self.at);
        for connection in passage.connections.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            connection.upgrade().iter().flat_map(|ends| ends.iter()).for_each(|end| drop(end.shutdown(Shutdown::Both)));
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.shut();
    }
}

impl Passage {
    fn join(&self, client: UnixStream, engine: UnixStream) -> io::Result<()> {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        if self.shut.load(Ordering::Acquire) {
            return Ok(());
        }
        let ends = Arc::new([client, engine]);
        connections.retain(|connection| connection.strong_count() > 0);
        connections.push(Arc::downgrade(&ends));
        for (from, into) in [(0, 1), (1, 0)] {
            let ends = Arc::clone(&ends);
            std::thread::Builder::new().name("passage".into()).spawn(move || {
                let _ = io::copy(&mut &ends[from], &mut &ends[into]);
                ends.iter().for_each(|end| drop(end.shutdown(Shutdown::Both)));
            })?;
        }
        Ok(())
    }
}
