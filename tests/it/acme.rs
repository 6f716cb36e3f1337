//! Certificates that are ordered from an authority: the keeper by itself before a real one.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use wharf::acme::{Authority, Challenge, ExternalAccount, KeyType, Order};

use crate::harness::{Front, Keeping, Pebble, Ways, eventually, order, own_address};

/// An order takes a few seconds, more where the authority refuses at random.
const PATIENCE: Duration = Duration::from_secs(60);

/// A state directory that is gone when the test ends.
struct State(PathBuf);

impl State {
    fn new() -> State {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("acme-state-{}", own_address()));
        std::fs::create_dir_all(&path).unwrap();
        State(path)
    }

    /// The files of this name below it.
    fn files(&self, name: &str) -> Vec<PathBuf> {
        let pattern = format!("{}/**/{name}", self.0.display());
        glob::glob(&pattern).unwrap().flatten().collect()
    }
}

impl Drop for State {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

fn authority(pebble: &Pebble, challenge: Challenge) -> Arc<Authority> {
    Arc::new(Authority {
        name: "pebble".into(),
        directory: pebble.directory().into(),
        email: Some("ops@example.com".into()),
        challenge,
        ca: Some(pebble.ca()),
        key: KeyType::Ecdsa,
        external_account: None,
        profile: None,
    })
}

fn is_issued(order: &Order) -> bool {
    order.certificate.current().key.cert.len() > 1
}

#[track_caller]
fn expect_issued(keeping: &Keeping) {
    let all = || keeping.orders.iter().all(is_issued).then_some(());
    let start = std::time::Instant::now();
    while all().is_none() {
        assert!(start.elapsed() < PATIENCE, "not issued: {:#?}", keeping.board.read());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn http_01_gets_certificates_for_several_orders_at_once() {
    let (here, state) = (own_address(), State::new());
    let pebble = Pebble::start(here.into(), Ways::default());
    let authority = authority(&pebble, Challenge::Http01);
    let orders = vec![
        order(&authority, &["a.example.com"]),
        order(&authority, &["b.example.com", "c.example.com"]),
        order(&authority, &["d.example.com"]),
    ];
    let keeping = Keeping::start(&state.0, &[here], orders);
    expect_issued(&keeping);
    for order in &keeping.orders {
        let mut hosts = order.certificate.current().hosts.to_vec();
        hosts.sort();
        assert_eq!(&*hosts, &*order.certificate.hosts);
    }
    eventually(PATIENCE, || keeping.board.read().iter().all(|one| one.valid_until.is_some()).then_some(()));
    assert_eq!(state.files("chain.pem").len(), 3);
    // nothing is left in flight
    let left = || state.files("order.json").len() + state.files("proofs/*.json").len();
    eventually(PATIENCE, || (left() == 0).then_some(()));
}

#[test]
fn dns_01_gets_a_wildcard_and_leaves_no_record_behind() {
    let state = State::new();
    let pebble = Pebble::start(own_address().into(), Ways { proofs_kept: 0, ..Ways::default() });
    let hook = Challenge::Dns01 { hook: pebble.hook(), wait: Duration::ZERO };
    let authority = authority(&pebble, hook);
    let keeping =
        Keeping::start(&state.0, &[], vec![order(&authority, &["*.example.com", "example.com", "a.example.org"])]);
    expect_issued(&keeping);
    let hooks = || Some(pebble.hooks()).filter(|hooks| hooks.len() == 6);
    let mut hooks = eventually(PATIENCE, hooks);
    let taken_back = hooks.split_off(3);
    assert!(hooks.iter().all(|line| line.starts_with("set ")), "{hooks:?}");
    let apex = |line: &&String| line.starts_with("set example.com _acme-challenge.example.com ");
    assert_eq!(hooks.iter().filter(apex).count(), 2, "the host and its wildcard: {hooks:?}");
    let set: Vec<String> = hooks.iter().map(|line| format!("un{line}")).collect();
    assert_eq!(taken_back, set);
    eventually(PATIENCE, || state.files("dns.json").is_empty().then_some(()));
}

#[test]
fn with_refused_nonces_and_short_lives_certificates_still_come_and_are_renewed() {
    let (here, state) = (own_address(), State::new());
    let life = Duration::from_secs(24);
    let pebble = Pebble::start(here.into(), Ways { nonces_refused: 30, proofs_kept: 30, life, ..Ways::default() });
    let authority = authority(&pebble, Challenge::Http01);
    let orders = ["a", "b", "c"].map(|host| order(&authority, &[&*format!("{host}.example.com")])).to_vec();
    let keeping = Keeping::start(&state.0, &[here], orders);
    expect_issued(&keeping);
    let prints: Vec<_> = keeping.orders.iter().map(|order| order.certificate.current().print).collect();
    eventually(PATIENCE, || {
        let mut all = keeping.orders.iter().zip(&prints);
        all.all(|(order, print)| order.certificate.current().print != *print).then_some(())
    });
}

#[test]
fn two_gateways_on_one_disk_order_once_and_answer_for_each_other() {
    let (here, state) = (own_address(), State::new());
    let pebble = Pebble::start(here.into(), Ways::default());
    let authority = authority(&pebble, Challenge::Http01);
    // the authority reaches the first; the second has nobody to answer for it but the first
    let first = Keeping::start(&state.0, &[here], vec![order(&authority, &["a.example.com"])]);
    expect_issued(&first);
    let hosts = ["b.example.com", "c.example.com"];
    let second = Keeping::start(&state.0, &[], hosts.map(|host| order(&authority, &[host])).to_vec());
    expect_issued(&second);
    // a third finds all of it on disk, and orders nothing
    let third = Keeping::start(
        &state.0,
        &[],
        ["a.example.com", hosts[0], hosts[1]].map(|host| order(&authority, &[host])).to_vec(),
    );
    assert!(third.orders.iter().all(is_issued), "what is on disk is presented at once");
    let prints = |keeping: &Keeping| -> Vec<_> {
        keeping.orders.iter().map(|order| order.certificate.current().print).collect()
    };
    assert_eq!(prints(&third)[1..], prints(&second));
    assert_eq!(prints(&third)[..1], prints(&first));
}

#[test]
fn gateways_that_start_together_on_one_disk_order_once() {
    let (here, state) = (own_address(), State::new());
    let pebble = Pebble::start(here.into(), Ways::default());
    let authority = authority(&pebble, Challenge::Http01);
    let one = Keeping::start(&state.0, &[here], vec![order(&authority, &["a.example.com"])]);
    let other = Keeping::start(&state.0, &[], vec![order(&authority, &["a.example.com"])]);
    expect_issued(&one);
    expect_issued(&other);
    let print = |keeping: &Keeping| keeping.orders[0].certificate.current().print;
    assert_eq!(print(&one), print(&other));
    let meta: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&state.files("meta.json")[0]).unwrap()).unwrap();
    assert_eq!(meta["issued"].as_array().map(Vec::len), Some(1), "{meta}");
}

#[test]
fn a_revoked_certificate_is_replaced_and_the_order_says_what_it_replaces() {
    let (here, state) = (own_address(), State::new());
    let pebble = Pebble::start(here.into(), Ways::default());
    let front = Front::before(&pebble);
    let authority =
        Authority { directory: front.directory().into(), ..(*authority(&pebble, Challenge::Http01)).clone() };
    let keeping = Keeping::start(&state.0, &[here], vec![order(&Arc::new(authority), &["a.example.com"])]);
    expect_issued(&keeping);
    let before = keeping.orders[0].certificate.current();
    // it has asked when to renew, and was told: not soon
    let meta = || std::fs::read_to_string(state.files("meta.json").first()?).ok();
    eventually(PATIENCE, || meta().filter(|meta| meta.contains("2208988800")));
    assert_eq!(keeping.orders[0].certificate.current().print, before.print);

    pebble.revoke(&state.files("account.json")[0], &before.key.cert[0]);
    eventually(PATIENCE, || (keeping.orders[0].certificate.current().print != before.print).then_some(()));
    let id = instant_acme::CertificateIdentifier::try_from(&before.key.cert[0]).unwrap().to_string();
    assert_eq!(front.replaced(), [id]);
}

#[test]
fn an_authority_that_has_forgotten_the_account_gets_a_new_one() {
    let (here, state) = (own_address(), State::new());
    let mut pebble = Pebble::start(here.into(), Ways::default());
    let authority = authority(&pebble, Challenge::Http01);
    let first = Keeping::start(&state.0, &[here], vec![order(&authority, &["a.example.com"])]);
    expect_issued(&first);
    pebble.start_again();
    let second = Keeping::start(&state.0, &[], vec![order(&authority, &["b.example.com"])]);
    expect_issued(&second);
    assert_eq!(state.files("account.json.damaged").len(), 1);
}

#[test]
fn an_authority_may_want_an_account_that_is_bound_to_another() {
    let (here, state) = (own_address(), State::new());
    let pebble = Pebble::start(here.into(), Ways { bound: true, ..Ways::default() });
    let external_account = ExternalAccount::read("key-1", "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s");
    let unbound = authority(&pebble, Challenge::Http01);
    let bound = Authority { external_account, key: KeyType::Rsa, name: "bound".into(), ..(*unbound).clone() };
    let orders = vec![order(&Arc::new(bound), &["a.example.com"]), order(&unbound, &["b.example.com"])];
    let keeping = Keeping::start(&state.0, &[here], orders);
    eventually(PATIENCE, || is_issued(&keeping.orders[0]).then_some(()));
    assert_eq!(keeping.orders[0].certificate.current().key.key.algorithm(), rustls::SignatureAlgorithm::RSA);
    let said = || keeping.board.read().iter().find(|one| *one.authority == *"pebble")?.last_error.clone();
    let said = eventually(PATIENCE, said);
    assert!(said.contains("externalAccountRequired") && said.contains("`external_account`"), "{said}");
}

#[test]
fn an_order_in_flight_is_taken_up_again_and_its_records_are_unset() {
    let state = State::new();
    let pebble = Pebble::start(own_address().into(), Ways { proofs_kept: 0, ..Ways::default() });
    let waiting = Challenge::Dns01 { hook: pebble.hook(), wait: Duration::from_secs(3600) };
    let waiting = authority(&pebble, waiting);
    let first = Keeping::start(&state.0, &[], vec![order(&waiting, &["a.example.com"])]);
    eventually(PATIENCE, || (pebble.hooks().len() == 1).then_some(()));
    // it ends in the midst of the order
    drop(first);
    let url = |path: &Path| -> serde_json::Value { serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap() };
    let in_flight = url(&state.files("order.json")[0]);
    let authority = authority(&pebble, Challenge::Dns01 { hook: pebble.hook(), wait: Duration::ZERO });
    let second = Keeping::start(&state.0, &[], vec![order(&authority, &["a.example.com"])]);
    expect_issued(&second);
    let hooks = eventually(PATIENCE, || Some(pebble.hooks()).filter(|hooks| hooks.len() == 4));
    let words: Vec<&str> = hooks.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(words, ["set", "unset", "set", "unset"], "{hooks:?}");
    assert_eq!(hooks[0], hooks[2], "the same order wants the same record");
    let key = std::fs::read_to_string(&state.files("key.pem")[0]).unwrap();
    assert_eq!(in_flight["key"], *key);
}

#[test]
fn a_record_that_cannot_be_unset_keeps_no_certificate_from_coming() {
    let state = State::new();
    let pebble = Pebble::start(own_address().into(), Ways { proofs_kept: 0, ..Ways::default() });
    let by = |hook: Vec<String>| authority(&pebble, Challenge::Dns01 { hook, wait: Duration::ZERO });
    // a record is remembered as set that never was
    let first = Keeping::start(&state.0, &[], vec![order(&by(vec!["false".to_owned()]), &["a.example.com"])]);
    eventually(PATIENCE, || first.board.read().iter().any(|one| one.last_error.is_some()).then_some(()));
    drop(first);
    let only_sets = "test \"$5\" = set && exec \"$@\"".to_owned();
    let words = ["sh".to_owned(), "-c".to_owned(), only_sets, "hook".to_owned()];
    let hook = words.into_iter().chain(pebble.hook()).collect();
    expect_issued(&Keeping::start(&state.0, &[], vec![order(&by(hook), &["a.example.com"])]));
}

#[test]
fn damaged_files_are_put_aside_and_ordered_anew() {
    let (here, state) = (own_address(), State::new());
    let pebble = Pebble::start(here.into(), Ways::default());
    let authority = authority(&pebble, Challenge::Http01);
    expect_issued(&Keeping::start(&state.0, &[here], vec![order(&authority, &["a.example.com"])]));
    for name in ["chain.pem", "meta.json", "account.json"] {
        std::fs::write(&state.files(name)[0], "{ not what it was").unwrap();
    }
    let keeping = Keeping::start(&state.0, &[here], vec![order(&authority, &["a.example.com"])]);
    assert!(!is_issued(&keeping.orders[0]), "a stand-in is presented");
    expect_issued(&keeping);
    let damaged = |name: &str| state.files(&format!("{name}.damaged")).len();
    assert_eq!(["chain.pem", "key.pem", "meta.json", "account.json"].map(damaged), [1, 1, 1, 1]);
}

#[test]
fn an_authority_that_wants_rest_gets_it() {
    let (here, state) = (own_address(), State::new());
    let pebble = Pebble::start(here.into(), Ways::default());
    let front = Front::before(&pebble);
    front.refuse_orders_for_hours(3);
    let authority =
        Authority { directory: front.directory().into(), ..(*authority(&pebble, Challenge::Http01)).clone() };
    let orders = || vec![order(&Arc::new(authority.clone()), &["a.example.com"])];
    // also from a process that is started anew
    for _ in 0..2 {
        let began = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let keeping = Keeping::start(&state.0, &[here], orders());
        let refused = || keeping.board.read().first().filter(|one| one.last_error.is_some() && !one.busy).cloned();
        let stands = eventually(PATIENCE, refused);
        let said = stands.last_error.unwrap_or_default();
        assert!(said.contains("the authority says rateLimited: too many orders"), "{said}");
        assert!(stands.next_order_at > began + 2 * 3600, "{} s later", stands.next_order_at - began);
        assert_eq!(front.refused(), 1);
    }
}
