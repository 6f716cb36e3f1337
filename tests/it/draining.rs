//! Taking endpoints out and back, by the API and by `wharf drain`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::harness::json as json_of;
use crate::harness::*;

/// Answers `/wait` once the gate opens, everything else at once, with its name.
fn gated(name: &'static str, gate: &Arc<AtomicBool>) -> Origin {
    let gate = gate.clone();
    Origin::answering(move |request| {
        while request.target == "/wait" && !gate.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(5));
        }
        ok(name)
    })
}

fn path(origin: &Origin) -> String {
    format!("/api/v1/upstreams/app/endpoints/{}", origin.address())
}

#[test]
fn a_drained_endpoint_gets_no_request_until_it_is_taken_back() {
    let (a, b) = (Origin::named("a"), Origin::named("b"));
    let gateway = Gateway::before_all(&[a.address(), b.address()], "");
    let answers = || -> Vec<String> { (0..10).map(|_| gateway.get("/").text()).collect() };
    assert!(answers().contains(&"a".to_owned()));
    let drained = gateway.order("PUT", &path(&a), "{\"state\": \"drained\"}");
    assert_eq!(drained.status, 200, "{drained:?}");
    assert_eq!(
        json_of(&drained),
        json!({"upstream": "app", "endpoints": [
            {"address": a.address().to_string(), "state": "drained", "in_flight": 0, "fails": 0, "weight": 1, "backup": false}
        ]})
    );
    assert_eq!(answers(), ["b"; 10]);
    assert_eq!(gateway.states(), ["drained 0", "up 0"]);
    // a reload that keeps it keeps that
    gateway.rewrite(&format!(
        "upstreams: {{ app: {{ endpoints: [\"{}\", \"{}\"] }} }}\nroutes: [{{ name: other, match: {{ path: /* }}, upstream: app }}]\n",
        a.address(),
        b.address()
    ));
    assert_eq!(gateway.order("POST", "/api/v1/reload", "").status, 200);
    assert_eq!(gateway.states(), ["drained 0", "up 0"]);
    assert_eq!(answers(), ["b"; 10]);
    assert_eq!(gateway.order("PUT", &path(&a), "{\"state\": \"up\"}").status, 200);
    assert_eq!(gateway.states(), ["up 0", "up 0"]);
    assert!(answers().contains(&"a".to_owned()));
}

#[test]
fn one_address_of_a_name_is_drained_alone_and_the_name_with_all_of_them() {
    let Some(server) = NameServer::start() else { return };
    server.at("app.test", &["127.0.0.1".parse().unwrap(), "127.0.0.2".parse().unwrap()], 60);
    let gateway = server.gateway(&pool(["app.test:1", "127.0.0.1:2"], ""));
    let one =
        json_of(&gateway.order("PUT", "/api/v1/upstreams/app/endpoints/127.0.0.1%3A1", "{\"state\": \"drained\"}"));
    assert_eq!(
        (&one["endpoints"][0]["address"], &one["endpoints"][0]["at"]),
        (&json!("app.test:1"), &json!("127.0.0.1:1"))
    );
    assert_eq!(one["endpoints"].as_array().map(Vec::len), Some(1));
    assert_eq!(gateway.states(), ["drained 0", "up 0", "up 0"]);
    let name = "/api/v1/upstreams/app/endpoints/app.test:1";
    assert_eq!(json_of(&gateway.order("PUT", name, "{\"state\": \"up\"}"))["endpoints"][0]["state"], "up");
    let all = json_of(&gateway.order("PUT", name, "{\"state\": \"drained\"}"));
    assert!(all["endpoints"].as_array().unwrap().iter().all(|e| e["state"] == "drained"), "{all}");
    assert_eq!(gateway.states().last().map(String::as_str), Some("up 0"));
}

#[test]
fn what_does_not_exist_cannot_be_drained() {
    let origin = Origin::named("o");
    let gateway = Gateway::before(&origin, "");
    let refused = gateway.order("PUT", "/api/v1/upstreams/ap/endpoints/a:1", "{\"state\": \"drained\"}");
    assert_eq!((refused.status, json_of(&refused)["hint"].as_str()), (404, Some("did you mean `app`?")));
    let refused = gateway.order("PUT", "/api/v1/upstreams/app/endpoints/a:1", "{\"state\": \"drained\"}");
    assert_eq!(refused.status, 404);
    assert_eq!(gateway.states(), ["up 0"]);
}

