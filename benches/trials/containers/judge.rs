//! What a trial came to.

use std::time::Duration;

use super::SERVICES;
use super::fleet::Fleet;
use super::phases::Figures;
use super::watch::{LATE, Seen};
use crate::tally::{Failure, Tally, grouped};
use crate::verdict::Verdict;

/// Series of a service beyond those before: ways to fail that were not seen until then.
const WAYS_TO_FAIL: usize = 12;

pub fn judge(figures: &Figures, seen: &Seen, fleet: &Fleet, count: usize, verdict: &mut Verdict) {
    let ms = |times: &[Duration]| times.iter().map(|t| t.as_millis().to_string()).collect::<Vec<_>>().join(" and ");
    verdict.figure(format!(
        "containers: {count} of {SERVICES} services for {:.0} s: {}",
        figures.took.as_secs_f64(),
        fleet.words()
    ));
    verdict.figure(format!(
        "containers: served though dead, paused or stopping for {}; alive and not found for {}; shown with an old name for {}; {} looks, \
         {} ms apart at most",
        seen.dead_served.words(),
        seen.alive_missed.words(),
        seen.wrong_name.words(),
        grouped(seen.looks),
        seen.longest_pause.as_millis()
    ));
    verdict.figure(format!(
        "containers: the socket and then the engine gone: said so after {} ms, sure again {} ms after their return",
        ms(&seen.stale_after),
        ms(&seen.sure_after)
    ));
    let late = [
        (&seen.dead_served, "was served though it did not live any more"),
        (&seen.alive_missed, "lived and was not found"),
        (&seen.wrong_name, "was shown with an old name"),
    ];
    for (delays, what) in late {
        verdict.holds(delays.late.is_empty(), || format!("containers: for over a second {what}: {:?}", delays.late));
    }
    verdict.holds(seen.stale_after.len() == 2 && seen.sure_after.len() == 2, || {
        "containers: it was not said that the engine could not be asked".into()
    });
    verdict.holds(seen.sure_after.iter().all(|after| *after <= LATE), || {
        "containers: the engine was back for over a second, and not asked".into()
    });
    judge_requests(figures, verdict);
    judge_rest(figures, seen, count, verdict);
}

/// Requests may fail where nobody could know better: a response that had begun, a POST, and while the engine could not be asked.
fn judge_requests(figures: &Figures, verdict: &mut Verdict) {
    let sent: u64 = figures.tallies.iter().map(|tally: &std::sync::Arc<Tally>| tally.count(&tally.sent)).sum();
    let failures: Vec<Failure> = figures.tallies.iter().flat_map(|tally| tally.failures()).collect();
    let was_gone =
        |failure: &Failure| figures.gone.iter().any(|(start, end)| failure.ended >= *start && failure.sent <= *end);
    let (gone, others): (Vec<Failure>, Vec<Failure>) = failures.into_iter().partition(was_gone);
    let unbegun = |list: Vec<Failure>| -> Vec<Failure> {
        list.into_iter().filter(|failure| failure.method == "GET" && !failure.begun).collect()
    };
    let strayed = figures.strayed() - figures.strayed_while_gone;
    let words = format!("failed {}, and {} while the engine could not be asked", others.len(), gone.len());
    let (gets, gets_gone) = (unbegun(others), unbegun(gone));
    verdict.figure(format!(
        "containers: {} requests: {words}; of these GETs whose response had not begun {} and {}; answered by another service {strayed} \
         and {}",
        grouped(sent),
        gets.len(),
        gets_gone.len(),
        figures.strayed_while_gone
    ));
    verdict.show(&gets);
    verdict.holds(gets.is_empty(), || format!("containers: {} GETs failed whose response had not begun", gets.len()));
    verdict.holds(strayed == 0, || "containers: a container of another service answered".into());
}

fn judge_rest(figures: &Figures, seen: &Seen, count: usize, verdict: &mut Verdict) {
    let [(before, series_before), (after, series_after)] = &figures.rests[..] else { return };
    verdict.figure(format!(
        "containers: {} before, {} after, {:.1} MiB at most; {series_before} series before, {series_after} after, {} at most, of {} \
         endpoints at most",
        before.words(),
        after.words(),
        seen.rss_kib_most as f64 / 1024.0,
        seen.series_most,
        seen.endpoints_most
    ));
    verdict.holds(seen.endpoints_most <= count, || "containers: series of endpoints are left over".into());
    verdict.holds(*series_after <= series_before + SERVICES * WAYS_TO_FAIL, || "containers: series grow".into());
    verdict.holds(after.in_flight == 0.0, || "containers: requests still count as in flight".into());
    verdict.holds(!after.has_leaked_since(before), || "containers: descriptors are left over".into());
    verdict.holds(!after.has_grown_since(before), || "containers: memory grows".into());
}
