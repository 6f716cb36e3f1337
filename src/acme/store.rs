//! What is kept of an authority on disk: the account, the certificates, and what is remembered of each order.
//!
//! `acme/NAME-HASH/` is for one authority, by its name and its directory's URL: `account.json`, `proofs/`, and for each list of hosts
//! `HOST-HASH/` with `chain.pem`, `key.pem`, `meta.json`, `order.json` while one is in flight, and `lock`.

use super::files::{self, Lock};
use super::hook::DnsRecord;
use super::schedule::{Life, Record};
use super::{Authority, Order, seconds};
use crate::tls::{Certificate, Ordered};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// The longest part of a directory's name that is taken from a name or host.
const NAME_MAX: usize = 80;

/// How many directories there are between one with files and the state directory: the authority's, and `acme`.
const BELOW_STATE: usize = 2;

/// What is kept of one authority.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Store {
    root: PathBuf,
    /// What certificates are ordered for beside their hosts: another kind of key is another certificate.
    kind: String,
}

/// What is kept of one order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Shelf {
    root: PathBuf,
}

/// An order that the authority knows of.
#[derive(Serialize, Deserialize)]
pub(super) struct InFlight {
    pub url: String,
    /// The key that the certificate will be for, as PEM.
    pub key: String,
}

impl Store {
    /// The place of an authority below the state directory.
    pub fn of(state: &Path, authority: &Authority) -> Store {
        let hash = hash(authority.directory.as_bytes());
        let root = state.join("acme").join(format!("{}-{hash}", tame(&authority.name)));
        Store { root, kind: format!("{:?} {:?}", authority.key, authority.profile) }
    }

    pub fn account(&self) -> PathBuf {
        self.root.join("account.json")
    }

    pub fn account_lock(&self) -> PathBuf {
        self.root.join("account.lock")
    }

    /// Where the proofs of the orders in flight are, for all processes that may be asked for them.
    pub fn proofs(&self) -> PathBuf {
        self.root.join("proofs")
    }

    /// The place of a list of hosts. A list with another order of the same hosts is the same.
    pub fn shelf(&self, hosts: &[String]) -> Shelf {
        let mut sorted = hosts.to_vec();
        sorted.sort_unstable();
        let first = sorted.first().cloned().unwrap_or_default();
        sorted.push(self.kind.clone());
        Shelf { root: self.root.join(format!("{}-{}", tame(&first), hash(sorted.join(",").as_bytes()))) }
    }

    /// Makes what directories there must be.
    pub fn prepare(&self) -> io::Result<()> {
        files::directory(&self.proofs(), BELOW_STATE)
    }

    /// The shelves with a file of this name.
    fn shelves(&self, name: &str) -> Vec<Shelf> {
        let Ok(entries) = std::fs::read_dir(&self.root) else { return Vec::new() };
        let roots = entries.flatten().map(|entry| entry.path()).filter(|path| path.join(name).is_file());
        roots.map(|root| Shelf { root }).collect()
    }

    /// What is remembered of all orders, also those that are no longer in the document.
    pub fn records(&self) -> Vec<Record> {
        self.shelves("meta.json").iter().filter_map(|shelf| shelf.json("meta.json")).collect()
    }

    /// The certificates that are valid now, also those that are no longer in the document.
    fn valid(&self) -> Vec<Arc<Certificate>> {
        let now = SystemTime::now();
        let all = self.shelves("chain.pem").into_iter().filter_map(|shelf| shelf.peek());
        all.filter(|one| one.not_after > now).map(Arc::new).collect()
    }
}

