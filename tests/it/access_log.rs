//! The access log that moves while the gateway serves.

use crate::harness::*;

fn logging_to(output: &str) -> String {
    format!(
        "observability: {{ access_log: {{ output: {output} }} }}\n\
         routes:\n  - {{ match: {{ path: /* }}, respond: {{ status: 200, body: \"{}\" }} }}\n",
        output.rsplit('/').next().unwrap_or_default()
    )
}

/// The paths logged in a file of the gateway's folder.
fn logged(gateway: &Gateway, file: &str) -> Vec<String> {
    let text = std::fs::read_to_string(gateway.folder().join(file)).unwrap_or_default();
    let path = |line| serde_json::from_str::<serde_json::Value>(line).unwrap()["path"].as_str().unwrap().to_owned();
    text.lines().map(path).collect()
}

#[test]
fn a_reload_moves_the_access_log_switches_it_off_and_on_and_no_worker_is_left_behind() {
    let gateway = Gateway::start(&format!("threads: 2\n{}", logging_to("FOLDER/a.log")));
    // kept connections, over both workers: each of them must follow
    let mut clients: Vec<Client> = (0..16).map(|_| gateway.connect()).collect();
    for (round, output) in ["a.log", "b.log", "none", "a.log", "stdout"].into_iter().enumerate() {
        if round > 0 {
            let place = if output.contains('.') { format!("FOLDER/{output}") } else { output.to_owned() };
            gateway.rewrite(&format!("threads: 2\n{}", logging_to(&place)));
            gateway.hup();
        }
        for (n, client) in clients.iter_mut().enumerate() {
            eventually(PATIENCE, || (client.get("/wait").text() == output).then_some(()));
            client.get(&format!("/{round}/{n}"));
        }
    }
    let expect = |file: &str, rounds: &[usize]| {
        let mut wanted: Vec<String> = rounds.iter().flat_map(|r| (0..16).map(move |n| format!("/{r}/{n}"))).collect();
        wanted.sort();
        eventually(PATIENCE, || {
            let mut paths = logged(&gateway, file);
            paths.retain(|path| path != "/wait");
            paths.sort();
            (paths == wanted).then_some(())
        });
    };
    expect("a.log", &[0, 3]);
    expect("b.log", &[1]);
    expect("stdout", &[4]);
}

#[test]
fn an_access_log_that_cannot_be_opened_refuses_the_reload() {
    let gateway = Gateway::start(&logging_to("FOLDER/a.log"));
    gateway.rewrite(&logging_to("FOLDER/missing/b.log"));
    gateway.hup();
    gateway.expect_metric("config_last_reload_successful", 0.0);
    let said =
        eventually(PATIENCE, || Some(gateway.stderr()).filter(|said| said.contains("cannot open the access log")));
    assert!(said.contains("missing/b.log"), "{said}");
    assert!(said.contains("hint: `observability.access_log.output`"), "{said}");
    assert_eq!(gateway.get("/still").text(), "a.log");
    eventually(PATIENCE, || logged(&gateway, "a.log").contains(&"/still".to_owned()).then_some(()));
}

#[test]
fn a_file_that_was_rotated_is_opened_anew_also_after_a_move() {
    let gateway = Gateway::start(&logging_to("none"));
    gateway.rewrite(&logging_to("FOLDER/a.log"));
    gateway.hup();
    eventually(PATIENCE, || (gateway.get("/").text() == "a.log").then_some(()));
    let file = gateway.folder().join("a.log");
    std::fs::rename(&file, gateway.folder().join("old.log")).unwrap();
    gateway.rotate();
    eventually(PATIENCE, || file.exists().then_some(()));
    gateway.get("/after");
    eventually(PATIENCE, || logged(&gateway, "a.log").contains(&"/after".to_owned()).then_some(()));
}
