//! Where the commands of a page run: a folder with its files, a gateway when one is asked, and stand-ins for programs of others.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use regex::Regex;

use super::page::root;
use crate::harness::*;

/// Programs that run as they are: they read, write and compare files of the folder.
const REAL: [&str; 7] = ["bash", "cp", "mv", "install", "grep", "head", "sed"];

/// Programs that do not run, and why. What is written in their place is run instead.
const STAND_INS: [(&str, &str, &str); 18] = [
    (
        "docker",
        "needs a daemon and images",
        "[ \"$1 $2\" = 'compose exec' ] && { shift 3; exec \"$@\"; }; [ \"${*##* }\" != - ] || exec /bin/cat >/dev/null; exit 0",
    ),
    ("systemctl", "needs systemd and a unit", "exit 0"),
    ("journalctl", "needs systemd and a unit", "exit 0"),
    ("systemd-sysusers", "makes users of this machine; deploy_systemd.rs runs it", "[ -f \"root/etc/sysusers.d/$1\" ]"),
    ("sysctl", "changes this machine", "exit 0"),
    ("apt", "installs; deploy_package.rs does", "exit 0"),
    (
        "promtool",
        "deploy_prometheus.rs runs it",
        "for file; do [ \"$file\" = check ] || [ \"$file\" = rules ] || [ -f \"$file\" ] || exit 1; done",
    ),
    ("openssl", "runs", "exec /usr/bin/openssl \"$@\""),
    ("kubectl", "needs a cluster", "exit 0"),
    (
        "deploy/rollout",
        "deploy_rollout.rs runs it in an engine",
        "exec /bin/sh \"$ROOT/deploy/rollout\" --dry-run \"$@\"",
    ),
    ("sudo", "the folder is the caller's own", "exec \"$@\""),
    ("make", "builds, or runs these very tests", "grep -q \"^${1:-help}:\" \"$ROOT/Makefile\""),
    ("cargo", "builds, or runs these very tests", "exit 0"),
    ("sleep", "nobody here comes back at another address", "exit 0"),
    // errors of HTTP are errors
    ("curl", "runs", "case \" $*\" in *' -f'*) ;; *) set -- --fail-with-body \"$@\";; esac; exec \"$CURL\" -sS \"$@\""),
    // what serves until it is told to stop has its command line parsed, and is started by the test
    (
        "wharf",
        "runs",
        "case \"$1\" in run|demo|agent) \"$WHARF\" \"$@\" --help >/dev/null;; *) \"$WHARF\" \"$@\";; esac; s=$?\n\
         echo \"$s wharf $*\" >>\"$CALLS\"; exit $s",
    ),
    ("target/release/wharf", "stands for the release binary", "exec wharf \"$@\""),
    ("tests/fresh-machine.sh", "builds a system", "exit 0"),
];

/// The configuration that a page without one of its own speaks of.
const USUAL: &str = "version: 1\nlisteners:\n  web: { address: \":8080\" }\nupstreams:\n  app:\n    endpoints: [app-1:3000, \
                     app-2:3000]\nroutes:\n  - name: all\n    match: { path: /* }\n    upstream: app\nadmin: { address: \"127.0.0.1:9900\" }\n";

/// An address that a page gives for one of a name.
const RESOLVED: &str = "172.18.0.5";

/// The page that begins in an empty directory.
const FROM_NOTHING: &str = "docs/how-to/ask-before-serving.md";

/// The pages whose files in `/etc/wharf` hold certificates.
const CERTIFIED: [&str; 4] =
    ["docs/how-to/https.md", "docs/how-to/from-nginx.md", "docs/how-to/from-caddy.md", "docs/how-to/from-traefik.md"];

/// What commands said, and how the script ended.
pub struct Ended {
    pub status: i32,
    pub said: String,
    /// Each `STATUS wharf ARGUMENTS`.
    pub calls: Vec<String>,
}

pub struct Place {
    here: Ipv4Addr,
    folder: PathBuf,
    names: Option<NameServer>,
    origins: Vec<Origin>,
    gateway: Option<Process>,
}

