//! The file of a Unix socket that listens. It goes when the socket does, unless another process has taken over.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// A socket's file.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    /// Device and inode: another process may have put its own socket there meanwhile.
    identity: (u64, u64),
    ours: AtomicBool,
}

impl SocketFile {
    /// The file that was just made at `path`.
    pub fn of(path: &Path) -> io::Result<SocketFile> {
        Ok(SocketFile { path: path.to_owned(), identity: identity(path)?, ours: AtomicBool::new(true) })
    }

    /// It is another process's.
    pub fn leave(&self) {
        self.ours.store(false, Ordering::Release);
    }

    /// It is this process's.
    pub fn take(&self) {
        self.ours.store(true, Ordering::Release);
    }

    /// Lets nobody but its owner, and root, connect.
    pub fn restrict(&self) -> io::Result<()> {
        match identity(&self.path)? == self.identity {
            true => std::fs::set_permissions(&self.path, Permissions::from_mode(0o600)),
            false => Ok(()),
        }
    }

    /// Removes it now, if it is ours.
    pub fn remove(&self) {
        let ours = self.ours.swap(false, Ordering::AcqRel);
        if ours && identity(&self.path).is_ok_and(|found| found == self.identity) {
            // best effort: a file that stays is taken over at the next start
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let file = std::fs::symlink_metadata(path)?;
    Ok((file.dev(), file.ino()))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        self.remove();
    }
}
