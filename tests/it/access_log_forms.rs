//! The forms of the access log's lines, as a gateway that serves writes them.

use crate::harness::*;

/// A gateway's configuration whose log has this form, and whose answers say which one.
fn logging_as(format: &str, name: &str) -> String {
    format!(
        "observability: {{ access_log: {{ format: '{format}', output: FOLDER/a.log }} }}\n\
         routes:\n  - {{ match: {{ path: /* }}, respond: {{ status: 200, body: {name} }} }}\n"
    )
}

/// The log's bytes once that many lines are there.
fn lines(gateway: &Gateway, count: usize) -> Vec<String> {
    let text = eventually(PATIENCE, || {
        let bytes = std::fs::read(gateway.folder().join("a.log")).unwrap_or_default();
        (bytes.iter().filter(|byte| **byte == b'\n').count() >= count).then_some(bytes)
    });
    let text = String::from_utf8(text).expect("lines are text");
    assert!(text.ends_with('\n'), "{text}");
    text.lines().map(str::to_owned).collect()
}

fn request(target: &[u8], agent: &[u8], referer: &[u8]) -> Vec<u8> {
    let parts: [&[u8]; 7] = [
        b"GET ",
        target,
        b" HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: ",
        agent,
        b"\r\nReferer: ",
        referer,
        b"\r\nConnection: close\r\n\r\n",
    ];
    parts.concat()
}

/// Whether digits and signs stand where they do in the model.
fn looks_like(text: &str, model: &str) -> bool {
    let class = |b: u8| if b.is_ascii_digit() { b'0' } else { b };
    text.len() == model.len() && text.bytes().zip(model.bytes()).all(|(a, b)| class(a) == class(b))
}

#[test]
fn combined_is_the_line_that_programs_for_nginx_read() {
    let gateway = Gateway::start(&logging_as("combined", "pong"));
    gateway.ask(request(b"/a?x=1&token=hunter2", b"curl/8.1", b"https://me:pw@shop.example/?api_key=hunter2"));
    // each worker writes its lines when it next sleeps: the second one could be there first
    lines(&gateway, 1);
    gateway.ask("GET /b HTTP/1.0\r\n\r\n");
    let lines = lines(&gateway, 2);
    let [first, second] = &lines[..] else { panic!("{lines:?}") };
    let (start, rest) = first.split_once("] ").expect("a time");
    let (who, time) = start.split_once('[').expect("a time");
    assert_eq!(who, "127.0.0.1 - - ");
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months.into_iter().find(|month| time.get(3..6) == Some(month)).expect("a month");
    assert!(looks_like(time, &format!("02/{month}/2006:15:04:05 +0000")), "{time}");
    assert_eq!(rest, "\"GET /a?x=1&token=*** HTTP/1.1\" 200 4 \"https://shop.example/?api_key=***\" \"curl/8.1\"");
    assert!(second.ends_with("] \"GET /b HTTP/1.0\" 200 4 \"-\" \"-\""), "{second}");
}

#[test]
fn a_template_says_what_it_was_asked_for() {
    let origin = Origin::named("app");
    let gateway = Gateway::before(
        &origin,
        "observability: { access_log: { output: FOLDER/a.log, format: \
         '{client_ip} {method} {host} \"{path}\" {status}\t{upstream} {endpoint} {attempts} {reason} {{{protocol}}}' } }\n",
    );
    gateway.ask(request(b"/a?password=hunter2", b"x", b""));
    let endpoint = origin.address();
    let expected = format!("127.0.0.1 GET shop.example \"/a?password=***\" 200\tapp {endpoint} 1 - {{HTTP/1.1}}");
    assert_eq!(lines(&gateway, 1), [expected]);
}

#[test]
fn whatever_a_client_sends_is_one_line_and_stays_within_its_quotes() {
    let hostile: [&[u8]; 9] = [
        b"\" 200 0 \"-\" \"forged",
        b"back\\slash\\",
        b"\x1b[2J\x1b[31mred",
        b"\x00\x07\x7f",
        b"\xff\xfe\x80",
        "\u{85}\u{2028}\u{202e}".as_bytes(),
        b"a\nb: c",
        b"a\r\n 1.2.3.4 - - [x]",
        b"{status}$status%n\\n",
    ];
    let template = "{{ \"{method}\" \"{path}\" \"{referer}\" \"{user_agent}\" \"{host}\" \"{reason}\" }}";
    for (format, quotes) in [("combined", 6), (template, 12)] {
        let gateway = Gateway::start(&logging_as(format, "pong"));
        let mut asked = 0;
        for odd in hostile {
            let target = [b"/p?q=", odd].concat();
            for request in [request(b"/p", odd, b"r"), request(b"/p", b"u", odd), request(&target, b"u", b"r")] {
                let mut client = gateway.connect();
                client.send(&request);
                // some are refused; either way it is one request, and one line
                let _ = client.rest(PATIENCE);
                asked += 1;
            }
        }
        gateway.get("/last");
        let lines = lines(&gateway, asked + 1);
        assert_eq!(lines.len(), asked + 1, "{lines:#?}");
        for line in lines {
            assert!(line.bytes().all(|b| (b' '..=b'~').contains(&b)), "{line}");
            assert_eq!(line.matches('"').count(), quotes, "{line}");
            assert_eq!(line.ends_with('}'), format == template, "{line}");
        }
    }
}

#[test]
fn a_reload_changes_the_form_of_the_lines_after_it_and_none_is_lost_or_torn() {
    let forms = [("json", "one"), ("{path} {status}", "two"), ("combined", "three"), ("json", "four")];
    let document = |(format, name)| format!("threads: 2\n{}", logging_as(format, name));
    let gateway = Gateway::start(&document(forms[0]));
    // kept connections, over both workers: each of them must follow
    let mut clients: Vec<Client> = (0..16).map(|_| gateway.connect()).collect();
    for (round, form) in forms.into_iter().enumerate() {
        if round > 0 {
            gateway.rewrite(&document(form));
            gateway.hup();
        }
        for (n, client) in clients.iter_mut().enumerate() {
            eventually(PATIENCE, || (client.get("/wait").text() == form.1).then_some(()));
            client.get(&format!("/round-{round}/{n}/"));
        }
    }
    let wanted = |line: &str, round: usize| match round {
        1 => looks_like(
            line,
            &format!("/round-1/{}/ 200", if line.len() == "/round-1/0/ 200".len() { "0" } else { "00" }),
        ),
        2 => line.contains("] \"GET /round-2/") && line.ends_with(" HTTP/1.1\" 200 5 \"-\" \"-\""),
        _ => line.starts_with("{\"ts\":\"") && line.ends_with("}"),
    };
    for round in 0..forms.len() {
        let found = eventually(PATIENCE, || {
            let text = std::fs::read_to_string(gateway.folder().join("a.log")).unwrap_or_default();
            let of_round = |line: &&str| line.contains(&format!("/round-{round}/"));
            let found: Vec<String> = text.lines().filter(of_round).map(str::to_owned).collect();
            (found.len() >= clients.len()).then_some(found)
        });
        assert_eq!(found.len(), clients.len(), "{found:#?}");
        assert!(found.iter().all(|line| wanted(line, round)), "{found:#?}");
    }
}
