//! What the files of a configuration say, as hashes: tells whether there is anything new in them, and names what is in force.

use super::watch::Watched;
use crate::config::{LARGEST, Print, Source};
use crate::value::open_regular;
use ring::digest::{Context, SHA256, digest};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// So much of a file is read at a time: a long one shall leave nothing behind in memory.
const PIECE: usize = 32 << 10;

/// What each file says; `None` for what cannot be read as a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content(BTreeMap<PathBuf, Option<Vec<u8>>>);

impl Content {
    /// Reads all that is watched.
    pub fn of(watched: &Watched) -> Content {
        Content(watched.all().into_iter().map(|path| (path.clone(), hash(&path))).collect())
    }

    /// Other files are watched from now on: what they say is what was read.
    pub fn follow(&mut self, watched: &Watched, read: &[Source], prints: &[Print]) {
        let mut known = std::mem::take(&mut self.0);
        for path in watched.all() {
            let said = known.remove(&path).unwrap_or_else(|| {
                let print = || prints.iter().find(|print| print.path == path)?.hash.map(Vec::from);
                match read.iter().find(|source| source.path == path) {
                    Some(source) => hash_of(source.text.as_bytes()),
                    None => print(),
                }
            });
            self.0.insert(path, said);
        }
    }
}

fn hash(path: &Path) -> Option<Vec<u8>> {
    let file = open_regular(path).ok()?;
    if file.metadata().ok()?.len() > LARGEST {
        return None;
    }
    // it may grow meanwhile
    let mut file = file.take(LARGEST);
    let (mut context, mut piece, mut is_empty) = (Context::new(&SHA256), vec![0; PIECE], true);
    loop {
        match file.read(&mut piece) {
            Ok(0) => return (!is_empty).then(|| context.finish().as_ref().to_vec()),
            Ok(read) => context.update(piece.get(..read)?),
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            Err(_) => return None,
        }
        is_empty = false;
    }
}

/// An empty file says as little as one that is missing.
fn hash_of(bytes: &[u8]) -> Option<Vec<u8>> {
    (!bytes.is_empty()).then(|| digest(&SHA256, bytes).as_ref().to_vec())
}

/// One hash of all texts in their order and of the files that they name, in hexadecimal: the same texts and files have the same, on any
/// machine. What somebody may have chosen as a secret is left out: who knows the rest could try what fits.
pub fn config_hash(files: &[Source], prints: &[Print]) -> String {
    let mut context = Context::new(&SHA256);
    for file in files {
        context.update(&(file.text.len() as u64).to_be_bytes());
        context.update(file.text.as_bytes());
    }
    for hash in prints.iter().filter(|print| !print.guessable).filter_map(|print| print.hash) {
        context.update(&hash);
    }
    let mut hex = String::new();
    for byte in context.finish().as_ref() {
        // writing to a String cannot fail
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<Source> {
        texts.iter().map(|text| Source { text: (*text).to_owned(), ..Source::default() }).collect()
    }

    #[test]
    fn the_hash_tells_texts_apart_wherever_they_are_cut() {
        let hash = |list: &[&str]| config_hash(&texts(list), &[]);
        assert_eq!(hash(&["ab", "c"]), hash(&["ab", "c"]));
        assert_eq!(hash(&["ab", "c"]).len(), 64);
        assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
        assert_ne!(hash(&["ab"]), hash(&["ab", ""]));
    }

    #[test]
    fn the_hash_knows_another_key_and_says_nothing_of_what_could_be_guessed() {
        let print = |hash: u8, guessable| Print { path: "a".into(), hash: Some([hash; 32]), guessable };
        let hash = |prints: &[Print]| config_hash(&texts(&["ab"]), prints);
        assert_ne!(hash(&[print(1, false)]), hash(&[print(2, false)]));
        assert_eq!(hash(&[print(1, true)]), hash(&[]));
    }
}