impl Place {
    pub fn new(page: &str) -> Place {
        let name = format!("docs-{}-{}", page.replace(['/', '.'], "-"), std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_dir_all(&folder);
        for part in ["bin", "root", "state", "target/release", "tests"] {
            std::fs::create_dir_all(folder.join(part)).unwrap();
        }
        for name in REAL {
            let found = ["/usr/bin", "/bin"].iter().map(|dir| Path::new(dir).join(name)).find(|path| path.exists());
            found.into_iter().for_each(|path| symlink(path, folder.join("bin").join(name)).unwrap());
        }
        // what comes with the repository, but for what is stood in for
        std::fs::create_dir_all(folder.join("deploy")).unwrap();
        for entry in std::fs::read_dir(root().join("deploy")).unwrap().map(|entry| entry.unwrap()) {
            let name = Path::new("deploy").join(entry.file_name());
            if !STAND_INS.iter().any(|(stood_in, ..)| Path::new(stood_in) == name) {
                symlink(entry.path(), folder.join(name)).unwrap();
            }
        }
        for (name, _, does) in STAND_INS {
            let path = if name.contains('/') { folder.join(name) } else { folder.join("bin").join(name) };
            std::fs::write(&path, format!("#!/bin/sh\n{does}\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let mut place = Place { here: own_address(), folder, names: None, origins: Vec::new(), gateway: None };
        if page == FROM_NOTHING {
            return place;
        }
        place.write("gateway.yaml", USUAL);
        place.write("new.yaml", &USUAL.replace("app-2:3000", "app-2:3000, app-3:3000"));
        if page == "README.md" {
            // what `make demo` serves
            place.write("gateway.yaml", &std::fs::read_to_string(root().join("gateway.yaml")).unwrap());
        }
        if CERTIFIED.contains(&page) {
            place.certify();
        }
        // what a page takes as given: `given/PAGE.FILE`
        let stem = Path::new(page).file_stem().unwrap().to_str().unwrap();
        for path in std::fs::read_dir(root().join("tests/it/docs/given")).unwrap().map(|entry| entry.unwrap().path()) {
            let name = path.file_name().unwrap().to_str().unwrap();
            if let Some(name) = name.strip_prefix(stem).and_then(|rest| rest.strip_prefix('.')) {
                place.write(name, &std::fs::read_to_string(&path).unwrap());
            }
        }
        place
    }

    /// Writes the certificates that a page speaks of.
    fn certify(&self) {
        let authority = Authority::new("docs");
        let leaf = authority.issue(&["shop.example.com"]);
        let folder = self.folder.join("root/etc/wharf");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("site.crt"), &leaf.cert_pem).unwrap();
        std::fs::write(folder.join("site.key"), &leaf.key_pem).unwrap();
        std::fs::set_permissions(folder.join("site.key"), std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(folder.join("clients.pem"), authority.pem()).unwrap();
    }

    /// The text with this place's own addresses and paths.
    fn own(&self, text: &str) -> String {
        let here = self.here.to_string();
        let address = Regex::new(r"(localhost|127\.0\.0\.1)([:/]\d)").unwrap();
        let text = address.replace_all(text, format!("{here}$2")).replace("\":8080\"", &format!("\"{here}:8080\""));
        let first = self.origins.first().map(|origin| origin.address().ip().to_string());
        let text = first.map_or(text.clone(), |first| text.replace(RESOLVED, &first));
        let path = Regex::new(r#"(^|[\s'":])/(etc|run|usr/local)/"#).unwrap();
        path.replace_all(&text, format!("$1{}/root/$2/", self.folder.display())).into_owned()
    }

    /// Writes a file. A configuration that is served gets an admin address, if it has none.
    pub fn write(&mut self, name: &str, text: &str) -> PathBuf {
        let mut text = self.own(text);
        if name == "gateway.yaml" {
            self.gateway = None;
            if text.starts_with("version: 1") && !text.contains("\nadmin:") {
                text += &format!("admin: {{ address: \"{}:9900\" }}\n", self.here);
            }
        }
        let path = self.folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// What the program says of its arguments: its exit status and everything it wrote.
    pub fn wharf(&self, arguments: &[&str]) -> (i32, String) {
        let ended =
            Command::new(env!("CARGO_BIN_EXE_wharf")).args(arguments).current_dir(&self.folder).output().unwrap();
        let said = [ended.stdout, ended.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        (ended.status.code().unwrap(), said)
    }

    /// Whether commands can be run that ask a gateway. Starts it.
    pub fn serves(&mut self) -> bool {
        if self.gateway.is_some() {
            return true;
        }
        let mut documents: Vec<PathBuf> = self.documents().collect();
        // the served one is the first
        documents.sort_by_key(|path| !path.ends_with("gateway.yaml"));
        let text: String = documents.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
        let lists = Regex::new(r"endpoints: *\[([^\]]*)\]").unwrap();
        let endpoint = Regex::new(r"([\w.-]+):(\d+)").unwrap();
        for list in lists.captures_iter(&text) {
            for found in endpoint.captures_iter(&list[1]) {
                let port: u16 = found[2].parse().unwrap();
                let ip = match found[1].parse::<Ipv4Addr>() {
                    Ok(ip) => ip,
                    Err(_) => {
                        if self.names.is_none() {
                            self.names = NameServer::start();
                        }
                        let Some(names) = &self.names else { return false };
                        let ip = own_address();
                        names.at(&found[1], &[IpAddr::V4(ip)], 60);
                        ip
                    }
                };
                let address = SocketAddr::from((ip, port));
                if !self.origins.iter().any(|origin| origin.address() == address) {
                    self.origins.push(Origin::named_on(address, "origin\n"));
                }
            }
        }
        let shell = self.names.as_ref().map_or_else(|| "exec".to_owned(), NameServer::shell);
        let child = Command::new("sh")
            .args(["-c", &format!("{shell} \"$0\" run"), env!("CARGO_BIN_EXE_wharf")])
            .current_dir(&self.folder)
            .env("STATE_DIRECTORY", self.folder.join("state"))
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(self.folder.join("stdout")).unwrap())
            .stderr(std::fs::File::create(self.folder.join("stderr")).unwrap())
            .spawn()
            .unwrap();
        self.gateway = Some(Process::of(child));
        eventually(PATIENCE, || {
            let address = SocketAddr::from((self.here, 9900));
            std::net::TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
            let mut client = Client::connect(address);
            client.try_send(format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")).ok()?;
            client.try_response("GET", PATIENCE).ok().filter(|response| response.status == 200)
        });
        true
    }

    /// Runs a script of `bash`, which ends with the first command that fails.
    pub fn run(&mut self, script: &str) -> Ended {
        let script = self.own(script);
        let inside = format!("{}/root/", self.folder.display());
        for path in Regex::new(&format!(r"{}[\w./-]*[\w-]", regex::escape(&inside))).unwrap().find_iter(&script) {
            let path = Path::new(path.as_str());
            let is_folder = script.contains(&format!("{}/", path.display()));
            std::fs::create_dir_all(if is_folder { path } else { path.parent().unwrap() }).unwrap();
        }
        let calls = self.folder.join("calls");
        std::fs::write(&calls, "").unwrap();
        let ended = Command::new("/usr/bin/timeout")
            .args(["60", "bash", "-e", "-o", "pipefail", "-c", &format!("exec 2>&1\n{script}")])
            .current_dir(&self.folder)
            .env("PATH", self.folder.join("bin"))
            .env("ROOT", root())
            .env("CURL", "/usr/bin/curl")
            .env("WHARF", env!("CARGO_BIN_EXE_wharf"))
            .env("CALLS", &calls)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let calls = std::fs::read_to_string(calls).unwrap().lines().map(str::to_owned).collect();
        self.keep_own();
        let said = String::from_utf8_lossy(&ended.stdout).replace(&self.here.to_string(), "127.0.0.1");
        let said = said.replace(&inside, "/").replace(&format!("{}/", self.folder.display()), "");
        Ended { status: ended.status.code().unwrap_or(-1), said, calls }
    }

    /// What the program wrote itself names the usual addresses.
    fn keep_own(&self) {
        for path in self.documents() {
            let text = std::fs::read_to_string(&path).unwrap();
            let own = self.own(&text);
            if own != text {
                std::fs::write(&path, own).unwrap();
            }
        }
    }

    fn documents(&self) -> impl Iterator<Item = PathBuf> {
        let entries = std::fs::read_dir(&self.folder).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|end| end == "yaml"))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.gateway = None;
        std::fs::remove_dir_all(&self.folder).ok();
    }
}
