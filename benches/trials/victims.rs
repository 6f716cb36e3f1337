//! Endpoints in processes of their own, which are killed and come back, and what may be lost by that.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::origin::Origins;
use crate::tally::{Failure, Kind, Tally};
use crate::verdict::Verdict;

/// How long an endpoint may take to listen again.
const START_PATIENCE: Duration = Duration::from_secs(5);

/// The endpoints' half of this program: answers until it is killed.
pub fn become_origin(words: &[String]) -> io::Result<()> {
    // Nothing outlives the run.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    let [number, record, address] = words else { return Err(io::Error::other("number, record and address, please")) };
    let number = number.parse().map_err(io::Error::other)?;
    let address = address.parse().map_err(io::Error::other)?;
    Origins::bind(number, &[address], Path::new(record))?.serve()
}

pub struct Victims {
    addresses: Vec<SocketAddr>,
    record: PathBuf,
    children: Vec<Child>,
    /// When each kill was, from the signal until the process was gone.
    windows: Vec<(Instant, Instant)>,
    /// POSTs in flight at the kills, over all endpoints.
    posts_in_flight: u64,
}

impl Victims {
    /// Starts them. They get a KILL when the calling thread ends.
    pub fn start(addresses: Vec<SocketAddr>, record: &Path) -> io::Result<Victims> {
        let mut victims =
            Victims { children: Vec::new(), record: record.into(), windows: Vec::new(), posts_in_flight: 0, addresses };
        for nth in 0..victims.addresses.len() {
            let child = victims.spawn(nth)?;
            victims.children.push(child);
        }
        Ok(victims)
    }

    fn spawn(&self, nth: usize) -> io::Result<Child> {
        let address = self.addresses[nth];
        let child = Command::new(std::env::current_exe()?)
            .args(["origin", &nth.to_string(), &self.record.display().to_string(), &address.to_string()])
            .stdin(Stdio::null())
            .spawn()?;
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            if start.elapsed() > START_PATIENCE {
                return Err(io::Error::other(format!("endpoint {nth} does not listen on {address}")));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(child)
    }

    /// Kills one, and takes note of when it was gone.
    pub fn kill(&mut self, nth: usize, tally: &Tally) -> io::Result<()> {
        let start = Instant::now();
        let before = tally.count(&tally.posts);
        let in_flight = tally.count(&tally.posts_in_flight);
        self.children[nth].kill()?;
        self.children[nth].wait()?;
        self.windows.push((start, Instant::now()));
        // Also those sent while it was dying.
        self.posts_in_flight += in_flight + tally.count(&tally.posts) - before;
        Ok(())
    }

    /// Brings one back.
    pub fn restart(&mut self, nth: usize) -> io::Result<()> {
        self.children[nth] = self.spawn(nth)?;
        Ok(())
    }

    pub fn kills(&self) -> usize {
        self.windows.len()
    }

    /// Whether a request was under way while an endpoint died.
    fn met_a_kill(&self, failure: &Failure) -> bool {
        self.windows.iter().any(|(start, gone)| failure.sent <= *gone && failure.ended >= *start)
    }

    /// What was lost, in words; and whether more was lost than may be.
    pub fn judge(&self, what: &str, tally: &Tally, verdict: &mut Verdict) -> String {
        let failures = tally.failures();
        let sort = |wanted: &dyn Fn(&Failure) -> bool| -> Vec<Failure> {
            failures.iter().filter(|failure| wanted(failure)).cloned().collect()
        };
        let foreign = sort(&|failure| matches!(failure.kind, Kind::NotItsOwn | Kind::Refused | Kind::Timeout));
        let is_post =
            |failure: &Failure| failure.method == "POST" && !foreign.iter().any(|f| f.number == failure.number);
        let is_get = |failure: &Failure| failure.method == "GET" && !foreign.iter().any(|f| f.number == failure.number);
        let gets = sort(&|failure| is_get(failure) && !failure.begun);
        let cut = sort(&|failure| is_get(failure) && failure.begun);
        let late_cut = sort(&|failure| is_get(failure) && failure.begun && !self.met_a_kill(failure));
        let posts = sort(&is_post);
        let late_posts = sort(&|failure| is_post(failure) && !self.met_a_kill(failure));
        let lists = [
            (&foreign, "requests got no or another's answer"),
            (&gets, "GETs failed whose response had not begun"),
            (&late_cut, "responses were cut though nothing was killed meanwhile"),
            (&late_posts, "POSTs failed that were not in flight at a kill"),
        ];
        for (list, sentence) in lists {
            verdict.show(list);
            verdict.holds(list.is_empty(), || format!("{what}: {} {sentence}", list.len()));
        }
        verdict.holds(posts.len() as u64 <= self.posts_in_flight, || {
            format!("{what}: {} POSTs failed, {} were in flight at the kills", posts.len(), self.posts_in_flight)
        });
        format!(
            "GETs failed before their response {}, cut in the middle of it {}; POSTs failed {} of {} in flight at the kills",
            gets.len(),
            cut.len(),
            posts.len(),
            self.posts_in_flight
        )
    }
}

impl Drop for Victims {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
