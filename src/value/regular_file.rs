//! A regular file, opened to be read. Nothing waits for it: a pipe that stands in its place would keep who opens it for ever.

use rustix::fs::OFlags;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Returns at once, whatever it finds.
pub const AT_ONCE: i32 = OFlags::NONBLOCK.union(OFlags::NOCTTY).bits() as i32;

/// Opens what is at `path`; an error if that is anything but a regular file. What was opened is what is looked at: nobody
/// can put another thing in its place between.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let none = || io::Error::other("it is no regular file");
    let file = OpenOptions::new().read(true).custom_flags(AT_ONCE).open(path).map_err(|e| {
        // a socket, or a device that is not there
        if e.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) { none() } else { e }
    })?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(none()) }
}
