//! The versions of TLS that are spoken.

static NEWEST: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// The oldest version that is spoken. Anything before 1.2 is spoken nowhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MinVersion {
    /// 1.2 and 1.3.
    #[default]
    Tls12,
    /// 1.3 alone.
    Tls13,
}

impl MinVersion {
    /// The versions, as rustls wants them.
    pub fn protocols(self) -> &'static [&'static rustls::SupportedProtocolVersion] {
        match self {
            MinVersion::Tls12 => rustls::ALL_VERSIONS,
            MinVersion::Tls13 => NEWEST,
        }
    }
}
