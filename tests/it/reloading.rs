//! The file changes, in all the ways in which files are changed, and what is served follows.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::harness::*;

/// A gateway's configuration that answers everything with `body`.
fn answering(body: &str) -> String {
    format!("routes: [{{ match: {{ path: /* }}, respond: {{ body: {body} }} }}]\n")
}

/// Waits until everything is answered with `body`.
#[track_caller]
fn expect(gateway: &Gateway, body: &str) {
    eventually(PATIENCE, || (gateway.get("/").text() == body).then_some(()));
}

/// Replaces a symlink in one step.
fn relink(link: &Path, target: &str) {
    let fresh = link.with_file_name("fresh-link");
    symlink(target, &fresh).unwrap();
    fs::rename(fresh, link).unwrap();
}

#[test]
fn a_file_written_in_place_renamed_over_or_made_anew_is_noticed() {
    let gateway = Gateway::start(&answering("start"));
    let file = gateway.folder().join("gateway.yaml");
    let mut away = Duration::ZERO;
    for round in 0..3 {
        fs::write(&file, gateway.complete(&answering(&format!("written{round}")))).unwrap();
        expect(&gateway, &format!("written{round}"));
        gateway.rewrite(&answering(&format!("renamed{round}")));
        expect(&gateway, &format!("renamed{round}"));
        let anew = gateway.complete(&answering(&format!("anew{round}")));
        let start = Instant::now();
        fs::remove_file(&file).unwrap();
        fs::write(&file, anew).unwrap();
        away = away.max(start.elapsed());
        expect(&gateway, &format!("anew{round}"));
    }
    gateway.expect_counts(&[("config_reloads_total{result=\"success\"}", 9.0)]);
    // a file that is away for half a second is gone: on a machine that stood still so long nothing can be said
    assert!(gateway.reloads("failure") == 0.0 || away > Duration::from_millis(400), "{}", gateway.stderr());
}

#[test]
fn a_file_replaced_as_editors_do_is_reloaded_once() {
    let gateway = Gateway::start(&answering("start"));
    let folder = gateway.folder();
    // a swap file, a backup, a rename over
    fs::write(folder.join(".gateway.yaml.swp"), "noise").unwrap();
    fs::copy(folder.join("gateway.yaml"), folder.join("gateway.yaml~")).unwrap();
    gateway.rewrite(&answering("edited"));
    fs::remove_file(folder.join(".gateway.yaml.swp")).unwrap();
    expect(&gateway, "edited");
    gateway.rewrite(&answering("again"));
    expect(&gateway, "again");
    gateway.expect_reloads(2.0, 0.0);
}

#[test]
fn a_symlink_is_followed_wherever_it_stands_on_the_way() {
    let gateway = Gateway::start_under(
        "mkdir -p a/x b/x; mv gateway.yaml a/x/real.yaml; cp a/x/real.yaml b/x; ln -s a dir; ln -s dir/x/real.yaml gateway.yaml; exec",
        &answering("start"),
    );
    let folder = gateway.folder();
    fs::write(folder.join("b/x/real.yaml"), gateway.complete(&answering("other_directory"))).unwrap();
    relink(&folder.join("dir"), "b");
    expect(&gateway, "other_directory");
    // what the link leads to now is watched
    fs::write(folder.join("b/x/real.yaml"), gateway.complete(&answering("in_place"))).unwrap();
    expect(&gateway, "in_place");
    fs::write(folder.join("c.yaml"), gateway.complete(&answering("other_file"))).unwrap();
    relink(&folder.join("gateway.yaml"), "c.yaml");
    expect(&gateway, "other_file");
    gateway.expect_reloads(3.0, 0.0);
}