#[test]
fn draining_under_load_fails_no_request() {
    let counts = [Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0))];
    let origins = counts.clone().map(|count| {
        Origin::answering(move |_| {
            count.fetch_add(1, Ordering::AcqRel);
            ok("o")
        })
    });
    let gateway = Gateway::before_all(&[origins[0].address(), origins[1].address()], "");
    let stop = AtomicBool::new(false);
    let (statuses, after) = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..8)
            .map(|n| {
                let (gateway, stop) = (&gateway, &stop);
                scope.spawn(move || {
                    let mut client = gateway.connect();
                    let mut seen = Vec::new();
                    while !stop.load(Ordering::Acquire) {
                        let request = match n % 2 {
                            0 => "GET / HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
                            _ => "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi".to_owned(),
                        };
                        let response = client.ask(request);
                        seen.push(response.status);
                        if response.says_close() {
                            client = gateway.connect();
                        }
                    }
                    seen
                })
            })
            .collect();
        let mut after = Vec::new();
        let count = |n: usize| counts[n].load(Ordering::Acquire);
        for (drained, other) in [(0, 1), (1, 0), (0, 1), (1, 0)] {
            let address = origins[drained].address().to_string();
            let said = gateway.wharf(&["drain", "app", &address, "--wait"]);
            assert_eq!(said.exit, 0, "{said:?}");
            // a hundred requests later
            let (here, there) = (count(drained), count(other));
            eventually(PATIENCE, || (count(other) > there + 100).then_some(()));
            after.push((here, count(drained)));
            assert_eq!(gateway.wharf(&["undrain", "app", &address]).exit, 0);
            eventually(PATIENCE, || (count(drained) > here).then_some(()));
        }
        stop.store(true, Ordering::Release);
        let statuses: Vec<u16> = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
        (statuses, after)
    });
    assert!(statuses.len() > 100 && statuses.iter().all(|status| *status == 200), "{} requests", statuses.len());
    for (before, after) in after {
        assert_eq!(before, after, "a drained endpoint got a request");
    }
}

#[test]
fn waiting_ends_when_the_last_request_does() {
    let gate = Arc::new(AtomicBool::new(false));
    let (a, b) = (gated("a", &gate), gated("b", &gate));
    let gateway = Gateway::before_all(&[a.address(), b.address()], "");
    // one request is held at each
    let mut clients = [gateway.connect(), gateway.connect()];
    for (n, client) in clients.iter_mut().enumerate() {
        client.send("GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
        let held = || (a.requests().len() + b.requests().len() > n).then_some(());
        eventually(PATIENCE, held);
    }
    assert_eq!(gateway.states(), ["up 1", "up 1"]);
    let address = a.address().to_string();
    let at_once = gateway.wharf(&["drain", "app", &address]);
    assert_eq!((at_once.exit, at_once.out), (0, format!("{address} of app is draining, 1 request in flight\n")));
    let impatient = gateway.wharf(&["drain", "app", &address, "--wait", "--timeout", "150ms"]);
    assert_eq!((impatient.exit, impatient.out.as_str()), (1, ""), "{impatient:?}");
    assert_eq!(
        impatient.err,
        "1 request in flight\nerror: after 150ms 1 request is still in flight there\n\
         hint: it stays drained; wait longer with `--timeout`, or take it back with `wharf undrain`\n"
    );
    let mut waiting = gateway.start_wharf(&["drain", "app", &address, "--wait"]);
    // it has said so, and has not ended
    let mut first = [0; 19];
    std::io::Read::read_exact(waiting.stderr.as_mut().unwrap(), &mut first).unwrap();
    assert_eq!(&first, b"1 request in flight");
    assert!(waiting.try_wait().unwrap().is_none());
    assert_eq!(gateway.states(), ["draining 1", "up 1"]);
    gate.store(true, Ordering::Release);
    let ended = gateway.ended_wharf(waiting);
    assert_eq!((ended.exit, ended.out), (0, format!("{address} of app is drained\n")));
    for client in &mut clients {
        assert_eq!(client.response().status, 200);
    }
    let back = gateway.wharf(&["undrain", "app", &address]);
    assert_eq!((back.exit, back.out), (0, format!("{address} of app is up\n")));
}
