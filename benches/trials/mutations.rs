//! Trial: damaged configurations. None makes the reader panic or take long; a running gateway takes one whole or not at all.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use fastrand::Rng;
use wharf::config::{Bundle, Purpose, load, review_all};

use crate::arguments::Arguments;
use crate::gateway::Gateway;
use crate::mutants::mutate;
use crate::place::Place;
use crate::probe::{self, Probe};
use crate::tally::grouped;
use crate::verdict::Verdict;

const MUTANTS: u64 = 100_000;
const RELOADS: u64 = 10_000;

/// What the mutated file of the running gateway is included by.
const ROUTES: &str = include_str!("../../tests/mutants/routes.yaml");
const TARGETS: [&str; 6] = ["/", "/ping", "/old/x", "/item/7", "/b/ab/c", "/nothing/here"];

/// No document of a few kilobytes may take longer to read, also where the machine is busy.
const PATIENCE: Duration = Duration::from_secs(2);

pub fn run(program: &Path, arguments: &Arguments, verdict: &mut Verdict) -> io::Result<()> {
    read(arguments.mutants.unwrap_or(MUTANTS), verdict)?;
    reload(program, arguments, verdict)
}

/// The documents of the tests.
fn bundles() -> io::Result<Vec<Bundle>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/valid");
    let mut paths: Vec<_> =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>()?;
    paths.sort();
    let one = |path: &Path| fs::read_to_string(path).map(|text| Bundle::one("gateway.yaml", &text));
    paths.iter().filter(|path| path.is_file()).map(|path| one(path)).collect()
}

fn read(mutants: u64, verdict: &mut Verdict) -> io::Result<()> {
    let bundles = bundles()?;
    let texts: Vec<String> = bundles.iter().flat_map(|bundle| bundle.files.values().cloned()).collect();
    let mut rng = Rng::with_seed(2);
    let (mut good, mut slowest) = (0, Duration::ZERO);
    let start = Instant::now();
    for _ in 0..mutants {
        let original = &texts[rng.usize(..texts.len())];
        let text = mutate(&mut rng, original, &texts);
        let bundle = Bundle {
            main: "m".into(),
            files: BTreeMap::from([("m".into(), String::from_utf8_lossy(&text).into_owned())]),
        };
        let begun = Instant::now();
        let judged = catch_unwind(AssertUnwindSafe(|| {
            let (document, report) = review_all(&bundle, &|_| None);
            let _ = report.to_string();
            (document.is_some(), report.has_errors())
        }));
        slowest = slowest.max(begun.elapsed());
        verdict.holds(judged.is_ok(), || format!("a panic over\n{}", bundle.files["m"]));
        let (is_good, has_errors) = judged.unwrap_or((true, false));
        verdict.holds(is_good != has_errors, || format!("neither good nor refused:\n{}", bundle.files["m"]));
        good += u64::from(is_good);
    }
    verdict.figure(format!(
        "mutations: {} documents read in {:.1} s, {} of them good; the slowest took {:.1} ms",
        grouped(mutants),
        start.elapsed().as_secs_f64(),
        grouped(good),
        slowest.as_secs_f64() * 1e3
    ));
    verdict.holds(slowest < PATIENCE, || format!("a document took {slowest:?}"));
    Ok(())
}

fn reload(program: &Path, arguments: &Arguments, verdict: &mut Verdict) -> io::Result<()> {
    let place = Place::new("mutations", arguments.keep)?;
    let file = place.configuration("routes.yaml");
    let fresh = place.configuration("routes.yaml.new");
    fs::write(&file, ROUTES)?;
    let main = format!(
        "version: 1\ninclude: [routes.yaml]\nlisteners: {{ web: {{ address: \"{}\" }} }}\nadmin: {{ address: \"{}\" }}\n{}\n",
        place.listener(0),
        place.admin(),
        arguments.access_log()
    );
    let gateway = Gateway::start(program, &place, &main)?;
    let mut rng = Rng::with_seed(3);
    let (mut taken, mut refused) = (0, 0);
    let mut before = (generation(&place)?, answers(&place)?);
    let start = Instant::now();
    for _ in 0..arguments.reloads.unwrap_or(RELOADS) {
        let mutant = mutate(&mut rng, ROUTES, &[]);
        fs::write(&fresh, &mutant)?;
        fs::rename(&fresh, &file)?;
        let good = load(&gateway.file, Purpose::Run).is_ok();
        let mut admin = Probe::connect(place.admin())?;
        admin.send(&format!(
            "POST /api/v1/reload HTTP/1.1\r\nHost: {}\r\nX-Wharf: 1\r\nContent-Length: 0\r\n\r\n",
            place.admin()
        ))?;
        let reply = admin.reply()?;
        let after = (generation(&place)?, answers(&place)?);
        let shown = || String::from_utf8_lossy(&mutant).into_owned();
        verdict.holds(good == (reply.status == 200), || {
            format!("good: {good}, answered {} {}:\n{}", reply.status, reply.body, shown())
        });
        if reply.status == 200 {
            taken += 1;
        } else {
            refused += 1;
            verdict.holds(after == before, || format!("refused, and yet {before:?} became {after:?}:\n{}", shown()));
        }
        before = after;
    }
    verdict.figure(format!(
        "mutations: {} reloads in {:.1} s, {} taken and {} refused, with the answers of {} requests looked at after each",
        grouped(taken + refused),
        start.elapsed().as_secs_f64(),
        grouped(taken),
        grouped(refused),
        TARGETS.len()
    ));
    let panics = probe::metric(place.admin(), "wharf_panics_total")?;
    verdict.holds(panics == 0.0, || format!("{panics} panics\n{}", gateway.last_words()));
    Ok(())
}

fn generation(place: &Place) -> io::Result<u64> {
    let status: serde_json::Value = serde_json::from_str(&probe::get(place.admin(), "/api/v1/status")?.body)?;
    status["generation"].as_u64().ok_or_else(|| io::Error::other("no generation"))
}

/// What requests get; errors name the request, so only their status.
fn answers(place: &Place) -> io::Result<Vec<(u16, String)>> {
    let mut client = Probe::connect(place.listener(0))?;
    let answer = |target: &&str| {
        let reply = client.get(target)?;
        Ok((reply.status, if reply.status >= 400 { String::new() } else { reply.body }))
    };
    TARGETS.iter().map(answer).collect()
}