#[test]
fn a_directory_that_is_replaced_as_a_whole_is_noticed() {
    let gateway =
        Gateway::start_under("mkdir conf; mv gateway.yaml conf; ln -s conf/gateway.yaml; exec", &answering("start"));
    let folder = gateway.folder();
    for round in 0..3 {
        fs::create_dir(folder.join("fresh")).unwrap();
        fs::write(folder.join("fresh/gateway.yaml"), gateway.complete(&answering(&format!("round{round}")))).unwrap();
        fs::rename(folder.join("conf"), folder.join("old")).unwrap();
        fs::rename(folder.join("fresh"), folder.join("conf")).unwrap();
        expect(&gateway, &format!("round{round}"));
        fs::remove_dir_all(folder.join("old")).unwrap();
    }
    fs::remove_dir_all(folder.join("conf")).unwrap();
    fs::create_dir(folder.join("conf")).unwrap();
    fs::write(folder.join("conf/gateway.yaml"), gateway.complete(&answering("anew"))).unwrap();
    expect(&gateway, "anew");
}

#[test]
fn a_change_that_the_kernel_does_not_tell_is_found() {
    // the directory that is watched hears nothing of what is written through another one
    let gateway = Gateway::start_under("mkdir other; ln gateway.yaml other/link; exec", &answering("start"));
    for round in 0..3 {
        let text = gateway.complete(&answering(&format!("round{round}")));
        fs::write(gateway.folder().join("other/link"), text).unwrap();
        expect(&gateway, &format!("round{round}"));
    }
}

#[test]
fn a_hundred_swaps_of_a_config_map_are_each_noticed() {
    let gateway = Gateway::start_under(
        "mkdir ..v0; mv gateway.yaml ..v0; ln -s ..v0 ..data; ln -s ..data/gateway.yaml gateway.yaml; exec",
        &answering("v0"),
    );
    let folder = gateway.folder();
    for version in 1..=100 {
        let directory = folder.join(format!("..v{version}"));
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("gateway.yaml"), gateway.complete(&answering(&format!("v{version}")))).unwrap();
        relink(&folder.join("..data"), &format!("..v{version}"));
        fs::remove_dir_all(folder.join(format!("..v{}", version - 1))).unwrap();
        expect(&gateway, &format!("v{version}"));
    }
    gateway.expect_reloads(100.0, 0.0);
}

#[test]
fn a_file_that_was_touched_is_not_reloaded() {
    let gateway = Gateway::start(&answering("start"));
    let file = gateway.folder().join("gateway.yaml");
    for _ in 0..3 {
        let same = fs::read(&file).unwrap();
        // not emptied first: that would be a change, for whoever reads it in that moment
        fs::OpenOptions::new().write(true).open(&file).unwrap().write_all(&same).unwrap();
        gateway.rewrite(&answering("start"));
    }
    // a change after them has been through the same queue
    gateway.rewrite(&answering("changed"));
    expect(&gateway, "changed");
    gateway.expect_reloads(1.0, 0.0);
}

#[test]
fn a_file_that_is_gone_or_no_file_leaves_the_table_and_is_said_once() {
    let gateway = Gateway::start(&answering("start"));
    let file = gateway.folder().join("gateway.yaml");
    let mut complaints = 0.0;
    for strange in ["true", "mkdir gateway.yaml", "mkfifo gateway.yaml", "ln -s nowhere gateway.yaml"] {
        fs::remove_file(&file).unwrap();
        let made = Command::new("sh").arg("-c").arg(strange).current_dir(gateway.folder()).status();
        assert!(made.unwrap().success());
        complaints += 1.0;
        eventually(PATIENCE, || (gateway.reloads("failure") == complaints).then_some(()));
        gateway.expect_metric("config_last_reload_successful", 0.0);
        assert_eq!(gateway.get("/").text(), "start");
        // longer than several looks at the file
        std::thread::sleep(Duration::from_millis(1200));
        assert_eq!(gateway.reloads("failure"), complaints, "{strange}: {}", gateway.stderr());
        Command::new("rm").arg("-rf").arg(&file).status().unwrap();
        gateway.rewrite(&answering("start"));
        gateway.expect_metric("config_last_reload_successful", 1.0);
    }
}

