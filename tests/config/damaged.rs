//! Damaged documents: thousands of random changes of good ones are read or refused, each within a bound of work, none by a panic.

use super::mutants::mutate;
use super::{bundle, documents, environment};
use fastrand::Rng;
use std::panic::{AssertUnwindSafe, catch_unwind};
use wharf::config::{Bundle, review_all};

/// `cargo bench --profile load --bench trials -- mutations` tries many more.
const MUTANTS: usize = 5_000;

#[test]
fn no_damage_makes_the_reader_panic_or_forget_to_say_what_is_wrong() {
    let mut rng = Rng::with_seed(1);
    let bundles: Vec<Bundle> = documents("valid").iter().map(|path| bundle(path)).collect();
    let texts: Vec<String> = bundles.iter().flat_map(|bundle| bundle.files.values().cloned()).collect();
    let (mut good, mut longest) = (0, 0);
    for _ in 0..MUTANTS {
        let mut bundle = bundles[rng.usize(..bundles.len())].clone();
        let at = rng.usize(..bundle.files.len());
        let text = bundle.files.values_mut().nth(at).expect("a file");
        *text = String::from_utf8_lossy(&mutate(&mut rng, text, &texts)).into_owned();
        let judged = catch_unwind(AssertUnwindSafe(|| {
            let (document, report) = review_all(&bundle, &environment);
            assert!(document.is_some() != report.has_errors(), "neither a document nor an error, or both");
            for diagnostic in &report.diagnostics {
                for at in std::iter::once(diagnostic.at).chain(diagnostic.others.iter().map(|(at, _)| *at)) {
                    let file = report.file(at).expect("a place in a file");
                    assert!(at.start as usize <= file.text.len(), "a place beyond the end");
                }
            }
            (document.is_some(), report.to_string().len())
        }));
        let (is_good, length) = judged.unwrap_or_else(|_| panic!("of {}:\n{:?}", bundle.main, bundle.files));
        good += usize::from(is_good);
        longest = longest.max(length);
    }
    assert!(
        good > MUTANTS / 50 && good < MUTANTS / 2,
        "{good} of {MUTANTS} are good: the damage is not what it should be"
    );
    assert!(longest < 200_000, "{longest} bytes to say what is wrong");
}
