//! Under systemd: what a real one makes of the unit, what its notify socket hears, and what its own checkers say.

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::Command;

use crate::deploy_engine::*;
use crate::harness::*;

const ROUTES: &str = "routes: [{ match: { path: /* }, respond: { status: 200, body: pong } }]\n";

/// A machine with systemd as its first process, and the package installed: a container on this host's network.
struct Machine {
    engine: &'static Engine,
    name: String,
    folder: PathBuf,
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.engine.remove(&self.name);
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

impl Machine {
    fn boot() -> Option<Machine> {
        let machine = Machine::bare("packaged", &[])?;
        let mut build = Command::new(root().join("deploy/debian/build"));
        done(build.arg(stripped()).arg(&machine.folder).env("DPKG_DEB_COMPRESSOR_TYPE", "none"));
        let (installed, said) = machine.shell("dpkg --install /package/*.deb");
        assert!(installed, "{said}");
        Some(machine)
    }

    /// One on which nothing is installed, whose `/package` is a folder of ours.
    fn bare(name: &str, flags: &[&str]) -> Option<Machine> {
        let engine = engine()?;
        let machine = Machine { engine, name: own(name), folder: scratch(name) };
        let mounted = format!("{}:/package:ro", machine.folder.display());
        let free = ["--cap-add=SYS_ADMIN", "--security-opt=seccomp=unconfined", "--security-opt=apparmor=unconfined"];
        let own = ["--cgroupns=private", "--network=host", "--tmpfs=/run", "--tmpfs=/tmp", "--volume", &mounted];
        let run = ["run", "--detach", "--name", &machine.name];
        engine.say(&[&run[..], &free, &own, flags, &[engine.base(), "/lib/systemd/systemd"]].concat());
        eventually(PATIENCE, || {
            let state = machine.shell("systemctl is-system-running");
            state.1.contains("running").then_some(())
        });
        Some(machine)
    }

    /// What a script in it says, and whether it succeeded.
    fn shell(&self, script: &str) -> (bool, String) {
        let output = self.engine.docker().args(["exec", &self.name, "bash", "-c", script]).output().unwrap();
        (output.status.success(), all(&output))
    }

    /// The same for one that must succeed.
    #[track_caller]
    fn says(&self, script: &str) -> String {
        let (good, said) = self.shell(script);
        assert!(good, "{script}: {said}\n{}", self.shell("journalctl --no-pager -u wharf -n 30").1);
        said.trim().to_owned()
    }

    fn main_pid(&self) -> String {
        self.says("systemctl show --property MainPID --value wharf")
    }