#[test]
fn a_file_that_may_not_be_read_leaves_the_table_and_is_said() {
    // root may read everything: another user runs the gateway then, if it can get at the program
    const NOBODY: &str = "setpriv --reuid 65534 --regid 65534 --clear-groups";
    let as_root = rustix::process::geteuid().is_root();
    let reachable = format!("{NOBODY} test -x {} -a -x {}", env!("CARGO_BIN_EXE_wharf"), env!("CARGO_TARGET_TMPDIR"));
    if as_root && !Command::new("sh").arg("-c").arg(reachable).status().is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED, NOTHING WAS TESTED: no other user can run the gateway");
        return;
    }
    let shell = if as_root { format!("chmod 777 . state; exec {NOBODY}") } else { "exec".to_owned() };
    let shell = shell.as_str();
    let gateway = Gateway::start_under(shell, &answering("start"));
    let file = gateway.folder().join("gateway.yaml");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    gateway.expect_metric("config_last_reload_successful", 0.0);
    assert_eq!(gateway.get("/").text(), "start");
    gateway.expect_said("the user that runs the gateway must be able to read it");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    gateway.expect_metric("config_last_reload_successful", 1.0);
}

#[test]
fn half_of_a_file_that_is_slowly_written_in_place_is_never_served() {
    let gateway = Gateway::start(&answering("start"));
    let whole = gateway.complete(
        "routes:\n  - { match: { path: /* }, respond: { body: new } }\n  - { match: { path: /last }, respond: { body: last } }\n",
    );
    let file = gateway.folder().join("gateway.yaml");
    let mut writer = fs::File::create(&file).unwrap();
    for line in whole.split_inclusive('\n') {
        writer.write_all(line.as_bytes()).unwrap();
        // longer than the quiet after which a file counts as whole, and than two looks at it
        std::thread::sleep(Duration::from_millis(250));
        assert_eq!(gateway.get("/last").text(), "start");
    }
    drop(writer);
    eventually(PATIENCE, || (gateway.get("/last").text() == "last").then_some(()));
    gateway.expect_reloads(1.0, 0.0);
}

#[test]
fn a_file_mounted_by_itself_and_replaced_outside_is_explained_once() {
    // outside, the folder `host` holds the file; inside its own mounts the gateway sees that file alone
    let mounted = Command::new("unshare").args(["-m", "true"]).status().is_ok_and(|status| status.success());
    if !mounted {
        eprintln!("SKIPPED, NOTHING WAS TESTED: a mount needs more rights");
        return;
    }
    let gateway = Gateway::start_under(
        "mkdir host; cp gateway.yaml host; exec unshare -m sh -c 'mount --bind host/gateway.yaml gateway.yaml && exec \"$0\" \"$@\"'",
        &answering("start"),
    );
    let folder = gateway.folder();
    let outside = folder.join("host/gateway.yaml");
    fs::write(&outside, gateway.complete(&answering("in_place"))).unwrap();
    expect(&gateway, "in_place");
    let fresh = folder.join("host/fresh");
    fs::write(&fresh, gateway.complete(&answering("replaced"))).unwrap();
    fs::rename(&fresh, &outside).unwrap();
    let advice = "hint: mount the directory that holds the file";
    eventually(PATIENCE, || gateway.stderr().contains(advice).then_some(()));
    std::thread::sleep(Duration::from_millis(1200));
    assert_eq!(gateway.stderr().matches(advice).count(), 1);
    assert_eq!(gateway.get("/").text(), "in_place");
}

#[test]
fn a_storm_of_signals_becomes_few_reloads_and_ends_on_the_last_file() {
    let gateway = Gateway::start(&answering("start"));
    let storm = 1000;
    for n in 1..=storm {
        if n % 100 == 0 {
            gateway.rewrite(&answering(&format!("body{n}")));
        }
        gateway.hup();
        std::thread::sleep(Duration::from_millis(1));
    }
    expect(&gateway, "body1000");
    // and it still listens
    gateway.rewrite(&answering("after"));
    gateway.hup();
    expect(&gateway, "after");
    assert!(gateway.reloads("success") < f64::from(storm), "each signal was a reload");
    assert_eq!(gateway.reloads("failure"), 0.0);
}

#[test]
fn the_log_says_what_a_reload_changed() {
    let gateway = Gateway::start(&answering("start"));
    gateway.rewrite("routes: [{ name: fresh, match: { path: /* }, respond: {} }]\n");
    let said = "reloaded (generation 2): routes +1 -1 (added: fresh; removed: /*)";
    eventually(PATIENCE, || gateway.stderr().contains(said).then_some(()));
    gateway.hup();
    let said = "reloaded (generation 3): nothing changed";
    eventually(PATIENCE, || gateway.stderr().contains(said).then_some(()));
}

