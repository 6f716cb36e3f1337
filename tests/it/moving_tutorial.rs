//! The tutorial is a transcript: what its page says is typed, in its order, in an empty directory, and says what the page shows.
//!
//! Containers are processes here, which the page offers where there is no engine: `docker` is a script that starts and ends them.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use regex::Regex;
use rustix::process::{Pid, Signal, kill_process};

use crate::docs::output::{settled, shows};
use crate::docs::page::{Block, blocks, root};
use crate::harness::*;

const PAGE: &str = "docs/tutorials/first-gateway.md";

/// What the page does with an engine, by processes: a container is a folder with its port and its process.
const DOCKER: &str = r#"
begin() { read -r name port < "$BOXES/$1"; wharf demo --service "$name" --listen "$HERE:$port" >>"$BOXES/$1.log" 2>&1 & echo $! > "$BOXES/$1.pid"; }
end() { kill -s "$2" "$(cat "$BOXES/$1.pid")"; }
case $1 in
    run)
        # --detach --init --name NAME --publish IP:PORT:3000 IMAGE demo --service NAME --listen 0.0.0.0:3000
        [ "$2 $3 $4 $6 $8 $9" = '--detach --init --name --publish wharf demo' ] || exit 64
        port=${7%:3000}; echo "$5 ${port##*:}" > "$BOXES/$5"; begin "$5"; echo 0123456789ab ;;
    start) begin "$2"; echo "$2" ;;
    stop) end "$2" TERM; echo "$2" ;;
    kill) end "$2" KILL; echo "$2" ;;
    *) exit 64 ;;
esac
"#;

/// Where it happens. All that was started ends with it.
struct Desk {
    here: Ipv4Addr,
    folder: PathBuf,
    /// Other terminals.
    terminals: Vec<Process>,
}

impl Desk {
    fn new() -> Desk {
        let here = own_address();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("tutorial-{here}"));
        let _ = std::fs::remove_dir_all(&folder);
        for part in ["bin", "boxes", "work", "state"] {
            std::fs::create_dir_all(folder.join(part)).unwrap();
        }
        let wharf = format!("echo $$ >> '{}/pids'\nexec '{}' \"$@\"\n", folder.display(), env!("CARGO_BIN_EXE_wharf"));
        for (name, does) in [("docker", DOCKER), ("wharf", &wharf)] {
            let path = folder.join("bin").join(name);
            std::fs::write(&path, format!("#!/bin/bash\n{does}")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        Desk { here, folder, terminals: Vec::new() }
    }

    /// With an address of its own in place of everybody's; a container's `0.0.0.0` is its own affair.
    fn own(&self, text: &str) -> String {
        let address = Regex::new(r"(localhost|127\.0\.0\.1)([:/])").unwrap();
        let text = address.replace_all(text, format!("{}$2", self.here));
        text.replace("\":8080\"", &format!("\"{}:8080\"", self.here))
    }

    /// What a command says is kept in this file.
    fn shell(&self, command: &str, said: &Path) -> Command {
        let output = std::fs::File::create(said).unwrap();
        let mut shell = Command::new("/usr/bin/timeout");
        shell
            .args(["60", "bash", "-c", &self.own(command)])
            .current_dir(self.folder.join("work"))
            .env("PATH", format!("{}:/usr/bin:/bin", self.folder.join("bin").display()))
            .env("BOXES", self.folder.join("boxes"))
            .env("HERE", self.here.to_string())
            .env("STATE_DIRECTORY", self.folder.join("state"))
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output);
        shell
    }

    fn said(&self, file: &Path) -> String {
        std::fs::read_to_string(file).unwrap().replace(&self.here.to_string(), "127.0.0.1")
    }

    fn is_shown(&self, shown: &str, file: &Path) -> bool {
        shows(&settled(shown), &settled(&self.said(file)))
    }

    /// Types what a block has, and complains where something else is said.
    fn type_in(&mut self, block: &Block) -> Vec<String> {
        let mut wrong = Vec::new();
        let file = self.folder.join(format!("said-{}", block.line));
        for part in block.text.split("$ ").skip(1) {
            let (command, shown) = part.split_once('\n').unwrap();
            let mut shell = self.shell(command, &file);
            let status = match block.says("serves") {
                true => {
                    self.terminals.push(Process::of(shell.spawn().unwrap()));
                    eventually(PATIENCE, || self.is_shown(shown, &file).then_some(0))
                }
                false => shell.status().unwrap().code().unwrap_or(-1),
            };
            if status != 0 || !self.is_shown(shown, &file) {
                let said = self.said(&file);
                wrong.push(format!(
                    "{PAGE}:{}: `{command}` ends with {status}, shows\n{shown}and says\n{said}",
                    block.line
                ));
            }
        }
        wrong
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let pids = std::fs::read_to_string(self.folder.join("pids")).unwrap_or_default();
        let program = std::fs::canonicalize(env!("CARGO_BIN_EXE_wharf")).unwrap();
        for pid in pids.lines().filter_map(|line| line.parse().ok()).collect::<BTreeSet<i32>>() {
            // a number may be another process's by now
            let is_ours = std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program);
            let lives_here =
                std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(&self.folder));
            if is_ours && lives_here {
                kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).ok();
            }
        }
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

#[test]
fn the_tutorial_gets_there_as_its_page_says() {
    let text = std::fs::read_to_string(root().join(PAGE)).unwrap();
    let mut desk = Desk::new();
    let mut commands = 0;
    for block in blocks(&text) {
        match &*block.language {
            "yaml" => std::fs::write(desk.folder.join("work/gateway.yaml"), desk.own(&block.text)).unwrap(),
            "console" => {
                commands += block.text.matches("$ ").count();
                let wrong = desk.type_in(&block);
                assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
            }
            other => panic!("{PAGE}:{}: what is to be done with `{other}`?", block.line),
        }
    }
    assert!(commands >= 15, "only {commands} commands are left");
}
