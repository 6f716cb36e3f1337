//! What the system says of a file without reading it: enough to tell that it may have changed.

use super::Watched;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Device, inode, size, times of content and of the entry, links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Signature {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    links: u64,
}

impl Signature {
    /// `None` where there is nothing that could be asked.
    fn of(path: &Path) -> Option<Signature> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Signature {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            links: metadata.nlink(),
        })
    }

    /// The same for one file by all its names.
    fn identity(&self) -> (u64, u64) {
        (self.device, self.inode)
    }
}

/// The signatures of all that is watched at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signatures(BTreeMap<PathBuf, Option<Signature>>);

impl Signatures {
    pub fn of(watched: &Watched) -> Signatures {
        Signatures(watched.all().into_iter().map(|path| (path.clone(), Signature::of(&path))).collect())
    }

    /// Is a file not there?
    pub fn lack_a_file(&self) -> bool {
        self.0.values().any(Option::is_none)
    }

    /// Have files changed since, and is none of those one of `open`, to which somebody still writes?
    pub fn changed_whole<'p>(&self, since: Option<&Signatures>, open: impl Iterator<Item = &'p Path>) -> bool {
        let before = |path: &Path| since.and_then(|since| since.0.get(path).copied());
        let changed = self.0.iter().filter(|(path, now)| before(path) != Some(**now));
        let changed: Vec<_> = changed.filter_map(|(_, now)| now.map(|now| now.identity())).collect();
        let mut open = open.filter_map(Signature::of).map(|open| open.identity());
        since != Some(self) && !open.any(|open| changed.contains(&open))
    }

    /// The first file that no directory holds any more, yet that still is to be seen: it is mounted by itself, and what was mounted
    /// was replaced outside.
    pub fn left_behind(&self) -> Option<&Path> {
        let behind = |signature: &Option<Signature>| signature.is_some_and(|s| s.links == 0);
        self.0.iter().find(|(_, signature)| behind(signature)).map(|(path, _)| path.as_path())
    }
}
