//! The tutorial is a transcript: what its page says is typed, in its order, in an empty directory, and says what the page shows.
//!
//! It is typed on a host of its own as far as a user can tell: with its own network, `/run` and `/usr/local/bin`, and a real Docker engine at its
//! usual place. The two images that come from a registry are stood in for by small ones of the same names: a shell with a `cargo` that gives
//! out the program under test, and the libraries that this needs.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use regex::Regex;

use crate::deploy_engine::{all, done, has, program, stripped};
use crate::docs::output::{settled, shows};
use crate::docs::page::{Block, blocks, root};
use crate::harness::*;

const PAGE: &str = "docs/tutorials/first-gateway.md";

/// What the host runs, until nobody holds its input any more.
const HOST: &str = "
    mount -t tmpfs tmpfs /run && mount --bind \"$PWD/bin\" /usr/local/bin && ip link set lo up
    dockerd -H unix:///var/run/docker.sock --data-root \"$PWD/data\" --exec-root \"$PWD/exec\" --pidfile \"$PWD/pid\" \\
        --iptables=false --ip6tables=false >log 2>&1 &
    engine=$!
    cat >/dev/null
    docker ps --all --quiet | xargs --no-run-if-empty docker rm --force --volumes
    kill $engine
    wait $engine";

/// What compiles, in an image: it has what compiling wants, and gives out what there is.
const CARGO: &str = "[ \"$*\" = 'build --release --locked' ] && [ -f Cargo.lock ] && [ -d src ] && install -D /opt/wharf target/release/wharf";

/// A host of its own, which ends with all that runs there.
struct Desk {
    folder: PathBuf,
    host: Child,
    /// Other terminals.
    terminals: Vec<Process>,
}

impl Desk {
    fn new() -> Desk {
        // short: sockets have long names below it
        let folder = std::env::temp_dir().join(format!("wharf-tutorial-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        for part in ["bin", "work", "home"] {
            std::fs::create_dir_all(folder.join(part)).unwrap();
        }
        // who types is root already
        write_script(&folder.join("bin/sudo"), "exec \"$@\"");
        let host = Command::new("unshare")
            .args(["--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", HOST])
            .current_dir(&folder)
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("DOCKER_HOST", "unix:///var/run/docker.sock")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let desk = Desk { folder, host, terminals: Vec::new() };
        eventually(STARTED, || desk.shell("docker info").output().unwrap().status.success().then_some(()));
        desk.pull();
        desk
    }

    /// Makes the images that `deploy/Dockerfile` has from a registry.
    fn pull(&self) {
        let file = std::fs::read_to_string(root().join("deploy/Dockerfile")).unwrap();
        let image = |argument: &str| {
            let found = Regex::new(&format!("(?m)^ARG {argument}=(.+)$")).unwrap().captures(&file).unwrap();
            found[1].to_owned()
        };
        let shell = self.folder.join("shell");
        std::fs::create_dir_all(shell.join("bin")).unwrap();
        std::fs::create_dir_all(shell.join("tmp")).unwrap();
        std::fs::create_dir_all(shell.join("opt")).unwrap();
        let busybox = program("busybox").unwrap();
        std::fs::copy(&busybox, shell.join("bin/busybox")).unwrap();
        for tool in done(Command::new(&busybox).arg("--list")).lines().filter(|tool| *tool != "busybox") {
            std::os::unix::fs::symlink("busybox", shell.join("bin").join(tool)).unwrap();
        }
        std::fs::copy(stripped(), shell.join("opt/wharf")).unwrap();
        write_script(&shell.join("bin/cargo"), CARGO);
        for tool in ["cc", "cmake", "make", "strip"] {
            let path = shell.join("bin").join(tool);
            let _ = std::fs::remove_file(&path);
            write_script(&path, "");
        }
        // Debian's has no applet for it
        std::fs::copy("/usr/bin/install", shell.join("bin/install")).unwrap();
        copy_libraries(Path::new("/usr/bin/install"), &shell);
        let libraries = self.folder.join("libraries");
        copy_libraries(stripped(), &libraries);
        for (tree, image) in [(shell, image("BUILDER")), (libraries, image("BASE"))] {
            done(&mut self.shell(&format!("tar -C {} -c . | docker import - {image}", tree.display())));
        }
    }

    /// A shell on the host, in the directory that the page speaks of.
    fn shell(&self, command: &str) -> Command {
        self.shell_in(&self.folder.join("work"), command)
    }

    fn shell_in(&self, folder: &Path, command: &str) -> Command {
        let of_host = format!("/proc/{}/ns", self.host.id());
        let mut shell = Command::new("nsenter");
        shell
            .args([format!("--net={of_host}/net"), format!("--mount={of_host}/mnt")])
            .arg(format!("--pid={of_host}/pid_for_children"))
            .args(["bash", "-c", "cd \"$0\" && eval \"$1\""])
            .arg(folder)
            .arg(command)
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.folder.join("home"))
            // as engines and clients of today have it
            .env("DOCKER_BUILDKIT", "1")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        for variable in ["DOCKER_HOST", "STATE_DIRECTORY", "XDG_STATE_HOME", "HOSTNAME"] {
            shell.env_remove(variable);
        }
        shell
    }

