//! What an agent hands over in a file: the endpoints that it finds, and nothing else of the engine. The gateway that reads the file needs no
//! way to the engine, whose socket is as good as root.

use super::Settings;
use super::follow::follow;
use crate::discovery::{Board, Claim, Found, News, SourceKind};
use crate::value::open_regular;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::{sleep, timeout};

/// The agent writes the file at least this often, so that who reads it knows that it is there,
const BEAT: Duration = Duration::from_secs(5);
/// and one that is older tells nothing of what is true now.
const AGE_MAX: Duration = Duration::from_secs(20);
/// What changes within this is written at once.
const TOGETHER: Duration = Duration::from_millis(10);
/// How often it is looked whether the file is another one.
const LOOK: Duration = Duration::from_millis(100);
/// The largest file, in bytes.
const BYTES_MAX: u64 = 32 << 20;
/// The version of the file's form.
const VERSION: u32 = 1;

/// What stands in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Handout {
    version: u32,
    /// Why the engine cannot say what is true now: what follows is what it said last.
    #[serde(default)]
    error: Option<String>,
    /// Endpoints by service; nothing before the engine has said something.
    #[serde(default)]
    services: Option<BTreeMap<Box<str>, Vec<Found>>>,
    /// Routes that containers ask for.
    #[serde(default)]
    claims: Vec<Claim>,
    /// What is wrong with containers.
    #[serde(default)]
    warnings: BTreeSet<String>,
}

/// Follows an engine for ever, and keeps what it says in a file. An error is one of writing the first one: later ones are logged.
pub async fn hand_out(settings: Settings, out: &Path) -> io::Result<()> {
    let board = Arc::new(Board::default());
    // what the agent before knew holds until the engine says something
    let (mut services, mut claims) = read(out).map(|old| (old.services, old.claims)).unwrap_or_default();
    let mut written = Handout {
        version: VERSION,
        error: None,
        services: services.clone(),
        claims: claims.clone(),
        warnings: BTreeSet::new(),
    };
    if services.is_none() {
        write(out, &written)?;
    }
    tokio::spawn(follow(Arc::clone(&board), settings));
    loop {
        let waited = timeout(BEAT, board.news()).await;
        sleep(TOGETHER).await;
        let (sets, made, standing) = board.said(SourceKind::Docker);
        if sets.is_some() {
            (services, claims) = (sets, made);
        }
        let (error, warnings) = standing.map_or((None, Vec::new()), |standing| (standing.error, standing.warnings));
        let next = Handout {
            version: VERSION,
            error,
            services: services.clone(),
            claims: claims.clone(),
            warnings: warnings.into_iter().collect(),
        };
        if next == written && waited.is_ok() {
            continue;
        }
        match write(out, &next) {
            Ok(()) => written = next,
            Err(e) => log::error!("{} cannot be written: {e}", out.display()),
        }
    }
}

/// The file is there whole, or as it was before.
fn write(out: &Path, handout: &Handout) -> io::Result<()> {
    let fresh = PathBuf::from(format!("{}.new", out.display()));
    std::fs::write(&fresh, serde_json::to_vec_pretty(handout)?)?;
    std::fs::rename(&fresh, out)
}

fn read(path: &Path) -> Result<Handout, String> {
    let shown = path.display();
    let unread = |e: io::Error| format!("{shown} cannot be read: {e}");
    // whoever may write there may put anything in its place, and may go on to write
    let mut bytes = Vec::new();
    open_regular(path).map_err(unread)?.take(BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unread)?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(format!("{shown} is larger than {} MiB", BYTES_MAX >> 20));
    }
    let handout: Handout =
        serde_json::from_slice(&bytes).map_err(|e| format!("{shown} is not what an agent writes: {e}"))?;
    match handout.version {
        VERSION => Ok(handout),
        other => Err(format!("{shown} has the form {other} of an agent, and the gateway reads {VERSION}")),
    }
}

/// Follows the file of an agent for ever, and tells the board.
pub(super) async fn follow_file(board: &Board, path: &Path) {
    let (mut known, mut told) = (None, false);
    loop {
        let changed = std::fs::metadata(path).and_then(|data| data.modified()).ok();
        let confirms = board.doubt(SourceKind::Docker).is_some_and(|left| left.is_zero());
        let age = changed.and_then(|at| SystemTime::now().duration_since(at).ok()).unwrap_or_default();
        if changed.is_some() && age > AGE_MAX {
            let why = format!("the agent has not written {} for {} s", path.display(), age.as_secs());
            fail(board, why);
            known = None;
        } else if changed != known || changed.is_none() || confirms {
            known = changed;
            match read(path) {
                Ok(handout) => told |= tell(board, handout, told),
                Err(why) => fail(board, why),
            }
        }
        sleep(LOOK).await;
    }
}

fn fail(board: &Board, why: String) {
    board.hear(News::Failed { source: SourceKind::Docker, service: None, why });
}

/// Tells what stands in the file. True when endpoints were told.
fn tell(board: &Board, handout: Handout, told: bool) -> bool {
    let source = SourceKind::Docker;
    let Handout { version: _, error, services, claims, warnings } = handout;
    // what the engine said before it failed is known, but for who begins
    let fresh = services.filter(|_| error.is_none() || !told);
    let tells = fresh.is_some();
    if let Some(sets) = fresh {
        board.hear(News::Sets { source, sets, sure: BTreeSet::new(), whole: Some(claims) });
        board.hear(News::Warnings { source, warnings });
    }
    if let Some(why) = error {
        fail(board, why);
    }
    tells
}
