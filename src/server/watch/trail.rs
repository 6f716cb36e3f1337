//! The directories in which a path's names are looked up, symlinks followed: where a change of the file shows.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::OsString;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// Symlinks followed on the way to one file, as the kernel's own limit.
const LINKS_MAX: usize = 40;

/// A name in a directory that leads to a watched file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step {
    /// Without symlinks.
    pub directory: PathBuf,
    /// Which directory that is: another one may take its place.
    identity: (u64, u64),
    /// What to look for in it.
    pub sought: Sought,
}

/// What matters in a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sought {
    /// One name.
    Name(OsString),
    /// Names that match the last part of a pattern.
    Files(String),
    /// Directories whose names match a part of a pattern that is not the last.
    Directories(String),
}

/// Every step to the files, and to what lies in the directories.
pub fn follow(files: &[PathBuf], directories: &BTreeMap<PathBuf, BTreeSet<Sought>>) -> BTreeSet<Step> {
    let mut steps = BTreeSet::new();
    for file in files {
        walk(file, &mut steps);
    }
    for (directory, all) in directories {
        if let Some(real) = walk(directory, &mut steps) {
            steps.extend(all.iter().filter_map(|sought| step(real.clone(), sought.clone())));
        }
    }
    steps
}

/// Notes the symlinks on the way and the last name; where the path ends, unless something is missing.
fn walk(path: &Path, steps: &mut BTreeSet<Step>) -> Option<PathBuf> {
    let absolute = std::path::absolute(path).ok()?;
    let mut left: VecDeque<OsString> = names(&absolute).collect();
    let mut at = PathBuf::from("/");
    let mut links = 0;
    while let Some(name) = left.pop_front() {
        if name == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&name);
        let Ok(metadata) = std::fs::symlink_metadata(&next) else {
            // its coming is noticed
            steps.extend(step(at, Sought::Name(name)));
            return None;
        };
        if metadata.is_symlink() || left.is_empty() {
            steps.extend(step(at.clone(), Sought::Name(name)));
        }
        if !metadata.is_symlink() {
            at = next;
            continue;
        }
        links += 1;
        let target = std::fs::read_link(&next).ok().filter(|_| links <= LINKS_MAX)?;
        if target.is_absolute() {
            at = PathBuf::from("/");
        }
        for name in names(&target).collect::<Vec<_>>().into_iter().rev() {
            left.push_front(name);
        }
    }
    Some(at)
}

fn names(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}

fn step(directory: PathBuf, sought: Sought) -> Option<Step> {
    let identity = identity(&std::fs::metadata(&directory).ok()?);
    Some(Step { directory, identity, sought })
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("wharf-trail-{}-{name}", std::process::id()));
        std::fs::remove_dir_all(&folder).ok();
        std::fs::create_dir_all(&folder).unwrap();
        folder.canonicalize().unwrap()
    }

    /// Directories below `folder` and the names looked for in them.
    fn shown(folder: &Path, file: &str) -> Vec<String> {
        let steps = follow(&[folder.join(file)], &BTreeMap::new());
        let show = |step: &Step| {
            let below = step.directory.strip_prefix(folder).ok()?.display().to_string();
            let Sought::Name(name) = &step.sought else { return None };
            Some(format!("{below}|{}", name.display()))
        };
        steps.iter().filter_map(show).collect()
    }

    #[test]
    fn every_symlink_on_the_way_is_a_step_and_so_is_the_file() {
        let folder = folder("links");
        std::fs::create_dir_all(folder.join("volume/..v1")).unwrap();
        std::fs::write(folder.join("volume/..v1/gateway.yaml"), "").unwrap();
        symlink("..v1", folder.join("volume/..data")).unwrap();
        symlink("..data/gateway.yaml", folder.join("volume/gateway.yaml")).unwrap();
        symlink("volume", folder.join("etc")).unwrap();
        let steps = ["|etc", "volume|..data", "volume|gateway.yaml", "volume/..v1|gateway.yaml"];
        assert_eq!(shown(&folder, "etc/gateway.yaml"), steps);
        assert_eq!(shown(&folder, "etc/../volume/./gateway.yaml"), steps);
        assert_eq!(shown(&folder, "volume/gateway.yaml"), steps[1..]);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_is_missing_is_waited_for_where_it_would_appear() {
        let folder = folder("missing");
        assert_eq!(shown(&folder, "a/b/gateway.yaml"), ["|a"]);
        symlink("nowhere/x", folder.join("broken")).unwrap();
        assert_eq!(shown(&folder, "broken"), ["|broken", "|nowhere"]);
        symlink("ring", folder.join("ring")).unwrap();
        assert_eq!(shown(&folder, "ring"), ["|ring"]);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
