//! The files that a configuration was read from, and those that may come to belong to it.

use super::trail::Sought;
use crate::config::{self, PathPattern};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// What stands for other characters in a pattern.
const WILD: [u8; 3] = [b'*', b'?', b'['];

/// What a configuration was read from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// The main one first.
    pub files: Vec<PathBuf>,
    /// Of included files; new ones may come to match.
    pub patterns: Vec<PathBuf>,
}

impl Watched {
    /// The files, and those that would belong to them now.
    pub fn all(&self) -> BTreeSet<PathBuf> {
        self.files.iter().cloned().chain(config::matching(&self.patterns)).collect()
    }

    /// The directories in which files may come to match a pattern, and what matters in each: other names in them are not news. Those
    /// below a directory that is a pattern itself are known once they hold a file.
    pub fn directories(&self) -> BTreeMap<PathBuf, BTreeSet<Sought>> {
        let mut directories: BTreeMap<PathBuf, BTreeSet<Sought>> = BTreeMap::new();
        let found: BTreeSet<&Path> = self.files.iter().skip(1).filter_map(|file| file.parent()).collect();
        for pattern in &self.patterns {
            let (Some(parent), Some(last)) = (pattern.parent(), pattern.file_name()) else { continue };
            let last = match is_wild(last) {
                true => Sought::Files(last.to_string_lossy().into_owned()),
                false => Sought::Name(last.to_owned()),
            };
            let tame: PathBuf = parent.iter().take_while(|name| !is_wild(name)).collect();
            let Some(wild) = parent.iter().find(|name| is_wild(name)) else {
                directories.entry(tame).or_default().insert(last);
                continue;
            };
            let wild = Sought::Directories(wild.to_string_lossy().into_owned());
            directories.entry(tame).or_default().insert(wild);
            let Some(parent) = parent.to_str().and_then(PathPattern::new) else { continue };
            for directory in found.iter().filter(|directory| parent.matches(directory)) {
                directories.entry(directory.to_path_buf()).or_default().insert(last.clone());
            }
        }
        directories
    }
}

fn is_wild(name: &OsStr) -> bool {
    name.as_encoded_bytes().iter().any(|byte| WILD.contains(byte))
}

/// What is watched now; every reload may change it.
#[derive(Debug, Default)]
pub struct WatchList(Mutex<Arc<Watched>>);

impl WatchList {
    pub fn new(watched: Watched) -> WatchList {
        WatchList(Mutex::new(Arc::new(watched)))
    }

    pub fn get(&self) -> Arc<Watched> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn set(&self, watched: Watched) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if **now != watched {
            *now = Arc::new(watched);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directories_of_patterns_and_of_what_they_found_are_watched() {
        let paths = |list: &[&str]| list.iter().map(PathBuf::from).collect::<Vec<_>>();
        let watched = Watched {
            files: paths(&["/etc/w/gateway.yaml", "/etc/w/routes.d/a/x.yaml"]),
            patterns: paths(&["/etc/w/routes.d/*/*.yaml", "/srv/common.yaml", "/opt/*.yaml"]),
        };
        let expected = [
            ("/etc/w/routes.d", Sought::Directories("*".into())),
            ("/etc/w/routes.d/a", Sought::Files("*.yaml".into())),
            ("/opt", Sought::Files("*.yaml".into())),
            ("/srv", Sought::Name("common.yaml".into())),
        ];
        let expected = expected.map(|(directory, sought)| (PathBuf::from(directory), BTreeSet::from([sought])));
        assert_eq!(watched.directories(), BTreeMap::from(expected));
    }
}
