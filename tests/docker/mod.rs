//! A real Docker engine of a program's own, whose sockets, networks and files clash with no other's, with an image that is a shell and
//! its tools alone, so that no registry is needed. Several of these programs start one.

mod door;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub use door::Door;

/// How long an engine may take to start, to stop, or to do what it is told.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Where systems keep the programs of administrators too.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin";
const ENGINE: &str = "/usr/sbin/dockerd";
/// A shell that needs no libraries.
const SHELL: &str = "/bin/busybox";
const TOOLS: [&str; 9] = ["sh", "sleep", "httpd", "wget", "mkdir", "chmod", "kill", "cat", "hostname"];

/// The image that [`Engine::start`] makes.
pub const SHELL_IMAGE: &str = "shell";

/// A running engine, without a bridge and without firewall rules. It ends with this, and with the program.
pub struct Engine {
    folder: PathBuf,
    /// Gets orders; stops the engine when there will be no more.
    guardian: Child,
}

impl Engine {
    /// What the machine lacks for one.
    pub fn lacks() -> Option<String> {
        let missing = [ENGINE, SHELL].into_iter().find(|file| !Path::new(file).exists());
        let missing = missing.map(|file| format!("{file} is not installed (deploy/setup test)"));
        missing.or_else(|| (!rustix::process::geteuid().is_root()).then(|| "an engine needs root".to_owned()))
    }

    /// One with further flags, its image made.
    pub fn start(niceness: u8, flags: &[&str]) -> io::Result<Engine> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let (process, number) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        // short: sockets have long names below it
        let folder = std::env::temp_dir().join(format!("wharf-docker-{process}-{number}"));
        std::fs::create_dir_all(&folder)?;
        // sixteen networks of its own
        let pool = format!("base=10.{}.{}.0/20,size=24", 20 + process % 220, 16 * (number % 16));
        let guardian = Command::new("setsid")
            .args(["sh", "-c", include_str!("guardian.sh"), "guardian", &niceness.to_string()])
            .args(["--default-address-pool", &pool])
            .args(flags)
            .current_dir(&folder)
            .env("PATH", PATH)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let engine = Engine { folder, guardian };
        engine.wait_until_it_answers()?;
        engine.make_image()?;
        Ok(engine)
    }

    /// Waits until it answers, as it does soon after its start.
    pub fn wait_until_it_answers(&self) -> io::Result<()> {
        let start = Instant::now();
        while !self.client("docker").arg("version").output()?.status.success() {
            if start.elapsed() > PATIENCE {
                let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                return Err(io::Error::other(format!("the engine does not answer\n{log}")));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn make_image(&self) -> io::Result<()> {
        let tree = self.folder.join("tree");
        for folder in ["bin", "tmp", "www"] {
            std::fs::create_dir_all(tree.join(folder))?;
        }
        std::fs::copy(SHELL, tree.join("bin/busybox"))?;
        for tool in TOOLS {
            std::os::unix::fs::symlink("busybox", tree.join("bin").join(tool))?;
        }
        let import = format!("tar -C {} -c . | docker import - {SHELL_IMAGE}", tree.display());
        done(self.client("sh").args(["-c", &import])).map(drop)
    }

    /// Its own folder, which goes with it.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.join("docker.sock")
    }

    /// A command that talks to this engine.
    pub fn client(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command.env("DOCKER_HOST", format!("unix://{}", self.socket().display()));
        command.env("PATH", PATH).stdin(Stdio::null());
        command
    }

    /// What a command of the client says, which must succeed.
    pub fn say(&self, arguments: &[&str]) -> io::Result<String> {
        done(self.client("docker").args(arguments))
    }

    /// Kills it at once, as a lack of memory does. What it runs goes on until the next start.
    pub fn kill(&mut self) -> io::Result<()> {
        self.order("kill")
    }

    /// Starts it anew after [`Engine::kill`].
    pub fn start_again(&mut self) -> io::Result<()> {
        self.order("start")?;
        self.wait_until_it_answers()
    }

    fn order(&mut self, order: &str) -> io::Result<()> {
        let orders = self.guardian.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        writeln!(orders, "{order}")
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        drop(self.guardian.stdin.take());
        let _ = self.guardian.wait();
    }
}

/// Runs a command that must succeed: what it wrote to stdout.
pub fn done(command: &mut Command) -> io::Result<String> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("{command:?}: {:?}\n{said}", output.status.code())))
}
