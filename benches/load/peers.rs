//! The gateways under measurement and their configurations: alike in all that costs time.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rustix::process::Signal;

/// The configurations, with `@NAME@` where a run fills something in.
const NGINX: &str = include_str!("nginx.conf.in");
const HAPROXY: &str = include_str!("haproxy.cfg.in");
const WHARF: &str = include_str!("wharf.yaml.in");

/// HAProxy's conditions are tried one by one: past so many routes it gets a map, which is a tree.
const CONDITIONS_MAX: usize = 10;

#[derive(Clone, Debug)]
pub struct Peer {
    /// The row in the tables.
    pub name: String,
    kind: Kind,
    program: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Wharf,
    Nginx,
    Haproxy,
}

/// A host and a prefix of paths, ending in `/`, that go to the origin.
#[derive(Clone, Debug)]
pub struct Route {
    pub host: String,
    pub prefix: String,
}

/// All that a configuration depends on.
pub struct Setting<'a> {
    pub port: u16,
    pub admin_port: u16,
    pub threads: usize,
    pub origins: &'a [SocketAddr],
    pub routes: &'a [Route],
    /// An empty directory for configuration, logs and temporary files.
    pub directory: &'a Path,
    pub access_log: bool,
}

/// How to start a peer.
pub struct Launch {
    pub command: Vec<String>,
    pub environment: Vec<(String, String)>,
}

impl Peer {
    pub fn wharf(name: &str, program: PathBuf) -> Peer {
        Peer { name: name.into(), kind: Kind::Wharf, program }
    }

    /// nginx and HAProxy, as far as they are installed. Says loudly which are not.
    pub fn installed() -> Vec<Peer> {
        let known = [("nginx", Kind::Nginx), ("haproxy", Kind::Haproxy)];
        let found = known.into_iter().filter_map(|(name, kind)| match find_program(name) {
            Some(program) => Some(Peer { name: name.into(), kind, program }),
            None => {
                eprintln!("load: !!! {name} is not installed: it is LEFT OUT of every table");
                None
            }
        });
        found.collect()
    }

    /// What a run says about itself: the program's path.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Writes the configuration into the setting's directory. `traced`: in one process, for a tracer to watch.
    pub fn prepare(&self, setting: &Setting, traced: bool) -> io::Result<Launch> {
        let directory = setting.directory.display().to_string();
        let (file, text) = match self.kind {
            Kind::Wharf => ("gateway.yaml", wharf(setting)),
            Kind::Nginx => ("nginx.conf", nginx(setting)),
            Kind::Haproxy => ("haproxy.cfg", haproxy(setting)?),
        };
        let path = setting.directory.join(file);
        fs::write(&path, text)?;
        let (program, path) = (self.program.display().to_string(), path.display().to_string());
        let mut command: Vec<String> = match self.kind {
            Kind::Wharf => vec![program, "run".into(), "--config".into(), path],
            Kind::Nginx => vec![program, "-p".into(), directory.clone(), "-c".into(), path],
            Kind::Haproxy => vec![program, if traced { "-db" } else { "-W" }.into(), "-f".into(), path],
        };
        if traced && self.kind == Kind::Nginx {
            command.extend(["-g".into(), "master_process off;".into()]);
        }
        Ok(Launch { command, environment: vec![("STATE_DIRECTORY".into(), directory)] })
    }

    /// What makes it read its configuration again.
    pub fn reload_signal(&self) -> Signal {
        if self.kind == Kind::Haproxy { Signal::USR2 } else { Signal::HUP }
    }

    /// Where the access log lies: HAProxy has no files, its lines go to stdout, which is the log.
    pub fn access_log(&self, directory: &Path) -> PathBuf {
        directory.join(if self.kind == Kind::Haproxy { "log" } else { "access.log" })
    }
}

/// The path of a program in the places where administrators' programs are.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    places.map(|place| place.join(name)).find(|file| file.is_file())
}

fn nginx(setting: &Setting) -> String {
    let mut hosts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for route in setting.routes {
        hosts.entry(&route.host).or_default().push(&route.prefix);
    }
    let servers = hosts.iter().map(|(host, prefixes)| {
        let mut server = format!("server {{\n    listen 127.0.0.1:{};\n    server_name {host};\n", setting.port);
        for prefix in prefixes {
            server.push_str(&format!("    location {prefix} {{ proxy_pass http://up; }}\n"));
        }
        if !prefixes.contains(&"/") {
            server.push_str("    location / { return 404; }\n");
        }
        server + "}"
    });
    let access_log = if setting.access_log {
        format!("access_log {}/access.log combined buffer=64k flush=1s;", setting.directory.display())
    } else {
        "access_log off;".into()
    };
    let hash_size = (4 * hosts.len()).max(512);
    common(NGINX, setting)
        .replace("@ACCESS_LOG@", &access_log)
        .replace("@HASH_SIZE@", &hash_size.to_string())
        .replace("@ORIGINS@", &lines(setting.origins.iter().map(|origin| format!("server {origin};")), 8))
        .replace("@ROUTES@", &lines(servers, 4))
}

fn haproxy(setting: &Setting) -> io::Result<String> {
    let routes = if setting.routes.len() <= CONDITIONS_MAX {
        let conditions = setting.routes.iter().map(|Route { host, prefix }| {
            format!("use_backend up if {{ hdr(host) -i {host} }} {{ path_beg {prefix} }}")
        });
        lines(conditions.chain(["default_backend none".into()]), 2)
    } else {
        let map = setting.directory.join("routes.map");
        fs::write(
            &map,
            setting.routes.iter().map(|route| format!("{}{} up\n", route.host, route.prefix)).collect::<String>(),
        )?;
        format!("use_backend %[base,map_beg({},none)]", map.display())
    };
    let servers = setting.origins.iter().enumerate();
    let servers = servers.map(|(nth, origin)| format!("server s{nth} {origin} pool-max-conn 64"));
    let access_log = if setting.access_log { "log stdout format raw daemon\n  option httplog" } else { "no log" };
    Ok(common(HAPROXY, setting)
        .replace("@ACCESS_LOG@", access_log)
        .replace("@ORIGINS@", &lines(servers, 2))
        .replace("@ROUTES@", &routes))
}

fn wharf(setting: &Setting) -> String {
    let access_log = if setting.access_log {
        format!("format: json, output: \"{}/access.log\"", setting.directory.display())
    } else {
        "output: none".into()
    };
    let routes = setting
        .routes
        .iter()
        .map(|Route { host, prefix }| format!("- match: {{ host: \"{host}\", path: \"{prefix}*\" }}\n  upstream: up"));
    common(WHARF, setting)
        .replace("@ACCESS_LOG@", &access_log)
        .replace("@ORIGINS@", &lines(setting.origins.iter().map(|origin| format!("- {origin}")), 6))
        .replace("@ROUTES@", &lines(routes, 2))
}

fn common(template: &str, setting: &Setting) -> String {
    template
        .replace("@PORT@", &setting.port.to_string())
        .replace("@ADMIN_PORT@", &setting.admin_port.to_string())
        .replace("@THREADS@", &setting.threads.to_string())
        .replace("@DIR@", &setting.directory.display().to_string())
}

/// Items below each other, indented; the template has indented the first line.
fn lines(items: impl Iterator<Item = String>, indent: usize) -> String {
    let between = format!("\n{}", " ".repeat(indent));
    items.map(|item| item.replace('\n', &between)).collect::<Vec<_>>().join(&between)
}