impl Shelf {
    /// Holds the order for this process, if no other holds it.
    pub fn lock(&self) -> io::Result<Option<Lock>> {
        files::directory(&self.root, BELOW_STATE)?;
        Lock::take(&self.root.join("lock"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// What is remembered of the order.
    pub fn record(&self, hosts: &[String]) -> Record {
        let read = self.json::<Record>("meta.json").unwrap_or_default();
        // the list may be in another order now
        Record { hosts: hosts.to_vec(), ..read }
    }

    pub fn write_record(&self, record: &Record) -> io::Result<()> {
        files::directory(&self.root, BELOW_STATE)?;
        files::write(&self.path("meta.json"), &serde_json::to_vec_pretty(record)?)
    }

    pub fn in_flight(&self) -> Option<InFlight> {
        self.json("order.json")
    }

    pub fn write_in_flight(&self, in_flight: &InFlight) -> io::Result<()> {
        files::write(&self.path("order.json"), &serde_json::to_vec(in_flight)?)
    }

    pub fn forget_in_flight(&self) -> io::Result<()> {
        files::remove(&self.path("order.json"))
    }

    /// The records in the DNS that were set for this order, and not unset yet.
    pub fn dns(&self) -> Vec<DnsRecord> {
        self.json("dns.json").unwrap_or_default()
    }

    /// Remembers them, so that whoever comes after a process that was killed can unset them.
    pub fn write_dns(&self, records: &[DnsRecord]) -> io::Result<()> {
        match records {
            [] => files::remove(&self.path("dns.json")),
            _ => files::write(&self.path("dns.json"), &serde_json::to_vec(records)?),
        }
    }

    /// When the certificate on hand was put there.
    pub fn changed(&self) -> Option<SystemTime> {
        std::fs::metadata(self.path("chain.pem")).ok()?.modified().ok()
    }

    fn json<T: for<'a> Deserialize<'a>>(&self, name: &str) -> Option<T> {
        let path = self.path(name);
        let bytes = match files::read_own(&path) {
            Ok(bytes) => bytes?,
            Err(e) => {
                log::warn!("acme: {} cannot be read: {e}", path.display());
                return None;
            }
        };
        serde_json::from_slice(&bytes).map_err(|e| files::put_aside(&path, &files::place(&e))).ok()
    }

    /// The certificate on hand. What a process that stopped in the midst of storing left is brought to its end; what is damaged is put
    /// aside.
    pub fn certificate(&self) -> Option<Certificate> {
        let names = [("chain.next.pem", "key.next.pem"), ("chain.next.pem", "key.pem")];
        for (chain, key) in names {
            if self.pair(chain, key).is_ok_and(|pair| pair.is_some()) {
                if let Err(e) = self.finish() {
                    log::warn!("acme: {}: the new certificate cannot be moved to its place: {e}", self.root.display());
                }
                break;
            }
        }
        match self.pair("chain.pem", "key.pem") {
            Ok(pair) => pair,
            Err(why) => {
                files::put_aside(&self.path("chain.pem"), &why);
                files::put_aside(&self.path("key.pem"), &why);
                None
            }
        }
    }

    /// The same, with nothing put aside or brought to an end: another process may be at it.
    pub fn peek(&self) -> Option<Certificate> {
        self.pair("chain.pem", "key.pem").ok().flatten()
    }

    fn pair(&self, chain: &str, key: &str) -> Result<Option<Certificate>, String> {
        let read = |name| files::read_own(&self.path(name)).map_err(|e| e.to_string());
        match (read(chain)?, read(key)?) {
            (Some(chain), Some(key)) => {
                Certificate::read(&chain, &key, None).map(Some).map_err(|flaw| flaw.to_string())
            }
            (None, None) => Ok(None),
            _ if chain == "chain.pem" => Err("chain.pem and key.pem belong together, and one is missing".into()),
            _ => Ok(None),
        }
    }

    /// Stores a certificate with its key: it is there as a whole, whenever the process may stop.
    pub fn write_certificate(&self, chain: &str, key: &str) -> io::Result<()> {
        files::write(&self.path("key.next.pem"), key.as_bytes())?;
        files::write(&self.path("chain.next.pem"), chain.as_bytes())?;
        self.finish()
    }

    fn finish(&self) -> io::Result<()> {
        // the key first: a chain that waits for its place tells that the key in place is its own
        let key = self.path("key.next.pem");
        if key.exists() {
            std::fs::rename(key, self.path("key.pem"))?;
            files::sync(&self.root)?;
        }
        std::fs::rename(self.path("chain.next.pem"), self.path("chain.pem"))?;
        files::sync(&self.root)
    }
}

/// The life of a certificate.
pub(super) fn life(certificate: &Certificate) -> Life {
    Life { from: seconds(certificate.not_before), until: seconds(certificate.not_after) }
}

/// Of these, one for some of the hosts of an order: for as many as there is one for.
fn nearest(valid: &[Arc<Certificate>], ordered: &Ordered) -> Option<Arc<Certificate>> {
    let common = |one: &Certificate| one.hosts.iter().filter(|host| ordered.hosts.contains(host)).count();
    let near = valid.iter().filter(|one| common(one) > 0).max_by_key(|one| (common(one), one.not_after));
    near.map(Arc::clone)
}

/// Presents what is on disk for these orders, before the first connection is served. It never waits for a network. Where nothing is on
/// disk for an order, a certificate of the same authority for some of its hosts is presented: a host was added to the list.
pub fn load_from_disk(state: &Path, orders: &[Order]) {
    // what else there is of an authority is read once: there may be thousands
    let mut valid = HashMap::new();
    for order in orders.iter().filter(|order| order.certificate.current().is_self_signed()) {
        let store = Store::of(state, &order.authority);
        let own = store.shelf(&order.hosts()).certificate().map(Arc::new);
        let near = || nearest(valid.entry(store.clone()).or_insert_with(|| store.valid()), &order.certificate);
        if let Some(certificate) = own.or_else(near) {
            order.certificate.present(certificate);
        }
    }
}

/// A name as a part of a file's name.
fn tame(name: &str) -> String {
    let tame = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' };
    let tame: String = name.chars().take(NAME_MAX).map(tame).collect();
    // never `..`, and nothing hidden
    if tame.starts_with('.') { format!("_{tame}") } else { tame }
}

/// The start of a hash, enough to tell names apart.
pub(super) fn hash(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest.as_ref().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Challenge, KeyType, stand_in};
    use super::*;
    use crate::value::HostPattern;

    fn authority(directory: &str) -> Authority {
        Authority {
            name: "one/../two".into(),
            directory: directory.into(),
            email: None,
            challenge: Challenge::Http01,
            ca: None,
            key: KeyType::Ecdsa,
            external_account: None,
            profile: None,
        }
    }

    /// A chain and its key.
    fn pair() -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["a.example.com".to_owned()]).unwrap();
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    fn print((chain, key): &(String, String)) -> [u8; 32] {
        Certificate::read(chain.as_bytes(), key.as_bytes(), None).unwrap().print
    }

    fn shelf(name: &str) -> Shelf {
        let root = std::env::temp_dir().join(format!("wharf-acme-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&root);
        let shelf = Store::of(&root, &authority("https://a.example")).shelf(&["*.example.com".to_owned()]);
        assert!(shelf.lock().unwrap().is_some());
        shelf
    }

    #[test]
    fn whenever_a_process_stops_while_it_stores_a_certificate_one_whole_one_is_there() {
        let (old, new) = (pair(), pair());
        // a step is: which file is written, or renamed
        for stopped_after in 0..=4 {
            let shelf = shelf(&format!("stop-{stopped_after}"));
            shelf.write_certificate(&old.0, &old.1).unwrap();
            let write = |name: &str, text: &str| files::write(&shelf.path(name), text.as_bytes()).unwrap();
            let rename = |from: &str, to: &str| std::fs::rename(shelf.path(from), shelf.path(to)).unwrap();
            let steps: [&dyn Fn(); 4] = [
                &|| write("key.next.pem", &new.1),
                &|| write("chain.next.pem", &new.0),
                &|| rename("key.next.pem", "key.pem"),
                &|| rename("chain.next.pem", "chain.pem"),
            ];
            steps.iter().take(stopped_after).for_each(|step| step());
            let there = shelf.certificate().expect("a certificate").print;
            assert_eq!(
                there,
                print(if stopped_after < 2 { &old } else { &new }),
                "stopped after {stopped_after} steps"
            );
            assert_eq!(shelf.peek().map(|again| again.print), Some(there), "and it is in its place");
        }
    }

    #[test]
    fn a_pair_that_does_not_fit_is_put_aside() {
        let shelf = shelf("damaged");
        shelf.write_certificate(&pair().0, &pair().1).unwrap();
        assert!(shelf.certificate().is_none());
        assert!(shelf.path("chain.pem.damaged").exists() && shelf.path("key.pem.damaged").exists());
        assert!(shelf.certificate().is_none(), "and nothing is there");
    }

    #[test]
    fn every_directory_and_kind_of_key_has_its_own_place_within_the_state_directory() {
        let state = Path::new("/state");
        let (one, other) = (authority("https://a.example"), authority("https://b.example"));
        assert_ne!(Store::of(state, &one), Store::of(state, &other));
        let hosts = ["a.example.com".to_owned(), "b.example.com".to_owned()];
        let turned = [hosts[1].clone(), hosts[0].clone()];
        let store = Store::of(state, &one);
        assert_eq!(store.root.parent(), Some(Path::new("/state/acme")));
        assert_eq!(store.shelf(&hosts), store.shelf(&turned));
        assert_ne!(store.shelf(&hosts), store.shelf(&hosts[..1]));
        let rsa = Store::of(state, &Authority { key: KeyType::Rsa, ..one });
        assert_ne!(store.shelf(&turned), rsa.shelf(&turned));
    }

    #[test]
    fn the_nearest_certificate_is_one_for_most_of_the_hosts() {
        let shelf = shelf("nearest");
        let pair = pair();
        shelf.write_certificate(&pair.0, &pair.1).unwrap();
        let state = shelf.root.ancestors().nth(3).unwrap().to_owned();
        let near = |hosts: &[&str]| {
            let hosts: Vec<HostPattern> = hosts.iter().map(|host| HostPattern::parse(host).unwrap()).collect();
            let ordered = Ordered::new("one", &hosts, stand_in(&hosts).unwrap());
            nearest(&Store::of(&state, &authority("https://a.example")).valid(), &ordered).map(|near| near.print)
        };
        assert_eq!(near(&["a.example.com", "b.example.com"]), Some(print(&pair)));
        assert_eq!(near(&["b.example.com"]), None);
    }
}
