//! The proofs of this process and of others on its disk, as the listeners show them.

use super::files;
use super::proof::{self, Proof};
use super::store::{Store, hash};
use crate::tls::Challenges;
use rustls::sign::CertifiedKey;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The most proofs of others that are shown.
const OTHERS_MAX: usize = 1000;
/// A file with a proof that is older was left by a process that was killed.
const LEFT_BEHIND: Duration = Duration::from_secs(24 * 3600);

/// The proofs that the listeners show.
#[derive(Debug)]
pub(super) struct Proofs {
    challenges: Arc<Challenges>,
    shown: Mutex<HashMap<PathBuf, Shown>>,
}

#[derive(Debug)]
struct Shown {
    proof: Proof,
    certificate: Option<Arc<CertifiedKey>>,
    /// Shown by an order of this process, which takes it away.
    own: bool,
}

/// A proof is shown as long as this lives.
#[derive(Debug)]
pub(super) struct Showing {
    proofs: Arc<Proofs>,
    path: PathBuf,
}

impl Drop for Showing {
    fn drop(&mut self) {
        // one short call: a process that stops here leaves a file that is thrown away later
        if let Err(e) = files::remove(&self.path) {
            log::warn!("acme: {} cannot be removed: {e}", self.path.display());
        }
        self.proofs.change(|shown| {
            shown.remove(&self.path);
        });
    }
}

impl Proofs {
    pub fn new(challenges: Arc<Challenges>) -> Proofs {
        Proofs { challenges, shown: Mutex::default() }
    }

    /// Shows a proof here, and to the other gateways on this disk. This blocks for a moment.
    pub fn show(self: &Arc<Self>, store: &Store, proof: Proof) -> Result<Showing, String> {
        let bytes = serde_json::to_vec(&proof).map_err(|e| e.to_string())?;
        let path = store.proofs().join(format!("{}.json", hash(&bytes)));
        let shown = Shown { certificate: certified(&proof)?, proof, own: true };
        self.change(|all| {
            all.insert(path.clone(), shown);
        });
        let showing = Showing { proofs: Arc::clone(self), path };
        files::write(&showing.path, &bytes).map_err(|e| format!("{}: {e}", showing.path.display()))?;
        Ok(showing)
    }

    /// Shows what other gateways on this disk have to show. This blocks for a moment.
    pub fn look(&self, stores: &[Store]) {
        let mut found = HashMap::new();
        for store in stores {
            let Ok(entries) = std::fs::read_dir(store.proofs()) else { continue };
            let paths = entries.flatten().map(|entry| entry.path());
            found.extend(
                paths
                    .filter(|path| path.extension().is_some_and(|e| e == "json"))
                    .take(OTHERS_MAX)
                    .map(|path| (path, ())),
            );
        }
        let known: Vec<PathBuf> = self.lock().keys().cloned().collect();
        if known.iter().all(|path| found.contains_key(path)) && found.len() == known.len() {
            return;
        }
        let fresh: Vec<_> = found.keys().filter(|path| !known.contains(path)).filter_map(|path| read(path)).collect();
        self.change(|shown| {
            shown.retain(|path, one| one.own || found.contains_key(path));
            for (path, one) in fresh {
                shown.entry(path).or_insert(one);
            }
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<PathBuf, Shown>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut HashMap<PathBuf, Shown>)) {
        let mut shown = self.lock();
        change(&mut shown);
        let (mut answers, mut certificates) = (HashMap::new(), HashMap::new());
        for one in shown.values() {
            match (&one.proof, &one.certificate) {
                (Proof::Answer { token, answer }, _) => drop(answers.insert(token.clone(), answer.clone())),
                (Proof::Certificate { host, .. }, Some(key)) => {
                    drop(certificates.insert(host.clone(), Arc::clone(key)))
                }
                (Proof::Certificate { .. }, None) => {}
            }
        }
        self.challenges.set_answers(answers);
        self.challenges.set_certificates(certificates);
    }
}

fn certified(proof: &Proof) -> Result<Option<Arc<CertifiedKey>>, String> {
    match proof {
        Proof::Answer { .. } => Ok(None),
        Proof::Certificate { host, digest } => proof::certificate(host, digest).map(Some),
    }
}

/// Another gateway's proof, unless it was left behind.
fn read(path: &Path) -> Option<(PathBuf, Shown)> {
    let age = std::fs::metadata(path).ok()?.modified().ok()?.elapsed().unwrap_or_default();
    if age > LEFT_BEHIND {
        let _ = files::remove(path);
        return None;
    }
    let bytes = files::read_own(path).ok()??;
    let Ok(proof) = serde_json::from_slice::<Proof>(&bytes) else {
        files::put_aside(path, "it is no proof");
        return None;
    };
    let certificate = certified(&proof).ok()?;
    Some((path.to_owned(), Shown { proof, certificate, own: false }))
}

#[cfg(test)]
mod tests {
    use super::super::{Authority, Challenge, KeyType};
    use super::*;

