//! The other gateways: how each is asked about a file, and what of its answer is kept.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program that is asked about the same mistakes.
pub struct Peer {
    /// Its name in the files of a case.
    pub key: &'static str,
    /// Its name as its makers write it.
    pub name: &'static str,
    /// Where its recorded answer lies.
    pub answer: &'static str,
    /// Its files, the one that comes first being the one with the mistake where both are there.
    pub files: &'static [&'static str],
    /// What stands before the number of a line in its answers.
    pub places: &'static [&'static str],
}

/// In the order of the table.
pub const PEERS: [Peer; 4] = [
    Peer { key: "nginx", name: "nginx", answer: "nginx.txt", files: &["nginx.conf"], places: &["nginx.conf:"] },
    Peer { key: "haproxy", name: "HAProxy", answer: "haproxy.txt", files: &["haproxy.cfg"], places: &["haproxy.cfg:"] },
    Peer { key: "caddy", name: "Caddy", answer: "caddy.txt", files: &["Caddyfile"], places: &["Caddyfile:"] },
    Peer {
        key: "traefik",
        name: "Traefik",
        answer: "traefik.txt",
        files: &["traefik.yaml", "traefik.routes.yaml"],
        places: &["yaml: line ", "\\n  line "],
    },
];

impl Peer {
    /// The file of a case that holds the mistake for this program.
    pub fn file(&self, case: &Path) -> Option<PathBuf> {
        self.files.iter().map(|file| case.join(file)).find(|file| file.exists())
    }

    /// The version of the program, and nothing where it is not installed. `programs` is where to look besides PATH.
    pub fn version(&self, programs: &Path) -> Option<String> {
        let argument = match self.key {
            "caddy" | "traefik" => "version",
            _ => "-v",
        };
        let output = self.command(programs).arg(argument).output().ok()?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        let numbers = said.split(|c: char| c.is_whitespace() || "/v-+".contains(c));
        numbers.into_iter().find(|word| word.matches('.').count() == 2 && word.starts_with(digit)).map(str::to_owned)
    }

    /// What the program says about the case: its exit status in the first line, then what is worth reading.
    pub fn ask(&self, programs: &Path, case: &Path) -> String {
        let mut command = self.command(programs);
        match self.key {
            "nginx" => {
                let scratch = super::scratch("nginx");
                let globals = format!("pid {}/pid; error_log stderr;", scratch.display());
                command.args(["-t", "-c"]).arg(case.join("nginx.conf")).arg("-g").arg(globals).arg("-p").arg(scratch);
            }
            "haproxy" => _ = command.args(["-c", "-f", "haproxy.cfg"]),
            "caddy" => _ = command.args(["validate", "--adapter", "caddyfile", "--config", "Caddyfile"]),
            _ if case.join("traefik.yaml").exists() => _ = command.arg("--configFile=traefik.yaml"),
            _ => {
                command.args(["--entryPoints.web.address=:8000", "--providers.file.filename=traefik.routes.yaml"]);
            }
        }
        let output = command.current_dir(case).env_remove("APP_2").output().expect("the program starts");
        let said = [output.stdout, output.stderr].concat();
        let said = plain(&String::from_utf8_lossy(&said)).replace(&format!("{}/", case.display()), "");
        let mut kept: Vec<String> = Vec::new();
        for line in said.lines().filter_map(|line| self.worth_reading(line)) {
            if !kept.contains(&line) {
                kept.push(line);
            }
        }
        let status = match output.status.code() {
            // Traefik has no mode that only checks: it was stopped after two seconds.
            Some(124) => "running".to_owned(),
            code => format!("exit {}", code.unwrap_or(-1)),
        };
        let mut answer = status + "\n";
        kept.iter().for_each(|line| _ = writeln!(answer, "{line}"));
        answer
    }

    fn command(&self, programs: &Path) -> Command {
        let system = Path::new("/usr/sbin").join(self.key);
        let own = programs.join(self.key);
        let program = [own, system].into_iter().find(|path| path.exists()).unwrap_or_else(|| self.key.into());
        if self.key != "traefik" {
            return Command::new(program);
        }
        let mut command = Command::new("timeout");
        command.arg("2").arg(program);
        command
    }

    /// A line without dates and process numbers; nothing for one that says nothing about the mistake.
    fn worth_reading(&self, line: &str) -> Option<String> {
        match self.key {
            "nginx" => {
                let line = &line[line.find('[').filter(|_| !line.starts_with("nginx: configuration"))?..];
                let (level, rest) = line.split_once(' ')?;
                Some(format!("{level} {}", rest.split_once(": ")?.1))
            }
            "haproxy" => {
                let noise = ["[NOTICE]", "Configuration file", "Warnings were", "Error(s)", "Fatal errors"];
                if noise.iter().any(|noise| line.contains(noise)) || line.is_empty() {
                    return None;
                }
                let Some((level, rest)) = line.split_once(" : ").filter(|_| line.starts_with('[')) else {
                    return Some(line.to_owned());
                };
                Some(format!("{} {rest}", level.split(' ').next()?))
            }
            "caddy" => {
                let line: serde_json::Value = serde_json::from_str(line).ok()?;
                let said = line["msg"].as_str()?;
                match (line["level"].as_str()?, line["line"].as_u64()) {
                    ("info" | "debug", _) => None,
                    (level, None) => Some(format!("[{level}] {said}")),
                    (level, Some(number)) => Some(format!("[{level}] {said}, at Caddyfile:{number}")),
                }
            }
            _ => Some(format!("ERR {}", line.split_once(" ERR ")?.1)),
        }
    }
}

/// The lines of the file that an answer speaks of.
pub fn lines_named(peer: &Peer, answer: &str) -> Vec<usize> {
    let mut lines = Vec::new();
    for place in peer.places {
        for (at, _) in answer.match_indices(place) {
            let digits: String = answer[at + place.len()..].chars().take_while(char::is_ascii_digit).collect();
            lines.extend(digits.parse::<usize>());
        }
    }
    lines
}

fn digit(c: char) -> bool {
    c.is_ascii_digit()
}

/// Text without the colours of a terminal.
fn plain(text: &str) -> String {
    let mut parts = text.split('\x1b');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    parts.for_each(|part| plain.push_str(part.split_once('m').map_or(part, |(_, rest)| rest)));
    plain
}