/// A configuration of routes `/1` to `/N`, each answered with its number and a letter.
fn routes(count: usize, letter: &str) -> String {
    let route = |n| format!("  - {{ match: {{ path: /{n} }}, respond: {{ body: {n}{letter} }} }}\n");
    format!("routes:\n{}", (1..=count).map(route).collect::<String>())
}

#[test]
fn a_file_that_lost_more_than_half_of_the_routes_waits_for_a_word() {
    let gateway = Gateway::start(&routes(10, "a"));
    let whole = gateway.complete(&routes(10, "a"));
    let cut = whole.split_inclusive('\n').take(whole.lines().count() - 6).collect::<String>();
    fs::write(gateway.folder().join("gateway.yaml"), &cut).unwrap();
    gateway.expect_metric("config_last_reload_successful", 0.0);
    assert_eq!(gateway.get("/10").text(), "10a");
    gateway.expect_said("it would remove: /5, /6, /7, /8, /9 and 1 more\nhint: ");
    // the next content is judged by itself
    gateway.rewrite(&routes(5, "b"));
    eventually(PATIENCE, || (gateway.get("/10").status == 404).then_some(()));
    assert_eq!(gateway.get("/5").text(), "5b");
    gateway.expect_metric("config_last_reload_successful", 1.0);
    // and who asks on purpose is obeyed
    gateway.rewrite(&routes(2, "c"));
    gateway.expect_metric("config_last_reload_successful", 0.0);
    assert_eq!(gateway.get("/5").text(), "5b");
    gateway.hup();
    eventually(PATIENCE, || (gateway.get("/5").status == 404).then_some(()));
    assert_eq!(gateway.get("/2").text(), "2c");
    gateway.expect_metric("config_last_reload_successful", 1.0);
}

/// One route of an included file.
fn included(path: &str, body: &str) -> String {
    format!("routes: [{{ match: {{ path: {path} }}, respond: {{ body: {body} }} }}]\n")
}

#[test]
fn included_files_are_noticed_when_they_change_come_and_go() {
    let gateway = Gateway::start_under(
        "mkdir -p routes.d/deep; echo 'routes: [{ match: { path: /a }, respond: { body: a } }]' > routes.d/a.yaml; exec",
        &format!("include: [\"routes.d/*.yaml\", \"routes.d/*/*.yaml\"]\n{}", answering("main")),
    );
    let directory = gateway.folder().join("routes.d");
    let expect_at = |path: &str, body: &str| eventually(PATIENCE, || (gateway.get(path).text() == body).then_some(()));
    expect_at("/a", "a");
    fs::write(directory.join("a.yaml"), included("/a", "changed")).unwrap();
    expect_at("/a", "changed");
    fs::write(directory.join("b.yaml"), included("/b", "b")).unwrap();
    expect_at("/b", "b");
    fs::write(directory.join("deep/c.yaml"), included("/c", "c")).unwrap();
    expect_at("/c", "c");
    fs::write(directory.join("deep/c.yaml"), included("/c", "again")).unwrap();
    expect_at("/c", "again");
    fs::create_dir(directory.join("fresh")).unwrap();
    fs::write(directory.join("fresh/d.yaml"), included("/d", "d")).unwrap();
    expect_at("/d", "d");
    fs::remove_file(directory.join("b.yaml")).unwrap();
    expect_at("/b", "main");
    assert_eq!(gateway.reloads("failure"), 0.0);
    // what is not included is none of its business
    fs::write(directory.join("notes.txt"), "noise").unwrap();
    fs::write(directory.join("a.yaml"), "routes: [\n").unwrap();
    gateway.expect_metric("config_last_reload_successful", 0.0);
    expect_at("/a", "changed");
    fs::write(directory.join("a.yaml"), included("/a", "mended")).unwrap();
    expect_at("/a", "mended");
    gateway.expect_metric("config_last_reload_successful", 1.0);
    assert_eq!(gateway.reloads("failure"), 1.0);
}

