//! Reloads of damaged files: a good one is in force, of any other nothing is, and requests get what they got before.

use fastrand::Rng;
use wharf::config::{Purpose, load};
use wharf::explain::{Explainer, Question};

use crate::harness::*;
use crate::mutants::mutate;

const RELOADS: usize = 500;

const MAIN: &str = "threads: 1\ninclude: [routes.yaml]\n";
const ROUTES: &str = include_str!("../mutants/routes.yaml");
const TARGETS: [&str; 6] = ["/", "/ping", "/old/x", "/item/7", "/b/ab/c", "/nothing/here"];

/// What requests get.
fn answers(gateway: &Gateway) -> Vec<(u16, String)> {
    let answer = |target| {
        let response = gateway.get(target);
        let location = response.header("location").unwrap_or_default().to_owned();
        // the gateway's own errors name the request
        let body = if response.status >= 400 { String::new() } else { response.text() };
        (response.status, location + &body)
    };
    TARGETS.into_iter().map(answer).collect()
}

#[test]
fn a_damaged_file_is_taken_whole_or_changes_nothing() {
    let mut rng = Rng::with_seed(7);
    let gateway = Gateway::start_with("routes.yaml", ROUTES, MAIN);
    let file = gateway.folder().join("routes.yaml");
    let fresh = gateway.folder().join("routes.fresh");
    let generation = || gateway.shows("/api/v1/status")["generation"].as_u64().expect("a number");
    let mut before = (generation(), answers(&gateway));
    let (mut taken, mut refused) = (0, 0);
    for n in 0..RELOADS {
        let mutant = mutate(&mut rng, ROUTES, &[]);
        let shown = String::from_utf8_lossy(&mutant).into_owned();
        std::fs::write(&fresh, &mutant).expect("a file");
        std::fs::rename(&fresh, &file).expect("a file");
        let good = load(&gateway.folder().join("gateway.yaml"), Purpose::Run);
        let reply = gateway.order("POST", "/api/v1/reload", "");
        let said = json(&reply);
        let after = (generation(), answers(&gateway));
        match &good {
            Ok(loaded) if reply.status == 200 => {
                taken += 1;
                let explainer = Explainer::new(loaded).expect("an explainer");
                for (target, (status, _)) in TARGETS.iter().zip(&after.1) {
                    let question = Question::get(&format!("http://example.com{target}"));
                    let explained = explainer.explain(&question).expect("an explanation");
                    assert_eq!(explained.status.unwrap_or(*status), *status, "{n}, {target}:\n{shown}");
                }
            }
            Ok(_) => panic!("{n}: a good file is refused: {said}\n{shown}"),
            Err(report) => {
                refused += 1;
                assert!(
                    reply.status != 200 && !said["error"].as_str().unwrap_or_default().is_empty(),
                    "{n}: {said}\n{report}"
                );
                assert_eq!(after, before, "{n}: {said}\n{shown}");
            }
        }
        before = after;
    }
    assert!(taken > RELOADS / 50 && refused > RELOADS / 2, "{taken} taken, {refused} refused");
}
