//! The state directory: what outlives the process. It holds the last good configuration, and in `acme` what authorities issued.

use crate::config::{self, Bundle, Loaded, Report};
use crate::value::open_regular;
use rustix::fs::{Mode, OFlags};
use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The last good configuration, within the directory.
const LAST_GOOD: &str = "last-good.json";
/// The largest kept copy that is read: the largest document, and what JSON adds to it.
const LARGEST: u64 = 2 * config::LARGEST;

/// Where this gateway keeps what outlives it: two on one host keep apart by it.
pub fn directory() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    // systemd may name several
    let given = variable("STATE_DIRECTORY").and_then(|list| std::env::split_paths(&list).next());
    let base = || variable("XDG_STATE_HOME").map(PathBuf::from).filter(|base| base.is_absolute());
    let home = || variable("HOME").map(|home| Path::new(&home).join(".local/state"));
    given.or_else(|| Some(base().or_else(home)?.join("wharf")))
}

/// Keeps the last good configuration of one main file.
#[derive(Debug)]
pub struct Keeper {
    directory: Option<PathBuf>,
    /// The hash of what is kept.
    kept: Option<String>,
    /// That it does not work was said.
    complained: bool,
}

impl Keeper {
    pub fn new() -> Keeper {
        Keeper { directory: directory(), kept: None, complained: false }
    }

    /// Keeps these texts, unless they are what was kept before. That it cannot be done is a warning, once. The new copy.
    pub fn keep(&mut self, files: &[config::Source], config_hash: &str) -> Option<File> {
        if self.kept.as_deref() == Some(config_hash) {
            return None;
        }
        let result = match &self.directory {
            Some(directory) => {
                write(directory, &Bundle::of(files)).map_err(|e| format!("in {}: {e}", directory.display()))
            }
            None => Err("none of STATE_DIRECTORY, XDG_STATE_HOME and HOME is set".to_owned()),
        };
        match result {
            Ok(copy) => {
                self.kept = Some(config_hash.to_owned());
                self.complained = false;
                return Some(copy);
            }
            Err(why) if !self.complained => {
                log::warn!(
                    "this configuration cannot be kept for `wharf run --last-good`: {why}\n\
                     hint: STATE_DIRECTORY names a directory that the gateway may write to"
                );
                self.complained = true;
            }
            Err(_) => {}
        }
        None
    }
}

/// The copy takes the place of the one before in one step, and is on the disk when this returns.
fn write(directory: &Path, bundle: &Bundle) -> io::Result<File> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let opened = open_directory(directory)?;
    let fresh = directory.join(format!("{LAST_GOOD}.{}", std::process::id()));
    // left behind by a process that had the same number and was killed
    let _ = std::fs::remove_file(&fresh);
    let result =
        OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&fresh).and_then(|mut file| {
            file.write_all(&serde_json::to_vec(bundle)?)?;
            file.sync_all()?;
            std::fs::rename(&fresh, directory.join(LAST_GOOD))?;
            opened.sync_all()?;
            Ok(file)
        });
    if result.is_err() {
        let _ = std::fs::remove_file(&fresh);
    }
    result
}

/// Opens the state directory: it is this user's, nobody else may write to it, and from now on nobody else may look into it.
fn open_directory(directory: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = File::from(rustix::fs::open(directory, flags, Mode::empty())?);
    let metadata = opened.metadata()?;
    let user = rustix::process::geteuid().as_raw();
    let refused = |why: String| Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    if metadata.uid() != user {
        return refused(format!(
            "the directory belongs to the user {}, not to {user}, who runs the gateway",
            metadata.uid()
        ));
    }
    if metadata.mode() & 0o022 != 0 {
        return refused("others may write to the directory; `chmod 700` makes it the gateway's own".into());
    }
    // what others keep there too is theirs to reach: somebody named a directory such as /var/lib
    if metadata.mode() & 0o077 != 0 && holds_nothing_else(directory)? {
        rustix::fs::fchmod(&opened, Mode::RWXU)?;
    }
    Ok(opened)
}

fn holds_nothing_else(directory: &Path) -> io::Result<bool> {
    let ours = |name: &[u8]| name.starts_with(LAST_GOOD.as_bytes()) || name == b"acme";
    for entry in std::fs::read_dir(directory)? {
        if !ours(entry?.file_name().as_encoded_bytes()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The last good configuration, and when it was kept.
pub struct LastGood {
    pub loaded: Loaded,
    pub kept_at: SystemTime,
}

/// Why there is none to start from.
pub enum Missing {
    /// As a sentence.
    None(String),
    /// There is one, but it is not valid here and now.
    Invalid(Report),
}

/// Reads and checks the copy that was kept of a main file.
pub fn last_good(main: &Path) -> Result<LastGood, Missing> {
    let Some(directory) = directory() else {
        return Err(Missing::None("no copy is kept: none of STATE_DIRECTORY, XDG_STATE_HOME and HOME is set".into()));
    };
    let path = directory.join(LAST_GOOD);
    let (bundle, kept_at) = read(&path).map_err(|why| Missing::None(format!("{}: {why}", path.display())))?;
    let main = std::path::absolute(main).unwrap_or_else(|_| main.to_path_buf());
    if *bundle.main != *main.to_string_lossy() {
        return Err(Missing::None(format!("the copy in {} is of another file, {}", path.display(), bundle.main)));
    }
    let loaded = config::load_from(&bundle, config::Purpose::Run).map_err(Missing::Invalid)?;
    Ok(LastGood { loaded, kept_at })
}

fn read(path: &Path) -> Result<(Bundle, SystemTime), String> {
    let file = open_regular(path).map_err(|e| e.to_string())?;
    let metadata = file.metadata().map_err(|e| e.to_string())?;
    if !is_ours(&metadata) {
        return Err("the copy is not used, since somebody else may write to it".into());
    }
    let mut bytes = Vec::new();
    file.take(LARGEST).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    let bundle = serde_json::from_slice(&bytes).map_err(|e| format!("the copy is damaged: {e}"))?;
    Ok((bundle, metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH)))
}

/// Can nobody else have written it?
fn is_ours(metadata: &Metadata) -> bool {
    let user = rustix::process::geteuid().as_raw();
    metadata.is_file() && [0, user].contains(&metadata.uid()) && metadata.mode() & 0o022 == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_copy_is_written_for_its_owner_alone_and_read_back() {
        let directory = std::env::temp_dir().join(format!("wharf-state-{}/new", std::process::id()));
        let path = directory.join(LAST_GOOD);
        for text in ["one", "two"] {
            let bundle = Bundle::one("/etc/wharf/gateway.yaml", text);
            write(&directory, &bundle).unwrap();
            assert_eq!(read(&path).map(|(read, _)| read), Ok(bundle));
            assert_eq!((mode(&directory), mode(&path)), (0o700, 0o600));
        }
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 1, "nothing else is left");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o622)).unwrap();
        assert!(read(&path).is_err_and(|why| why.contains("somebody else")));
        std::fs::remove_dir_all(directory.parent().unwrap()).unwrap();
    }
}
