//! PEM files as operators have them: what is in one, and what to do when it is something else than what belongs there.

use crate::value::Complaint;
use rustls::pki_types::pem::{PemObject, SectionKind};

/// The start of the line before something in PEM.
const BEGIN: &str = "-----BEGIN ";
/// What editors on Windows put in front.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// What belongs into a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Of a host and those between.
    Chain,
    /// Of those who are believed.
    Authorities,
    Key,
    Revocations,
}

impl Wanted {
    fn is(self, kind: SectionKind) -> bool {
        match self {
            Wanted::Chain | Wanted::Authorities => kind == SectionKind::Certificate,
            Wanted::Key => {
                matches!(kind, SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey)
            }
            Wanted::Revocations => kind == SectionKind::Crl,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Wanted::Chain | Wanted::Authorities => "a certificate",
            Wanted::Key => "a private key",
            Wanted::Revocations => "a list of revoked certificates",
        }
    }

    /// The command that turns DER into PEM.
    fn command(self) -> &'static str {
        match self {
            Wanted::Chain | Wanted::Authorities => "openssl x509",
            Wanted::Key => "openssl pkey",
            Wanted::Revocations => "openssl crl",
        }
    }
}

/// What is wanted of a file, at least one; the sentence of a complaint goes on after the file's name.
pub(super) fn read(bytes: &[u8], wanted: Wanted) -> Result<Vec<(SectionKind, Vec<u8>)>, Complaint> {
    let bytes = bytes.strip_prefix(BOM).unwrap_or(bytes);
    // such a key looks like a damaged one
    if wanted == Wanted::Key && is_encrypted(bytes) {
        return Err(other(bytes, wanted));
    }
    let mut found = Vec::new();
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(bytes) {
        match section {
            Ok(section) if wanted.is(section.0) => found.push(section),
            Ok(_) => {}
            Err(_) => {
                return Err(Complaint::new("is damaged: what stands between BEGIN and END is not whole")
                    .hint("copy it anew, every line of it from `-----BEGIN` to `-----END`"));
            }
        }
    }
    if found.is_empty() { Err(other(bytes, wanted)) } else { Ok(found) }
}

/// Whether a key is written the old way of OpenSSL, encrypted under the name of a plain one.
fn is_encrypted(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, b"Proc-Type: 4,ENCRYPTED").is_some()
}

/// What is there in place of what is wanted.
fn other(bytes: &[u8], wanted: Wanted) -> Complaint {
    let beginning = match wanted {
        Wanted::Chain | Wanted::Authorities => "such a file begins with `-----BEGIN CERTIFICATE-----`",
        Wanted::Key => "such a file begins with `-----BEGIN PRIVATE KEY-----`",
        Wanted::Revocations => "such a file begins with `-----BEGIN X509 CRL-----`",
    };
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Complaint::new("is empty").hint(beginning);
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Complaint::new("is UTF-16, not PEM").hint("save it as plain ASCII");
    }
    if let Some(complaint) = binary(bytes, wanted) {
        return complaint;
    }
    let text = String::from_utf8_lossy(bytes);
    let labels = text.lines().filter_map(|line| line.trim_end().strip_prefix(BEGIN)?.strip_suffix("-----"));
    let labels: Vec<&str> = labels.collect();
    let has = |word: &str| labels.iter().any(|label| label.contains(word));
    if wanted == Wanted::Key && (has("ENCRYPTED") || is_encrypted(bytes)) {
        return Complaint::new("holds a key that is encrypted, which nobody could enter a password for")
            .hint("decrypt it: `umask 077; openssl pkey -in OLD -out NEW`, and name NEW here");
    }
    match wanted {
        _ if labels.is_empty() => Complaint::new("is not PEM").hint(beginning),
        Wanted::Chain | Wanted::Authorities if has("REQUEST") => {
            Complaint::new("holds a request for a certificate, not the certificate")
                .hint("name the file that the authority answered it with")
        }
        Wanted::Authorities if has("PRIVATE KEY") => Complaint::new("holds a key, not a certificate")
            .hint("the certificates of those who are believed belong here"),
        Wanted::Chain if has("PRIVATE KEY") => {
            Complaint::new("holds a key, not a certificate").hint("the certificate stands in `cert`, its key in `key`")
        }
        Wanted::Chain | Wanted::Authorities if has("TRUSTED CERTIFICATE") => {
            Complaint::new("holds a certificate in OpenSSL's own form")
                .hint("write it anew with `openssl x509 -in OLD -out NEW`")
        }
        Wanted::Key if has("OPENSSH") => Complaint::new("holds a key in OpenSSH's own form")
            .hint("turn it around with `ssh-keygen -p -m PEM -f FILE`, or make a new one"),
        Wanted::Key if has("CERTIFICATE") => {
            Complaint::new("holds a certificate, not a key").hint("the certificate stands in `cert`, its key in `key`")
        }
        Wanted::Key if has("PUBLIC KEY") => {
            Complaint::new("holds a public key").hint("the private one belongs here, from which it was made")
        }
        Wanted::Revocations if has("CERTIFICATE") => Complaint::new("holds certificates, not a list of revoked ones")
            .hint("the authority's list begins with `-----BEGIN X509 CRL-----`"),
        _ => {
            let label: String = labels.first().map_or("", |label| label).chars().take(40).collect();
            let words = wanted.words().trim_start_matches("a ");
            Complaint::new(format!("holds no {words}, but `{label}`")).hint(beginning)
        }
    }
}

