//! An authority, and what is ordered from it.

use crate::tls::Ordered;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Who issues certificates, and how it is shown that hosts are ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// Its name in the document.
    pub name: Box<str>,
    /// The URL of its directory. Another one is another authority: accounts and certificates are never mixed.
    pub directory: Box<str>,
    /// Whom it may write to.
    pub email: Option<Box<str>>,
    pub challenge: Challenge,
    /// Whose certificates are believed when it is spoken to (PEM); without it, the system's authorities.
    pub ca: Option<PathBuf>,
    pub key: KeyType,
    /// The account elsewhere that the one here is bound to.
    pub external_account: Option<ExternalAccount>,
    /// Which of its kinds of certificates, by the authority's own word.
    pub profile: Option<Box<str>>,
}

/// How a host is proven to be ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// An answer over HTTP on port 80.
    Http01,
    /// A certificate over TLS on port 443.
    TlsAlpn01,
    /// A record in the DNS. The only way to a wildcard.
    Dns01 {
        /// The command that sets and unsets the record, with its first arguments.
        hook: Vec<String>,
        /// From when the record was set until the authority is told, so that all name servers have it.
        wait: Duration,
    },
}

/// The kind of key that certificates are ordered for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyType {
    /// P-256.
    #[default]
    Ecdsa,
    /// 2048 bits, for clients that know nothing newer.
    Rsa,
}

/// An account that the authority knows from elsewhere (RFC 8555, 7.3.4).
#[derive(Clone, PartialEq, Eq)]
pub struct ExternalAccount {
    pub key_id: Box<str>,
    /// The key itself, decoded.
    pub key: Box<[u8]>,
}

impl ExternalAccount {
    /// One whose key is in base64url, as authorities hand it out; nothing if it is not.
    pub fn read(key_id: &str, key: &str) -> Option<ExternalAccount> {
        let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0);
        for c in key.trim_end_matches('=').bytes() {
            let value = match c {
                b'A'..=b'Z' => c - b'A',
                b'a'..=b'z' => c - b'a' + 26,
                b'0'..=b'9' => c - b'0' + 52,
                b'-' | b'+' => 62,
                b'_' | b'/' => 63,
                _ => return None,
            };
            (bits, held) = (bits << 6 | u32::from(value), held + 6);
            if held >= 8 {
                held -= 8;
                bytes.push((bits >> held) as u8);
                bits &= (1 << held) - 1;
            }
        }
        (held < 6 && !bytes.is_empty()).then(|| ExternalAccount { key_id: key_id.into(), key: bytes.into() })
    }
}

impl fmt::Debug for ExternalAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExternalAccount").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

/// A certificate and who issues it.
#[derive(Clone, Debug)]
pub struct Order {
    pub authority: Arc<Authority>,
    pub certificate: Arc<Ordered>,
}

impl Order {
    /// Its hosts, in words.
    pub(super) fn hosts(&self) -> Vec<String> {
        super::words(&self.certificate.hosts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_in_either_alphabet_and_never_shown() {
        let read = |key| ExternalAccount::read("kid", key).map(|account| account.key.to_vec());
        assert_eq!(read("a2V5LS_-"), Some(b"key-/\xfe".to_vec()));
        assert_eq!(read("a2V5LS/+"), read("a2V5LS_-"));
        assert_eq!(read("a2V5cw=="), Some(b"keys".to_vec()));
        assert_eq!((read("a"), read(""), read("a2V 5")), (None, None, None));
        let shown = format!("{:?}", ExternalAccount::read("kid", "a2V5cw=="));
        assert!(shown.contains("kid") && !shown.contains("107"), "{shown}");
    }
}
