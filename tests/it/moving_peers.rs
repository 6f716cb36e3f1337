//! The other proxies, as they are: nginx, HAProxy, Caddy and Traefik, each with a configuration of its own in a process of its own.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use regex::Regex;

use crate::harness::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    Nginx,
    Haproxy,
    Caddy,
    Traefik,
}

impl Program {
    pub fn name(self) -> &'static str {
        match self {
            Program::Nginx => "nginx",
            Program::Haproxy => "haproxy",
            Program::Caddy => "caddy",
            Program::Traefik => "traefik",
        }
    }

    /// Without it nothing is tested, which is said loudly, and fails where changes land.
    pub fn is_installed(self) -> bool {
        let name = self.name();
        let argument = if matches!(self, Program::Nginx | Program::Haproxy) { "-v" } else { "version" };
        let asked = Command::new(name).arg(argument).stdout(Stdio::null()).stderr(Stdio::null()).status();
        skip_unless(asked.is_ok(), &format!("{name} is not installed (`deploy/setup test`)"))
    }
}

/// One of them, serving. Port 80 of its configuration is 21080 of an address of its own, 443 is 21443.
pub struct Peer {
    pub here: Ipv4Addr,
    folder: PathBuf,
    _process: Process,
}

impl Peer {
    #[track_caller]
    pub fn start(program: Program, texts: &[String]) -> Peer {
        let here = own_address();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{here}", program.name()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(folder.join("files")).unwrap();
        let arguments = match program {
            Program::Nginx => nginx(&folder, here, texts),
            Program::Haproxy => haproxy(&folder, here, texts),
            Program::Caddy => caddy(&folder, here, texts),
            Program::Traefik => traefik(&folder, here, texts),
        };
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let child = Command::new(program.name())
            .args(arguments)
            .current_dir(&folder)
            .env("HOME", &folder)
            .env_remove("XDG_DATA_HOME")
            .env_remove("XDG_CONFIG_HOME")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let peer = Peer { here, folder, _process: Process::of(child) };
        eventually(PATIENCE, || {
            if let Some(status) = peer._process.try_wait() {
                panic!("{program:?} ended with {status:?}: {}", peer.log());
            }
            peer.is_ready(program).then_some(())
        });
        peer
    }

    pub fn on(&self, port: u16) -> SocketAddr {
        (self.here, port).into()
    }

    pub fn log(&self) -> String {
        ["log", "error.log"].map(|name| std::fs::read_to_string(self.folder.join(name)).unwrap_or_default()).concat()
    }

    /// Traefik listens before it knows its routes; that of the test comes with those of the page.
    fn is_ready(&self, program: Program) -> bool {
        let Ok(stream) = TcpStream::connect(self.on(21080)) else { return false };
        drop(stream);
        program != Program::Traefik
            || Client::connect(self.on(21090))
                .try_ask("GET / HTTP/1.1\r\nHost: ready.test\r\n\r\n")
                .is_ok_and(|answer| answer.status != 404)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("---- the other proxy's log:\n{}----", self.log());
        }
        self._process.end();
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

fn nginx(folder: &Path, here: Ipv4Addr, texts: &[String]) -> Vec<String> {
    let at = folder.display();
    let listens = Regex::new(r"listen (80|443)\b").unwrap();
    let text = listens.replace_all(&texts.concat(), format!("listen {here}:21$1")).replace(":2180", ":21080");
    let paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|what| format!("{what}_temp_path {at}/files/{what};\n"))
        .concat();
    // 1.1 towards origins, which read nothing older, is nginx's default since 1.29.7
    let conf = format!(
        "daemon off; master_process off; pid {at}/pid; error_log {at}/error.log;\n\
         events {{}}\nhttp {{\naccess_log off;\nproxy_http_version 1.1;\n{paths}{text}}}\n"
    );
    std::fs::write(folder.join("nginx.conf"), conf).unwrap();
    ["-p", &at.to_string(), "-e", "error.log", "-c", "nginx.conf"].map(str::to_owned).into()
}

fn haproxy(folder: &Path, here: Ipv4Addr, texts: &[String]) -> Vec<String> {
    let text = texts.concat().replace("bind :80\n", &format!("bind {here}:21080\n"));
    std::fs::write(folder.join("haproxy.cfg"), text).unwrap();
    ["-db", "-f", "haproxy.cfg"].map(str::to_owned).into()
}

fn caddy(folder: &Path, here: Ipv4Addr, texts: &[String]) -> Vec<String> {
    let text = Regex::new(r"(?m)^:80\b").unwrap().replace_all(&texts.concat(), ":21080").into_owned();
    let own = format!("admin off\npersist_config off\nhttp_port 21080\nhttps_port 21443\ndefault_bind {here}\n");
    std::fs::write(folder.join("Caddyfile"), format!("{{\n{own}}}\n{text}")).unwrap();
    ["run", "--config", "Caddyfile", "--adapter", "caddyfile"].map(str::to_owned).into()
}

/// The block with `entryPoints` is the static one.
fn traefik(folder: &Path, here: Ipv4Addr, texts: &[String]) -> Vec<String> {
    let (statics, dynamics): (Vec<_>, Vec<_>) = texts.iter().partition(|text| text.contains("entryPoints:\n"));
    let usual = "entryPoints:\n  web:\n    address: \":80\"\n".to_owned();
    let text = statics.first().copied().unwrap_or(&usual);
    let text = text.replace("\":80\"", &format!("\"{here}:21080\"")).replace("\":443\"", &format!("\"{here}:21443\""));
    let ready = format!("  ready:\n    address: \"{here}:21090\"\n");
    let text = text.replace("entryPoints:\n", &format!("entryPoints:\n{ready}"));
    let rest = "global: { checkNewVersion: false, sendAnonymousUsage: false }\n\
                ping: { manualRouting: true }\n\
                providers: { file: { directory: dynamic } }\n";
    std::fs::write(folder.join("traefik.yaml"), text + rest).unwrap();
    std::fs::create_dir(folder.join("dynamic")).unwrap();
    for (n, text) in dynamics.iter().enumerate() {
        std::fs::write(folder.join(format!("dynamic/{n}.yaml")), text).unwrap();
    }
    let router =
        "http: { routers: { ready: { rule: Host(`ready.test`), entryPoints: [ready], service: ping@internal } } }\n";
    std::fs::write(folder.join("dynamic/ready.yaml"), router).unwrap();
    vec!["--configFile=traefik.yaml".to_owned()]
}