#[test]
fn a_body_in_a_file_of_its_own_is_noticed_when_it_changes_goes_and_comes_back() {
    let gateway = Gateway::start_under(
        "mkdir pages; echo -n one > pages/a.html; exec",
        "routes:\n  - { match: { path: /* }, respond: { body_file: pages/a.html } }\n",
    );
    let file = gateway.folder().join("pages/a.html");
    let answer = gateway.get("/");
    assert_eq!(answer.text(), "one");
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    let expect = |body: &str| eventually(PATIENCE, || (gateway.get("/").text() == body).then_some(()));
    fs::write(&file, "two").unwrap();
    expect("two");
    fs::remove_file(&file).unwrap();
    gateway.expect_metric("config_last_reload_successful", 0.0);
    assert_eq!(gateway.get("/").text(), "two", "what was read stays");
    fs::write(&file, "three").unwrap();
    expect("three");
    gateway.expect_metric("config_last_reload_successful", 1.0);
}

#[test]
fn a_change_is_noticed_soon_whatever_else_happens_in_the_directory() {
    let gateway = Gateway::start_under(
        "mkdir routes.d; echo 'routes: [{ match: { path: /a }, respond: { body: a } }]' > routes.d/a.yaml; exec",
        &format!("include: [\"routes.d/*.yaml\"]\n{}", answering("main")),
    );
    let directory = gateway.folder().join("routes.d");
    let replace = |body: &str| {
        fs::write(directory.join("fresh"), included("/a", body)).unwrap();
        fs::rename(directory.join("fresh"), directory.join("a.yaml")).unwrap();
    };
    // what an editor holds open, and a log that grows all the time
    let mut swap = fs::File::create(directory.join(".a.yaml.swp")).unwrap();
    let mut debug = fs::File::create(directory.join("debug.log")).unwrap();
    let noise = |make: &mut dyn FnMut()| {
        let start = Instant::now();
        // whatever happens, it is read after a minute
        while start.elapsed() < PATIENCE {
            make();
            if gateway.get("/a").text() == "new" {
                return true;
            }
            std::thread::sleep(Duration::from_millis(30));
        }
        false
    };
    replace("new");
    let mut write = || {
        swap.write_all(b"x").unwrap();
        debug.write_all(b"x").unwrap();
    };
    assert!(noise(&mut write), "names that belong to nothing delay the change");
    replace("other");
    eventually(PATIENCE, || (gateway.get("/a").text() == "other").then_some(()));
    // news of a file that belongs to it, which does not change
    replace("new");
    let main = gateway.folder().join("gateway.yaml");
    let mut touch = || drop(fs::OpenOptions::new().append(true).open(&main).unwrap());
    assert!(noise(&mut touch), "news without a change delay the change");
}

#[test]
fn several_files_that_change_together_are_read_together() {
    let gateway = Gateway::start_under(
        "mkdir routes.d; for n in 1 2 3 4 5; do \
         echo \"routes: [{ match: { path: /$n }, respond: {} }]\" > routes.d/$n.yaml; done; exec",
        &format!("include: [\"routes.d/*.yaml\"]\n{}", answering("main")),
    );
    for n in 1..=5 {
        fs::write(gateway.folder().join(format!("routes.d/{n}.yaml")), included(&format!("/{n}"), "new")).unwrap();
    }
    eventually(PATIENCE, || (gateway.get("/5").text() == "new").then_some(()));
    assert_eq!(gateway.get("/1").text(), "new");
    // one, unless the machine stops between two of the files
    assert!(gateway.reloads("success") < 5.0, "each file was a reload");
    assert_eq!(gateway.reloads("failure"), 0.0);
}

