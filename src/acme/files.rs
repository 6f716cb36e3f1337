//! Files of the state directory: for their owner alone, each replaced in one step.

use crate::value::open_regular;
use rustix::fs::{FlockOperation, flock};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

/// The largest file that is read: a chain of many certificates is far smaller.
const LARGEST: u64 = 1 << 20;

/// Makes a directory, and those above it, for its owner alone. One that is there already must be this user's, and nobody else may write
/// to it: keys are kept there. The same holds for as many of those above it as `above` says: who may write there could put another in its
/// place.
pub(super) fn directory(path: &Path, above: usize) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let user = rustix::process::geteuid().as_raw();
    for path in path.ancestors().take(1 + above) {
        let metadata = std::fs::metadata(path)?;
        if metadata.uid() != user || metadata.mode() & 0o022 != 0 {
            let why = format!("{} is not the gateway's own, or others may write to it", path.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
    }
    Ok(())
}

/// Writes a file for its owner alone. It takes the place of the one before in one step, and is on the disk when this returns.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let parent = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    let (process, number) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let fresh = parent.join(format!(".{name}.{process}.{number}"));
    // left behind by a process that had the same number and was killed
    let _ = std::fs::remove_file(&fresh);
    let result = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&fresh, path)?;
        sync(parent)
    });
    if result.is_err() {
        let _ = std::fs::remove_file(&fresh);
    }
    result
}

/// What was renamed in a directory is on the disk when this returns.
pub(super) fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// The bytes of a file, if it is there.
pub(super) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    open(path)?.map(bytes).transpose()
}

/// The same of a file that the gateway wrote: one that others may have written is not believed.
pub(super) fn read_own(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let Some(file) = open(path)? else { return Ok(None) };
    let metadata = file.metadata()?;
    let owners = [0, rustix::process::geteuid().as_raw()];
    if !owners.contains(&metadata.uid()) || metadata.mode() & 0o022 != 0 {
        let why = format!("{} is not the gateway's own, or others may write to it", path.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    bytes(file).map(Some)
}

fn open(path: &Path) -> io::Result<Option<File>> {
    match open_regular(path) {
        Ok(file) => Ok(Some(file)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

fn bytes(file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Removes a file that may be gone already.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Where a file is damaged. What stands there may be a key, and is not shown.
pub(super) fn place(error: &serde_json::Error) -> String {
    format!("line {}, column {}", error.line(), error.column())
}

/// Puts a damaged file out of the way, and says so.
pub(super) fn put_aside(path: &Path, why: &str) {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".damaged");
    let aside = Path::new(&aside);
    match std::fs::rename(path, aside) {
        Ok(()) => log::warn!("acme: {} is damaged ({why}): it is now {}", path.display(), aside.display()),
        Err(e) => log::error!("acme: {} is damaged ({why}) and cannot be put aside: {e}", path.display()),
    }
}

/// Held by one process at a time, until this is dropped or the process ends.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes a lock; none if another holds it.
    pub fn take(path: &Path) -> io::Result<Option<Lock>> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Lock { _file: file })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn files_are_for_their_owner_alone_and_replaced_in_one_step() {
        let root = std::env::temp_dir().join(format!("wharf-acme-files-{}", std::process::id()));
        let path = root.join("new/a.json");
        directory(path.parent().unwrap(), 1).unwrap();
        for text in ["one", "two"] {
            write(&path, text.as_bytes()).unwrap();
            assert_eq!(read(&path).unwrap().as_deref(), Some(text.as_bytes()));
        }
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(path.parent().unwrap()), mode(&path)), (0o700, 0o600));
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing else is left");
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_directory_that_others_may_write_to_is_refused() {
        let path = std::env::temp_dir().join(format!("wharf-acme-shared-{}", std::process::id()));
        directory(&path, 0).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
        let refused =
            |path: &Path, above| directory(path, above).is_err_and(|e| e.to_string().contains("others may write"));
        assert!(refused(&path, 0));
        assert!(refused(&path.join("below"), 1) && !refused(&path.join("below"), 0));
        std::fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn a_file_that_others_may_have_written_is_not_believed() {
        let path = std::env::temp_dir().join(format!("wharf-acme-open-{}", std::process::id()));
        write(&path, b"one").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
        assert!(read(&path).is_ok() && read_own(&path).is_err_and(|e| e.to_string().contains("others may write")));
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_lock_is_held_by_one_at_a_time() {
        let path = std::env::temp_dir().join(format!("wharf-acme-lock-{}", std::process::id()));
        let held = Lock::take(&path).unwrap().expect("nobody holds it");
        assert!(Lock::take(&path).unwrap().is_none());
        drop(held);
        assert!(Lock::take(&path).unwrap().is_some());
        std::fs::remove_file(path).unwrap();
    }
}
