//! A service that ends well, as the page on replaced containers has it, is replaced without a word to the gateway.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::harness::*;

/// How long the service takes for a request.
const TAKES: Duration = Duration::from_millis(20);

/// Asks and asks, on one connection; why it stopped asking, if nobody told it to.
fn keeps_asking(gateway: &Gateway, method: &str, done: &AtomicBool, answered: &AtomicUsize) -> Option<String> {
    let mut client = gateway.connect();
    while !done.load(Ordering::Acquire) {
        match client.try_ask(&format!("{method} /x HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2\r\n\r\nhi")) {
            Ok(response) if response.status == 200 => {
                answered.fetch_add(1, Ordering::AcqRel);
                if response.says_close() {
                    client = gateway.connect();
                }
            }
            other => return Some(format!("{method}: {other:?}")),
        }
    }
    None
}

#[test]
fn a_service_that_finishes_what_it_has_is_replaced_without_a_failed_request() {
    let origin = Origin::answering(|_| {
        std::thread::sleep(TAKES);
        ok("done")
    });
    // what ends well on TERM is at hand: another gateway
    let mut services = [Gateway::before(&origin, ""), Gateway::before(&origin, "")];
    let passive = "passive: { fail_timeout: 1s }";
    let gateway = Gateway::start(&pool([services[0].address(), services[1].address()], passive));
    let (done, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let failed = std::thread::scope(|scope| {
        let end = Done(&done);
        let clients: Vec<_> = ["GET", "POST", "PUT", "POST"]
            .into_iter()
            .map(|method| scope.spawn(|| keeps_asking(&gateway, method, &done, &answered)))
            .collect();
        for service in &mut services {
            // it serves, it goes, and it is taken back
            let served = |service: &Gateway| service.log_lines().len();
            let before = served(service);
            eventually(PATIENCE, || (served(service) > before + 10).then_some(()));
            service.terminate();
            assert_eq!(service.ended(), Some(0));
            let alone = answered.load(Ordering::Acquire);
            eventually(PATIENCE, || (answered.load(Ordering::Acquire) > alone + 20).then_some(()));
            service.start_again("exec");
            let before = served(service);
            eventually(PATIENCE, || (served(service) > before + 10).then_some(()));
        }
        drop(end);
        clients.into_iter().filter_map(|client| client.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(failed.is_empty(), "{failed:?}");
}