/// What is not text: the same things without PEM, and stores of several.
fn binary(bytes: &[u8], wanted: Wanted) -> Option<Complaint> {
    let [0x30, length, rest @ ..] = bytes else { return None };
    let content = match length {
        0x81 => rest.get(1..),
        0x82 => rest.get(2..),
        0x83 => rest.get(3..),
        // no certificate is so short, but text may begin so
        _ => None,
    }?;
    Some(match content {
        // PKCS#12 has the version 3
        [0x02, 0x01, 0x03, ..] => Complaint::new("is a PKCS#12 store (.p12 or .pfx), not PEM").hint(
            "take it apart: `openssl pkcs12 -in STORE -nokeys -out site.crt` and `umask 077; openssl pkcs12 -in STORE -nocerts -nodes \
             -out site.key`",
        ),
        _ => Complaint::new("is DER, not PEM")
            .hint(format!("write it anew with `{} -inform DER -in OLD -out NEW`", wanted.command())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_belong_there_is_called_what_it_is() {
        let pem = |label: &str| format!("{BEGIN}{label}-----\nAAAA\n-----END {label}-----\n").into_bytes();
        for (wanted, bytes, said) in [
            (Wanted::Chain, b" \n".to_vec(), "is empty"),
            (Wanted::Chain, b"hello".to_vec(), "is not PEM"),
            (Wanted::Chain, b"\xff\xfe-\0".to_vec(), "is UTF-16, not PEM"),
            (Wanted::Chain, b"0\x82\x01\x02\x30\x82".to_vec(), "is DER, not PEM"),
            (Wanted::Chain, b"0\x82\x01\x02\x02\x01\x03".to_vec(), "is a PKCS#12 store (.p12 or .pfx), not PEM"),
            (Wanted::Chain, pem("PRIVATE KEY"), "holds a key, not a certificate"),
            (Wanted::Chain, pem("CERTIFICATE REQUEST"), "holds a request for a certificate, not the certificate"),
            (Wanted::Chain, pem("X509 CRL"), "holds no certificate, but `X509 CRL`"),
            (Wanted::Key, pem("CERTIFICATE"), "holds a certificate, not a key"),
            (Wanted::Key, pem("PUBLIC KEY"), "holds a public key"),
            (Wanted::Key, pem("OPENSSH PRIVATE KEY"), "holds a key in OpenSSH's own form"),
            (
                Wanted::Key,
                pem("ENCRYPTED PRIVATE KEY"),
                "holds a key that is encrypted, which nobody could enter a password for",
            ),
            (Wanted::Revocations, pem("CERTIFICATE"), "holds certificates, not a list of revoked ones"),
            (
                Wanted::Chain,
                b"-----BEGIN CERTIFICATE-----\nAAAA\n".to_vec(),
                "is damaged: what stands between BEGIN and END is not whole",
            ),
        ] {
            let complaint = read(&bytes, wanted).expect_err(said);
            assert_eq!(complaint.message, said);
        }
        let mut found = read(&[BOM, &pem("CERTIFICATE")].concat(), Wanted::Chain).expect("a certificate");
        assert_eq!(found.pop(), Some((SectionKind::Certificate, vec![0, 0, 0])));
    }
}