    /// Types what a block has, and complains where something else is said.
    fn type_in(&mut self, block: &Block) -> Vec<String> {
        let mut wrong = Vec::new();
        let file = self.folder.join(format!("said-{}", block.line));
        let folder = if block.says("clone") { root().to_owned() } else { self.folder.join("work") };
        for part in block.text.split("$ ").skip(1) {
            let (command, shown) = part.split_once('\n').unwrap();
            let output = std::fs::File::create(&file).unwrap();
            let mut shell = self.shell_in(&folder, command);
            shell.stdout(output.try_clone().unwrap()).stderr(output);
            let is_shown = || shows(&settled(shown), &settled(&std::fs::read_to_string(&file).unwrap_or_default()));
            let status = match block.says("serves") {
                true => {
                    self.terminals.push(Process::of(shell.spawn().unwrap()));
                    eventually(PATIENCE, || is_shown().then_some(0))
                }
                false => shell.status().unwrap().code().unwrap_or(-1),
            };
            if status != 0 || !is_shown() {
                let said = std::fs::read_to_string(&file).unwrap();
                wrong.push(format!(
                    "{PAGE}:{}: `{command}` ends with {status}, shows\n{shown}and says\n{said}",
                    block.line
                ));
                break;
            }
        }
        wrong
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        drop(self.host.stdin.take());
        let _ = self.host.wait();
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

/// How long the engine may take to start.
const STARTED: std::time::Duration = std::time::Duration::from_secs(60);

/// Copies what a program needs, to its place in a tree.
fn copy_libraries(program: &Path, tree: &Path) {
    let needed = done(Command::new("ldd").arg(program));
    for found in Regex::new(r"(/\S+) \(0x").unwrap().captures_iter(&needed) {
        let path = tree.join(found[1].trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::copy(&found[1], path).unwrap();
    }
}

fn write_script(path: &Path, does: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, format!("#!/bin/sh\n{does}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn the_tutorial_gets_there_as_its_page_says() {
    let is_root = rustix::process::geteuid().is_root();
    let programs = ["dockerd", "docker", "busybox", "strip", "unshare", "nsenter", "ip", "make", "git", "curl"];
    if !has(&programs) || !skip_unless(is_root, "an engine needs root") {
        return;
    }
    let text = std::fs::read_to_string(root().join(PAGE)).unwrap();
    let mut desk = Desk::new();
    let mut commands = 0;
    for block in blocks(&text) {
        match &*block.language {
            "yaml" => std::fs::write(desk.folder.join("work/gateway.yaml"), &block.text).unwrap(),
            "console" => {
                commands += block.text.matches("$ ").count();
                let wrong = desk.type_in(&block);
                let log = || all(&desk.shell("tail -n 30 ../said-*").output().unwrap());
                assert!(wrong.is_empty(), "\n{}\n{}", wrong.join("\n"), log());
            }
            other => panic!("{PAGE}:{}: what is to be done with `{other}`?", block.line),
        }
    }
    assert!(commands >= 30, "only {commands} commands are left");
}