    fn place(name: &str) -> Store {
        let root = std::env::temp_dir().join(format!("wharf-acme-proofs-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&root);
        let authority = Authority {
            name: "one".into(),
            directory: "https://a.example".into(),
            email: None,
            challenge: Challenge::Http01,
            ca: None,
            key: KeyType::Ecdsa,
            external_account: None,
            profile: None,
        };
        let store = Store::of(&root, &authority);
        store.prepare().unwrap();
        store
    }

    fn answer(token: &str) -> Proof {
        Proof::Answer { token: token.into(), answer: format!("{token}.key").into() }
    }

    #[test]
    fn what_one_gateway_shows_the_other_shows_too_as_long_as_it_does() {
        let store = place("both");
        let gateways = [Arc::<Challenges>::default(), Arc::default()];
        let [one, other] = gateways.each_ref().map(|challenges| Arc::new(Proofs::new(Arc::clone(challenges))));
        let stores = [store.clone()];
        let token = one.show(&store, answer("t1")).unwrap();
        let host = Proof::Certificate { host: "a.example.com".into(), digest: vec![7; 32] };
        let certificate = one.show(&store, host).unwrap();
        let own = other.show(&store, answer("t2")).unwrap();
        [&one, &other].iter().for_each(|proofs| proofs.look(&stores));
        for challenges in &gateways {
            assert_eq!(challenges.answer("t1").as_deref(), Some("t1.key"));
            assert_eq!(challenges.answer("t2").as_deref(), Some("t2.key"));
            assert!(challenges.certificate("a.example.com").is_some());
        }
        drop((token, certificate));
        [&one, &other].iter().for_each(|proofs| proofs.look(&stores));
        for challenges in &gateways {
            assert_eq!((challenges.answer("t1"), challenges.answer("t2").is_some()), (None, true));
            assert!(challenges.certificate("a.example.com").is_none());
        }
        drop(own);
        assert_eq!(std::fs::read_dir(store.proofs()).unwrap().count(), 0, "nothing is left");
    }

    #[test]
    fn what_is_no_proof_is_put_aside_and_what_was_left_behind_is_removed() {
        let store = place("odd");
        std::fs::write(store.proofs().join("odd.json"), "{").unwrap();
        let old = store.proofs().join("old.json");
        std::fs::write(&old, serde_json::to_vec(&answer("old")).unwrap()).unwrap();
        let long_ago = std::time::SystemTime::now() - 2 * LEFT_BEHIND;
        std::fs::File::options().write(true).open(&old).unwrap().set_modified(long_ago).unwrap();
        let challenges = Arc::<Challenges>::default();
        Proofs::new(Arc::clone(&challenges)).look(std::slice::from_ref(&store));
        assert_eq!(challenges.answer("old"), None);
        assert!(!old.exists() && store.proofs().join("odd.json.damaged").exists());
    }
}
