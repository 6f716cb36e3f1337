//! Where the configuration comes from, and what is to be watched for its changes.

use super::Error;
use super::state::{self, LastGood, Missing};
use super::watch::Watched;
use crate::config::{self, Bundle, Loaded, Print, Purpose, Report};
use glob::Pattern;
use std::path::PathBuf;
use std::time::SystemTime;

/// Where the configuration comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file, read again on reload.
    File(PathBuf),
    /// A text made from the command line.
    Text(String),
}

/// What is done with copies of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copies {
    /// None is kept.
    None,
    /// The last good one is kept.
    Kept,
    /// And when the file is bad, the gateway starts from it.
    Used,
}

/// What the gateway starts from.
pub struct First {
    pub loaded: Loaded,
    /// It is a copy, since the file is bad.
    pub copy: Option<Copy>,
}

/// What is known of a copy that takes the place of a bad file.
pub struct Copy {
    pub kept_at: SystemTime,
    /// What is wrong with the file, without what variables hold.
    pub report: Report,
}

impl Source {
    /// What to start from.
    pub fn first(&self, copies: Copies) -> Result<First, Error> {
        let report = match (self.load(), self) {
            (Ok(loaded), _) => return Ok(First { loaded, copy: None }),
            (Err(report), Source::File(main)) if copies == Copies::Used => match state::last_good(main) {
                Ok(LastGood { loaded, kept_at }) => {
                    return Ok(First { loaded, copy: Some(Copy { kept_at, report: report.discreet() }) });
                }
                Err(Missing::None(why)) => {
                    return Err(Error::NoCopy(Box::new(report), format!("note: there is no last good one: {why}\n")));
                }
                Err(Missing::Invalid(copy)) => {
                    let note = format!("note: the last good one is not valid here and now:\n\n{}", copy.render(false));
                    return Err(Error::NoCopy(Box::new(report), note));
                }
            },
            (Err(report), _) => report,
        };
        Err(Error::Config(report))
    }

    /// Reads and checks the configuration.
    pub fn load(&self) -> Result<Loaded, Report> {
        match self {
            Source::File(path) => config::load(path, Purpose::Run),
            Source::Text(text) => config::load_from(&Bundle::one("command line", text), Purpose::Run),
        }
    }

    /// The same for a gateway that runs, which must not wait for ever.
    pub fn load_again(&self) -> Result<Loaded, Report> {
        match self {
            // reading a pipe may take for ever, and no later reload would come to its turn
            Source::File(path) => config::load_regular(path, Purpose::Run),
            Source::Text(_) => self.load(),
        }
    }

    /// What people call it.
    pub fn name(&self) -> String {
        match self {
            Source::File(path) => path.display().to_string(),
            Source::Text(_) => "the command line".to_owned(),
        }
    }

    /// The main file, what was found to belong to it, and what it names beside.
    pub fn watched(&self, files: &[config::Source], prints: &[Print], patterns: &[PathBuf]) -> Watched {
        match self {
            Source::File(main) => {
                let main = std::path::absolute(main).unwrap_or_else(|_| main.clone());
                let included = files.iter().skip(1).map(|file| &file.path);
                let (read, missing): (Vec<&Print>, Vec<&Print>) = prints.iter().partition(|print| print.hash.is_some());
                let beside = included.chain(read.into_iter().map(|print| &print.path)).cloned();
                // what is not there may come, and nothing waits for it
                let missing = missing.into_iter().map(|print| Pattern::escape(&print.path.to_string_lossy()).into());
                Watched {
                    files: std::iter::once(main).chain(beside).collect(),
                    patterns: patterns.iter().cloned().chain(missing).collect(),
                }
            }
            Source::Text(_) => Watched::default(),
        }
    }
}

impl Copy {
    /// What may mend the file that it takes the place of.
    pub fn watched(&self, source: &Source) -> Watched {
        let Report { files, prints, patterns, .. } = &self.report;
        source.watched(files, prints, patterns)
    }

    /// Says it so that nobody takes it for the file.
    pub fn say(&self, source: &Source) {
        log::error!(
            "{} is bad, and its last good copy is served instead, kept at {}\n{}hint: mend the file, and it is served",
            source.name(),
            httpdate::fmt_http_date(self.kept_at),
            self.report.render(false)
        );
    }
}