    /// Writes the configuration of a gateway on a port below 1024, whose answer is this.
    fn configure(&self, here: std::net::Ipv4Addr, answer: &str) {
        let text = format!(
            "version: 1\nlisteners: {{ web: {{ address: \"{here}:80\" }} }}\nadmin: {{ address: \"{here}:9900\" }}\n\
             routes: [{{ match: {{ path: /* }}, respond: {{ status: 200, body: {answer} }} }}]\n"
        );
        self.says(&format!("printf '%s' '{text}' >/etc/wharf/new && mv /etc/wharf/new /etc/wharf/gateway.yaml"));
    }
}

#[test]
fn systemd_starts_reloads_watches_and_upgrades_the_gateway_and_no_request_fails() {
    let Some(machine) = Machine::boot() else { return };
    let here = own_address();
    let web = std::net::SocketAddr::from((here, 80));
    machine.configure(here, "first");
    machine.says("mkdir /run/systemd/system/wharf.service.d; printf '[Service]\\nWatchdogSec=4\\n' >/run/systemd/system/wharf.service.d/x.conf");
    machine.says("systemctl daemon-reload; systemctl start wharf");
    // it serves, by the time that `start` returns, as its user with one capability
    assert_eq!(Client::connect(web).get("/").text(), "first");
    let status = machine.says("cat /proc/$(systemctl show --property MainPID --value wharf)/status");
    let field = |name: &str| status.lines().find_map(|l| l.strip_prefix(name)).unwrap().trim().to_owned();
    assert_ne!(field("Uid:").split('\t').next(), Some("0"));
    assert_eq!([field("CapEff:"), field("CapBnd:")], ["0000000000000400"; 2], "{status}");
    assert_eq!((field("NoNewPrivs:"), field("Seccomp:")), ("1".into(), "2".into()), "{status}");
    machine.says("[ -f /var/lib/wharf/last-good.json ] && [ \"$(stat -c %U%a /run/wharf)\" = wharf750 ]");

    let done = std::sync::atomic::AtomicBool::new(false);
    let failed = std::thread::scope(|scope| {
        let _done = Done(&done);
        let asking = scope.spawn(|| {
            let mut failed = Vec::new();
            while !done.load(std::sync::atomic::Ordering::Acquire) {
                match Client::connect(web).try_ask("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n") {
                    Ok(response) if response.status == 200 => {}
                    other => failed.push(format!("{other:?}")),
                }
            }
            failed
        });
        // a reload has happened by the time that it returns
        machine.configure(here, "second");
        machine.says("systemctl reload wharf");
        assert_eq!(Client::connect(web).get("/").text(), "second");
        assert!(machine.says("systemctl show --property StatusText wharf").contains("configuration: generation"));
        // a broken file fails it, and shows why
        machine.says("cp /etc/wharf/gateway.yaml /tmp/good; echo 'nonsense: 1' >>/etc/wharf/gateway.yaml");
        assert!(!machine.shell("systemctl reload wharf").0);
        assert!(machine.says("journalctl --no-pager -u wharf").contains("nonsense"));
        machine.says("cp /tmp/good /etc/wharf/gateway.yaml; systemctl reload wharf");
        // a new binary, by hand and by the package
        for change in ["systemctl kill --kill-whom=main -s USR2 wharf", "dpkg --install /package/*.deb"] {
            let before = machine.main_pid();
            machine.says(change);
            eventually(PATIENCE, || (machine.main_pid() != before).then_some(()));
            assert_eq!(machine.says("systemctl is-active wharf"), "active");
        }
        done.store(true, std::sync::atomic::Ordering::Release);
        asking.join().unwrap()
    });
    assert!(failed.is_empty(), "{} failed: {:?}", failed.len(), &failed[..1]);

    // the watchdog hears the new process, though it was started for another; when that hangs it is replaced
    let before = machine.main_pid();
    machine.says("kill -STOP $(systemctl show --property MainPID --value wharf)");
    eventually(std::time::Duration::from_secs(20), || {
        (machine.says("systemctl show --property NRestarts --value wharf") == "1").then_some(())
    });
    eventually(PATIENCE, || (machine.shell("systemctl is-active wharf").1.trim() == "active").then_some(()));
    assert_ne!(machine.main_pid(), before);
    assert!(machine.says("journalctl --no-pager -u wharf").contains("Watchdog timeout"));
    assert_eq!(Client::connect(web).get("/").text(), "second");
    // and when it stops it does so by itself
    machine.says("systemctl stop wharf");
    assert!(machine.says("systemctl show --property Result,ExecMainStatus wharf").contains("ExecMainStatus=0"));
    // a wrong file is not tried again and again
    machine.says("rm /var/lib/wharf/last-good.json; echo 'nonsense: 1' >/etc/wharf/gateway.yaml");
    assert!(!machine.shell("systemctl start wharf").0);
    assert_eq!(
        machine.says("systemctl show --property NRestarts,ExecMainStatus wharf"),
        "NRestarts=0\nExecMainStatus=3"
    );
}

/// The scripts of the page, in their order.
fn scripts_of_the_page() -> Vec<String> {
    let page = std::fs::read_to_string(root().join("docs/how-to/systemd.md")).unwrap();
    let blocks = crate::docs::page::blocks(&page);
    blocks.into_iter().filter(|block| block.language == "sh").map(|block| block.text).collect()
}

#[test]
fn what_is_installed_by_hand_runs_and_finds_containers_through_an_agent_without_having_the_socket() {
    let Some(engine) = engine() else { return };
    let socket = format!("{}:/run/docker.sock", engine.socket().display());
    let Some(machine) = Machine::bare("by-hand", &["--volume", &socket]) else { return };
    done(Command::new("cp").arg("-r").arg(root().join("deploy")).arg(&machine.folder));
    std::fs::create_dir_all(machine.folder.join("target/release")).unwrap();
    std::fs::copy(stripped(), machine.folder.join("target/release/wharf")).unwrap();
    machine.says("printf '#!/bin/sh\nexec \"$@\"\n' >/usr/bin/sudo; chmod +x /usr/bin/sudo");
    machine.says("getent group docker || groupadd --non-unique --gid \"$(stat -c %g /run/docker.sock)\" docker");
    // the page, word for word
    let scripts = scripts_of_the_page();
    let script = |has: &str| {
        let found: Vec<&String> = scripts.iter().filter(|script| script.contains(has)).collect();
        assert_eq!(found.len(), 1, "scripts with {has}: {scripts:?}");
        format!("cd /package && set -e\n{}", found[0])
    };
    machine.says(&script("sysusers.conf"));
    machine.says("wharf check --strict /etc/wharf/gateway.yaml");
    let here = own_address();
    let document = format!(
        "version: 1\nlisteners: {{ web: {{ address: \"{here}:8080\" }} }}\nadmin: {{ address: \"{here}:9900\" }}\n\
         discovery: {{ docker: {{ endpoint: \"file:///run/wharf-agent/endpoints.json\" }} }}\n\
         upstreams: {{ app: {{ discover: {{ docker: app }} }} }}\nroutes: [{{ match: {{ path: /* }}, upstream: app }}]\n"
    );
    machine.says(&format!("printf '%s' '{document}' >/etc/wharf/gateway.yaml"));
    machine.says(&script("enable --now wharf\n"));
    machine.says(&script("wharf-agent.service"));
    machine.says(&script("enable --now wharf-agent"));
    // a container comes, and is found
    let (network, container) = (own("by-hand-net"), own("by-hand-app"));
    engine.say(&["network", "create", &network]);
    let labels = ["--label=wharf.service=app", "--label=wharf.port=8000"];
    let run = ["run", "--detach", "--init", "--name", &container, "--network", &network];
    engine.say(&[&run[..], &labels, &[engine.base(), "sleep", "600"]].concat());
    eventually(PATIENCE, || machine.shell("wharf status").1.contains(&container).then_some(()));
    // by somebody who may do nothing else; the gateway's user has no way to the socket
    let pid = machine.says("systemctl show --property MainPID --value wharf-agent");
    let status = machine.says(&format!("cat /proc/{pid}/status"));
    let field = |name: &str| status.lines().find_map(|l| l.strip_prefix(name)).unwrap().trim().to_owned();
    assert_ne!(field("Uid:").split('\t').next(), Some("0"));
    assert_eq!([field("CapEff:"), field("CapBnd:")], ["0000000000000000"; 2], "{status}");
    assert!(!machine.shell(&format!("[ /proc/{pid}/ns/net -ef /proc/1/ns/net ]")).0, "it shares the host's network");
    assert!(!machine.shell("setpriv --reuid=wharf --regid=wharf --init-groups test -w /run/docker.sock").0);
    engine.remove(&container);
    machine.says("systemctl stop wharf-agent wharf");
    engine.say(&["network", "rm", &network]);
}

/// The service manager's end of a notify socket.
struct Manager {
    socket: UnixDatagram,
    folder: PathBuf,
}

impl Manager {
    fn listen(name: &str) -> Manager {
        let folder = scratch(name);
        let socket = UnixDatagram::bind(folder.join("notify")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Manager { socket, folder }
    }

    /// What a shell does before it becomes the gateway.
    fn shell(&self, more: &str) -> String {
        format!("export NOTIFY_SOCKET='{}/notify' {more}; exec", self.folder.display())
    }

    /// The next message.
    #[track_caller]
    fn hears(&self) -> String {
        let mut message = [0; 1024];
        let length = self.socket.recv(&mut message).expect("a message");
        String::from_utf8_lossy(&message[..length]).into_owned()
    }

    /// The next message that is no sign of life.
    #[track_caller]
    fn hears_news(&self) -> String {
        eventually(PATIENCE, || Some(self.hears()).filter(|message| message != "WATCHDOG=1\n"))
    }

    #[track_caller]
    fn hears_a_sign_of_life(&self) {
        eventually(PATIENCE, || (self.hears() == "WATCHDOG=1\n").then_some(()));
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

#[test]
fn the_service_manager_hears_when_a_reload_begins_and_what_came_of_it() {
    let manager = Manager::listen("notify-reload");
    let gateway = Gateway::start_under(&manager.shell(""), ROUTES);
    assert!(manager.hears().contains("READY=1\n"));
    gateway.hup();
    let begins = manager.hears();
    assert!(begins.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{begins}");
    let digits = begins.trim_end().rsplit_once('=').unwrap().1;
    assert!(digits.parse::<u64>().is_ok_and(|usec| usec > 0), "{begins}");
    let ends = manager.hears();
    assert!(ends.starts_with("READY=1\nSTATUS=configuration: generation 2,"), "{ends}");
    // a refused one ends, too: the gateway is as ready as before
    gateway.rewrite("routes: [{ match: { path: /* }, upstream: nobody }]\n");
    assert!(manager.hears().starts_with("RELOADING=1\n"));
    let ends = manager.hears();
    assert!(ends.starts_with("READY=1\nSTATUS=the last reload was refused"), "{ends}");
}

#[test]
fn the_watchdog_hears_that_the_gateway_lives_until_it_ends_and_after_a_change_of_the_binary() {
    let manager = Manager::listen("notify-watchdog");
    // as systemd sets it: for the process that it started
    let mut gateway = Gateway::start_under(&manager.shell("WATCHDOG_USEC=2000000 WATCHDOG_PID=$$"), ROUTES);
    assert!(manager.hears_news().contains("READY=1\n"));
    for _ in 0..3 {
        manager.hears_a_sign_of_life();
    }
    let old = gateway.upgrade();
    assert_eq!(manager.hears_news(), format!("MAINPID={}\nREADY=1\n", gateway.id()));
    assert_eq!(old.ended(), Some(0));
    // what the old process said is read: from here on it is the new one that lives
    manager.socket.set_nonblocking(true).unwrap();
    while manager.socket.recv(&mut [0; 1024]).is_ok() {}
    manager.socket.set_nonblocking(false).unwrap();
    for _ in 0..2 {
        manager.hears_a_sign_of_life();
    }
    gateway.terminate();
    assert_eq!(manager.hears_news(), "STOPPING=1\nEXTEND_TIMEOUT_USEC=11000000\n");
    assert_eq!(gateway.ended(), Some(0));
}

#[test]
fn a_watchdog_of_another_process_hears_nothing() {
    let manager = Manager::listen("notify-other");
    let mut gateway = Gateway::start_under(&manager.shell("WATCHDOG_USEC=100000 WATCHDOG_PID=1"), ROUTES);
    assert!(manager.hears().contains("READY=1\n"));
    gateway.terminate();
    assert!(manager.hears().starts_with("STOPPING=1\n"));
    assert_eq!(gateway.ended(), Some(0));
}

/// The text with the program where it is before it is installed.
fn own_program(unit: &str) -> String {
    unit.replace("=wharf ", &format!("={} ", env!("CARGO_BIN_EXE_wharf")))
}

#[test]
fn the_units_are_ones_that_systemd_finds_nothing_wrong_with() {
    if !has(&["systemd-analyze", "systemd-sysusers"]) {
        return;
    }
    let folder = scratch("unit");
    for (name, most) in [("wharf.service", 2.0), ("wharf-agent.service", 0.7)] {
        let file = root().join("deploy/systemd").join(name);
        let written = own_program(&std::fs::read_to_string(&file).unwrap());
        let unit = folder.join(name);
        std::fs::write(&unit, &written).unwrap();
        let verified = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&unit).output().unwrap();
        assert!(verified.status.success() && all(&verified).is_empty(), "{}", all(&verified));
        // a unit that is not well is noticed
        std::fs::write(&unit, written.replace("\nRestart=", "\nRestart=sometimes-")).unwrap();
        let damaged = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&unit).output().unwrap();
        assert!(all(&damaged).contains("sometimes"), "{}", all(&damaged));

        let security =
            done(Command::new("systemd-analyze").args(["security", "--offline=true", "--no-pager"]).arg(&file));
        let exposure = security.split_once(&format!("exposure level for {name}: ")).expect("a sum").1;
        let exposure: f32 = exposure.split_whitespace().next().unwrap().parse().unwrap();
        assert!(exposure <= most, "{security}");
    }

    // the user that the unit names
    let written = std::fs::read_to_string(root().join("deploy/systemd/wharf.service")).unwrap();
    std::fs::create_dir_all(folder.join("etc")).unwrap();
    let conf = root().join("deploy/systemd/sysusers.conf");
    done(Command::new("systemd-sysusers").arg(format!("--root={}", folder.display())).arg(conf));
    let users = std::fs::read_to_string(folder.join("etc/passwd")).unwrap();
    assert!(
        users.lines().any(|l| l.starts_with("wharf:") && l.ends_with(":/var/lib/wharf:/usr/sbin/nologin")),
        "{users}"
    );
    assert!(written.contains("\nUser=wharf\n"));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn the_unit_grants_the_time_that_a_stop_takes_and_gives_up_where_trying_again_would_not_help() {
    let unit = std::fs::read_to_string(root().join("deploy/systemd/wharf.service")).unwrap();
    let value = |key: &str| unit.lines().find_map(|l| l.strip_prefix(&format!("{key}="))).unwrap().to_owned();
    // the default of shutdown_timeout, and what ending takes beyond it
    assert!(value("TimeoutStopSec").parse::<u32>().unwrap() >= 11);
    assert_eq!(value("RestartPreventExitStatus"), "2 3");
    assert_eq!(value("AmbientCapabilities"), value("CapabilityBoundingSet"));
    assert_eq!(value("AmbientCapabilities"), "CAP_NET_BIND_SERVICE");
}

#[test]
fn the_drop_ins_of_the_manual_are_ones_that_systemd_takes() {
    if !has(&["systemd-analyze"]) {
        return;
    }
    let page = std::fs::read_to_string(root().join("docs/how-to/systemd.md")).unwrap();
    let blocks: Vec<&str> = page.split("\n```ini\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() >= 3, "{} drop-ins", blocks.len());
    let written = std::fs::read_to_string(root().join("deploy/systemd/wharf.service")).unwrap();
    let folder = scratch("drop-ins");
    let unit = folder.join("wharf.service");
    std::fs::write(&unit, own_program(&written)).unwrap();
    std::fs::create_dir(folder.join("wharf.service.d")).unwrap();
    let verify = |text: &str| {
        std::fs::write(folder.join("wharf.service.d/own.conf"), own_program(text)).unwrap();
        all(&Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&unit).output().unwrap())
    };
    for block in blocks {
        assert_eq!(verify(block), "", "{block}");
    }
    // it does read them
    assert!(verify("[Service]\nPrivateUsers=perhaps\n").contains("perhaps"));
    std::fs::remove_dir_all(folder).unwrap();
}
