//! A Docker engine of this run's own, with images made without a registry.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use crate::docker;
use crate::harness::*;

/// Debian's release that images are made of.
const RELEASE: &str = "bookworm";

/// A running engine. It ends, with all its containers, when the process of the tests does.
pub struct Engine(docker::Engine);

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A program of Debian's, where an ordinary user's PATH does not look.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let places = ["/usr/bin", "/usr/sbin", "/sbin", "/bin"].into_iter().chain(path.split(':'));
    places.map(|place| Path::new(place).join(name)).find(|path| path.exists())
}

/// Whether all that a test stands on is there; says so where it is not, which in CI is a failure.
#[track_caller]
pub fn has(programs: &[&str]) -> bool {
    let missing: Vec<&str> = programs.iter().copied().filter(|name| program(name).is_none()).collect();
    skip_unless(missing.is_empty(), &format!("{} not installed (deploy/setup test)", missing.join(", ")))
}

/// Runs a command that must succeed: what it wrote to stdout.
#[track_caller]
pub fn done(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let said = all(&output);
    assert!(output.status.success(), "{command:?}: {:?}\n{said}", output.status.code());
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// All that a command wrote.
pub fn all(output: &Output) -> String {
    [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).concat()
}

/// Its own name for this run.
pub fn own(name: &str) -> String {
    format!("{name}-{}", std::process::id())
}

/// An empty folder.
pub fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(own(name));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// The program as it is shipped: without what a debugger wants.
pub fn stripped() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("stripped-wharf");
        let fresh = path.with_extension(std::process::id().to_string());
        done(Command::new("strip").arg("-o").arg(&fresh).arg(env!("CARGO_BIN_EXE_wharf")));
        std::fs::rename(fresh, &path).unwrap();
        path
    })
}

/// An empty Debian, made once and kept for the next run.
pub fn debian() -> &'static Path {
    static TREE: OnceLock<PathBuf> = OnceLock::new();
    TREE.get_or_init(|| {
        let tree = Path::new(env!("CARGO_TARGET_TMPDIR")).join("debian-systemd");
        if tree.join("complete").exists() {
            return tree;
        }
        let _ = std::fs::remove_dir_all(&tree);
        let sources =
            "grep -rhoE 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d | head -n 1";
        let mirror = done(Command::new("sh").args(["-c", sources]));
        let mirror = Some(mirror.trim()).filter(|m| !m.is_empty()).unwrap_or("http://deb.debian.org/debian");
        // other tests run meanwhile, some of which watch the clock
        let mut debootstrap = Command::new("nice");
        debootstrap
            .arg(program("debootstrap").unwrap())
            .args(["--variant=minbase", "--include=systemd", RELEASE])
            .arg(&tree)
            .arg(mirror);
        done(debootstrap.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"));
        for waste in ["usr/share/doc", "usr/share/locale", "usr/share/man", "var/cache/apt", "var/lib/apt/lists"] {
            let _ = std::fs::remove_dir_all(tree.join(waste));
        }
        std::fs::write(tree.join("complete"), "").unwrap();
        tree
    })
}

/// The engine of this run, started when the first test asks; none where it cannot be had.
#[track_caller]
pub fn engine() -> Option<&'static Engine> {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    let lacks = docker::Engine::lacks();
    let can = has(&["docker", "debootstrap", "strip"]) && skip_unless(lacks.is_none(), &lacks.unwrap_or_default());
    // other tests run while it builds images, some of which watch the clock
    can.then(|| ENGINE.get_or_init(|| Engine(docker::Engine::start(10, &[]).unwrap())))
}

impl Engine {
    /// Where it answers.
    pub fn socket(&self) -> PathBuf {
        self.0.socket()
    }

    /// A command of the client, for this engine.
    pub fn docker(&self) -> Command {
        self.client(&program("docker").unwrap())
    }

    /// A command that talks to this engine.
    pub fn client(&self, program: &Path) -> Command {
        let mut command = self.0.client(program);
        command.env("DOCKER_BUILDKIT", "1");
        command
    }

    /// What a command of the client says, which must succeed.
    #[track_caller]
    pub fn say(&self, arguments: &[&str]) -> String {
        done(self.docker().args(arguments)).trim().to_owned()
    }

    /// `docker inspect` with a template.
    #[track_caller]
    pub fn inspect(&self, what: &str, template: &str) -> String {
        self.say(&["inspect", "--format", template, what])
    }

    /// Waits until a container's health check has passed.
    #[track_caller]
    pub fn await_healthy(&self, container: &str) {
        eventually(docker::PATIENCE, || {
            let state = self.inspect(container, "{{.State.Status}} {{.State.Health.Status}}");
            assert!(!state.starts_with("exited"), "{state}: {}", self.logs(container));
            (state == "running healthy").then_some(())
        });
    }

    pub fn logs(&self, container: &str) -> String {
        all(&self.docker().args(["logs", container]).output().unwrap())
    }

    /// Ends and forgets a container.
    pub fn remove(&self, container: &str) {
        let _ = self.docker().args(["rm", "--force", "--volumes", container]).output();
    }

    /// The image `debian`: what a base from a registry would be.
    pub fn base(&self) -> &'static str {
        static BASE: OnceLock<()> = OnceLock::new();
        BASE.get_or_init(|| {
            let import = format!("tar --one-file-system -C {} -c . | docker import - debian", debian().display());
            done(self.client(Path::new("sh")).args(["-c", &import]));
        });
        "debian"
    }

    /// The image `wharf` as `deploy/Dockerfile` makes it. What takes minutes, compiling, is stood in for: its base has a `cargo` that gives
    /// out the program under test.
    pub fn image(&self) -> &'static str {
        static IMAGE: OnceLock<()> = OnceLock::new();
        IMAGE.get_or_init(|| {
            let folder = scratch("builder");
            std::fs::copy(stripped(), folder.join("wharf")).unwrap();
            let cargo = "#!/bin/sh -e\n[ \"$*\" = 'build --release --locked' ]\n[ -f Cargo.lock ] && [ -d src ]\n\
                         install -D /opt/wharf target/release/wharf\n";
            std::fs::write(folder.join("cargo"), cargo).unwrap();
            std::fs::write(
                folder.join("Dockerfile"),
                "FROM debian\nCOPY wharf /opt/wharf\nCOPY cargo /usr/local/bin/cargo\n\
                 RUN chmod 755 /usr/local/bin/cargo && touch /usr/include/locale.h && \
                 for tool in cc cmake make strip; do ln -s /bin/true /usr/local/bin/$tool; done\n",
            )
            .unwrap();
            self.base();
            self.say(&["build", "--quiet", "--network=host", "--tag", "builder", folder.to_str().unwrap()]);
            let root = root().to_str().unwrap();
            let file = format!("{root}/deploy/Dockerfile");
            let arguments = ["BUILDER=builder", "BASE=debian", "WHARF_REVISION=tried"];
            let mut build = self.docker();
            build.args(["build", "--network=host", "--file", &file, "--tag", "wharf"]);
            for argument in arguments {
                build.args(["--build-arg", argument]);
            }
            done(build.arg(root));
            std::fs::remove_dir_all(folder).unwrap();
        });
        "wharf"
    }
}
