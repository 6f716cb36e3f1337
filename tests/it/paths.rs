//! What guards a path guards every spelling of it.

use crate::harness::*;

/// Spellings of `/admin` and of what lies below it, some of which only a careless reader takes for it.
fn spellings() -> Vec<String> {
    let mut all: Vec<String> = [
        "/admin",
        "/admin/",
        "/admin/secret",
        "/admin?x",
        "/admin/?x=/public",
        "//admin",
        "///admin/secret",
        "/admin//secret",
        "//admin//secret",
        "/./admin",
        "/././admin/secret",
        "/admin/.",
        "/admin/./secret",
        "/x/../admin",
        "/x/../admin/secret",
        "/x/y/../../admin",
        "/../admin",
        "/../../admin/secret",
        "/x/../../admin",
        "/admin/x/..",
        "/admin/../admin",
        "/x/./../admin",
        "/x//../admin",
        "/x//../../admin",
        "/public/..//admin",
        "/%2e/admin",
        "/%2e%2e/admin",
        "/x/%2e%2e/admin",
        "/x/.%2e/admin",
        "/x/%2e./admin",
        "/x/%2E%2E/admin/secret",
        "/x%2f..%2fadmin",
        "/x/..%2fadmin",
        "/x/..%2Fadmin/secret",
        "/%2fadmin",
        "/%2f/admin",
        "/admin%2f",
        "/admin%2fsecret",
        "/admin%2Fsecret",
        "/x%2f%2e%2e%2fadmin",
        "%2fadmin",
        "/\\admin",
        "\\admin",
        "/admin\\",
        "/admin\\secret",
        "/x\\..\\admin",
        "/x/..\\admin",
        "/x\\../admin",
        "/.\\admin",
        "/%5cadmin",
        "/admin%5c",
        "/admin%5csecret",
        "/admin%5Csecret",
        "/x%5c..%5cadmin",
        "/x/..%5cadmin",
        "/%5c%5cadmin",
        "/;/admin",
        "/;x/admin",
        "/admin;",
        "/admin;x=y",
        "/admin;x=y/secret",
        "/admin;/secret",
        "/x/..;/admin",
        "/x/..;a=b/admin/secret",
        "/..;/admin",
        "/.;/admin",
        "/x/;/../admin",
        "/x/%2e%2e;/admin",
        "/x/..%3b/admin",
        "/admin%3b",
        "/admin%3bx/secret",
        "/x;/../admin",
        "/x/.;/../admin",
        "/%61dmin",
        "/%61%64%6d%69%6e",
        "/a%64min/secret",
        "/%61dmin%2fsecret",
        "/adm%69n",
        "/ad%6Din/secret",
        "/admin%00",
        "/admin%00/secret",
        "/admin%00.html",
        "/%00/admin",
        "/admin%20",
        "/admin%09",
        "/admin%0a",
        "/admin%0d%0a",
        "/admin%",
        "/admin%2",
        "/admin%zz",
        "/%2561dmin",
        "/%252fadmin",
        "/x/%252e%252e/admin",
        "/x%252f..%252fadmin",
        "/admin%252fsecret",
        "/admin%255csecret",
        "/x/..%255cadmin",
        "/%c0%afadmin",
        "/x/..%c0%afadmin",
        "/x/%c0%ae%c0%ae/admin",
        "/%c1%a1dmin",
        "/x/%e0%80%ae%e0%80%ae/admin",
        "/x/..%e0%80%afadmin",
        "/%uff0fadmin",
        "/x/..%u2215admin",
        "/ADMIN",
        "/Admin/secret",
        "/aDmIn",
        "http://h/admin",
        "http://h//admin",
        "http://h/x/../admin",
        "http://h/%61dmin",
        "/admin#x",
        "/x#/../admin",
        "/admin/%2e",
        "/admin/x/%2e%2e",
        "/admin/..;/admin/",
        "/./%61dmin/.",
        "/x/%2e%2e%2fadmin",
        "/x/..%2f%61dmin",
        "/x/..//admin",
        "/x/...//../../admin",
    ]
    .map(str::to_owned)
    .to_vec();
    all.sort();
    all.dedup();
    all
}

fn guarded(origin: &Origin) -> Gateway {
    Gateway::start(&format!(
        "upstreams: {{ app: {{ endpoints: [\"{}\"] }} }}\n\
         routes:\n\
         \x20 - {{ name: guard, match: {{ path: /admin/* }}, respond: {{ status: 403, body: denied }} }}\n\
         \x20 - {{ name: rest, match: {{ path: /* }}, upstream: app }}\n",
        origin.address()
    ))
}

#[test]
fn no_spelling_of_a_guarded_path_reaches_the_origin() {
    let origin = Origin::answering(|request| ok(&request.target));
    let gateway = guarded(&origin);
    let spellings = spellings();
    assert!(spellings.len() >= 89, "{}", spellings.len());
    let mut wrong = Vec::new();
    for spelling in &spellings {
        let mut client = gateway.connect();
        client.send(format!("GET {spelling} HTTP/1.1\r\nHost: h\r\n\r\n"));
        match client.try_response("GET", PATIENCE) {
            Ok(response) if matches!(response.status, 400 | 403) => {}
            // Only a spelling that nobody reads as the guarded path may pass, and it must pass as it was sent.
            Ok(response) if response.status == 200 && response.text() == *spelling => {}
            other => wrong.push(format!("{spelling}: {other:?}")),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let seen: Vec<String> = origin.requests().into_iter().map(|r| r.target).collect();
    let bypasses: Vec<_> = seen.iter().filter(|t| readings(t).iter().any(|p| is_below(p, "/admin"))).collect();
    assert!(bypasses.is_empty(), "{} reached the origin: {bypasses:#?}", bypasses.len());
    for plain in ["/admin", "/admin/", "/admin/secret", "/admin?x"] {
        assert_eq!(gateway.get(plain).status, 403, "{plain}");
    }
}

#[test]
fn neighbours_of_a_guarded_path_pass_as_sent() {
    let origin = Origin::answering(|request| ok(&request.target));
    let gateway = guarded(&origin);
    for target in [
        "/",
        "/administrator",
        "/x/admin",
        "/admi",
        "/user;v=1/x",
        "/a%20b",
        "/a//b",
        "/a/./b",
        "/caf%C3%A9",
        "/x?y=/admin",
        "/a%2fb",
    ] {
        let response = gateway.get(target);
        assert_eq!((response.status, response.text().as_str()), (200, target));
    }
}
