//! What a pool seeks: a service by its name, at one of the sources.

use std::fmt;

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceKind {
    /// A Docker engine.
    Docker,
    /// Name servers, for the addresses of a name.
    Dns,
    /// Name servers, for the SRV records of a name.
    Srv,
}

impl SourceKind {
    /// All of them.
    pub const ALL: [SourceKind; 3] = [SourceKind::Docker, SourceKind::Dns, SourceKind::Srv];

    /// The one of this word.
    pub fn called(word: &str) -> Option<SourceKind> {
        SourceKind::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// The word for it in the configuration, in metrics and in the log.
    pub const fn word(self) -> &'static str {
        match self {
            SourceKind::Docker => "docker",
            SourceKind::Dns => "dns",
            SourceKind::Srv => "srv",
        }
    }
}

/// A service at a source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sought {
    pub source: SourceKind,
    /// What the source calls it: the value of a container's label; a name, with its port for `dns`.
    pub service: Box<str>,
}

impl fmt::Display for Sought {
    /// As in the configuration: `docker: cart`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.source.word(), self.service)
    }
}