#[test]
fn a_file_cut_off_anywhere_never_makes_a_wrong_answer() {
    let gateway = Gateway::start(&routes(4, "a"));
    let whole = gateway.complete(&routes(4, "a"));
    let file = gateway.folder().join("gateway.yaml");
    let attempts = || (gateway.reloads("success"), gateway.reloads("failure"));
    let judged = |before: (f64, f64)| {
        eventually(PATIENCE, || Some(attempts()).filter(|(good, bad)| good + bad > before.0 + before.1))
    };
    let (mut taken, mut refused) = (0, 0);
    for end in 0..whole.len() {
        let before = attempts();
        fs::write(&file, &whole[..end]).unwrap();
        let after = judged(before);
        let mut client = gateway.connect();
        let answers: Vec<String> = (1..=4).map(|n| client.get(&format!("/{n}")).text()).collect();
        let good = |n: usize| answers[n - 1] == format!("{n}a");
        if after.1 > before.1 {
            refused += 1;
            assert!((1..=4).all(good), "{answers:?} with the first {end} bytes, which were refused");
            gateway.expect_metric("config_last_reload_successful", 0.0);
            continue;
        }
        // what is valid and keeps half of the routes may be meant
        taken += 1;
        assert!(good(1) && good(2), "{answers:?} with the first {end} bytes");
        let before = attempts();
        fs::write(&file, &whole).unwrap();
        judged(before);
    }
    fs::write(&file, &whole).unwrap();
    gateway.expect_metric("config_last_reload_successful", 1.0);
    assert_eq!(gateway.get("/4").text(), "4a");
    assert!(refused > taken && refused + taken == whole.len(), "{refused} refused, {taken} taken");
    // the last of them is said a moment after it is counted
    let places = || gateway.stderr().matches("--> ").count();
    eventually(PATIENCE, || (places() >= refused / 2).then_some(()));
}

#[test]
fn memory_stays_flat_over_many_reloads() {
    let gateway = Gateway::start(&routes(500, "a"));
    let reload = |letter: &str| {
        gateway.rewrite(&routes(500, letter));
        gateway.hup();
        eventually(PATIENCE, || (gateway.get("/500").text() == format!("500{letter}")).then_some(()));
    };
    for round in 0..50 {
        reload(if round % 2 == 0 { "b" } else { "a" });
    }
    let warm = gateway.rss_kib();
    for round in 0..250 {
        reload(if round % 2 == 0 { "b" } else { "a" });
    }
    let after = gateway.rss_kib();
    // a table of 500 routes that were kept each time would be a hundred megabytes
    assert!(after < warm + 20_000, "{warm} KiB after 50 reloads, {after} KiB after 300");
}

#[test]
fn a_reload_on_the_command_line_is_obeyed_and_answered() {
    let gateway = Gateway::start(&routes(10, "a"));
    let reload = || {
        let admin = format!("http://{}", gateway.on(21900));
        let output = Command::new(env!("CARGO_BIN_EXE_wharf")).args(["reload", "--admin", &admin]).output().unwrap();
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), said(&output.stdout), said(&output.stderr))
    };
    gateway.rewrite(&routes(2, "b"));
    gateway.expect_metric("config_last_reload_successful", 0.0);
    let (status, stdout, stderr) = reload();
    assert_eq!(status, Some(0), "{stderr}");
    assert!(stdout.starts_with("reloaded (generation 2): routes -8 ~2 (removed: /3, "), "{stdout}");
    assert_eq!(gateway.get("/2").text(), "2b");
    gateway.rewrite("routes: [{ match: { path: /1 }, upstream: nowhere }]\n");
    let (status, _, stderr) = reload();
    assert_eq!(status, Some(3), "{stderr}");
    assert!(stderr.contains("gateway.yaml:") && stderr.contains("nowhere"), "{stderr}");
    assert_eq!(gateway.get("/2").text(), "2b");
}

#[test]
fn warnings_are_in_the_log_when_the_gateway_starts_and_when_it_reloads() {
    let unused = |name: &str| {
        format!(
            "upstreams: {{ {name}: {{ endpoints: [\"127.0.0.1:1\"] }} }}\nroutes: [{{ match: {{ path: /* }}, respond: {{ status: 204 }} }}]\n"
        )
    };
    let gateway = Gateway::start(&unused("first"));
    let said = |name: &str| {
        let warning = format!("no route uses the upstream `{name}`; `wharf check` says more");
        eventually(PATIENCE, || gateway.stderr().contains(&warning).then_some(()));
    };
    said("first");
    gateway.rewrite(&unused("second"));
    said("second");
}
