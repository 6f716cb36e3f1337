//! What stands in the files that a document names beside its own: certificates, keys, authorities.

use super::lints::READABLE_SECRET;
use super::reading::Reading;
use super::tls_lints::{
    AUTHORITY_CERTIFICATE, DUPLICATE_CERTIFICATE, EXPIRED_CERTIFICATE, EXPIRING_CERTIFICATE, FUTURE_CERTIFICATE,
    STALE_REVOCATION, UNREAD_FILE,
};
use super::{
    CertificateConfig, CertificateFiles, Diagnostic, Document, FilePath, ListenerTlsConfig, Purpose, Spanned,
    UpstreamTlsConfig,
};
use crate::tls::{Authorities, Certificate, Flaw, Revocations, Role};
use crate::value::{Complaint, HostPattern, open_regular};
use std::collections::{BTreeSet, HashMap};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The largest file, in bytes. All authorities that browsers believe are a quarter of it.
const LONGEST: u64 = 1 << 20;
/// The most of all files together, in bytes: some ten thousand certificates.
const ALL_MAX: u64 = 256 << 20;
/// A certificate that ends sooner is warned of, unless it lives for a short time anyway.
const SOON: Duration = Duration::from_secs(14 * 24 * 3600);
/// Of its life, so much is left then: authorities renew what is left of short lives much later.
const LAST_PART: u32 = 10;

/// What a loaded document's files hold. Nothing of it is ever shown or kept.
#[derive(Debug, Default)]
pub struct Material {
    certificates: HashMap<Paths, Arc<Certificate>>,
    client_certificates: HashMap<Paths, Arc<Certificate>>,
    authorities: HashMap<PathBuf, Arc<Authorities>>,
    revocations: HashMap<PathBuf, Arc<Revocations>>,
}

/// Where a certificate stands: chain, key, and response to staple.
type Paths = (PathBuf, PathBuf, Option<PathBuf>);

fn paths(CertificateFiles { cert, key, ocsp }: &CertificateFiles) -> Paths {
    (cert.path.clone(), key.path.clone(), ocsp.as_ref().map(|ocsp| ocsp.path.clone()))
}

impl Material {
    /// What a listener presents from these files. Nothing where they were not read: the document was only checked.
    pub fn certificate(&self, files: &CertificateFiles) -> Option<&Arc<Certificate>> {
        self.certificates.get(&paths(files))
    }

    /// What the gateway proves to be itself with to the endpoints of an upstream.
    pub fn client_certificate(&self, config: &UpstreamTlsConfig) -> Option<&Arc<Certificate>> {
        self.client_certificates.get(&paths(&config.certificate()?))
    }

    /// The authorities in a file.
    pub fn authorities(&self, file: &FilePath) -> Option<&Arc<Authorities>> {
        self.authorities.get(&file.path)
    }

    /// The lists of revoked certificates in a file.
    pub fn revocations(&self, file: &FilePath) -> Option<&Arc<Revocations>> {
        self.revocations.get(&file.path)
    }

    /// Reads what a document names. What is wrong with a file is said at its place in the document; where a document is only checked, a
    /// file that is not there is no error, since it may be on the machine that the document is for.
    pub(super) fn read(
        document: &Document,
        purpose: Purpose,
        now: SystemTime,
        reading: &Reading<'_>,
    ) -> (Material, Vec<Print>) {
        let mut reader = Reader {
            reading,
            purpose,
            now,
            material: Material::default(),
            files: HashMap::new(),
            bytes: 0,
            prints: Vec::new(),
        };
        for (_, listener) in document.listeners.iter() {
            if let Some(tls) = &listener.tls {
                reader.listener(tls);
            }
        }
        let upstreams = document.upstreams.iter().filter_map(|(_, upstream)| upstream.tls.as_ref());
        for tls in upstreams.chain(&document.discovery.docker.tls) {
            if let Some(files) = tls.certificate() {
                reader.certificate(Role::Client, &files);
            }
            if let Some(ca) = &tls.ca {
                reader.authorities(ca);
            }
        }
        for (_, authority) in document.acme.iter() {
            if let Some(ca) = &authority.ca {
                reader.authorities(ca);
            }
        }
        (reader.material, reader.prints)
    }
}

/// A file that is no part of the document, by what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Print {
    pub path: PathBuf,
    /// The SHA-256 of it; nothing where it could not be read, or is empty.
    pub hash: Option<[u8; 32]>,
    /// It is a secret that somebody chose: its hash would tell who guesses it that the guess is right.
    pub guessable: bool,
}

impl Print {
    fn of(path: &Path, bytes: &[u8]) -> Print {
        let hash = ring::digest::digest(&ring::digest::SHA256, bytes).as_ref().try_into().ok();
        Print { path: path.to_owned(), hash: hash.filter(|_| !bytes.is_empty()), guessable: false }
    }

    /// Of a secret's file, as it is now.
    pub(super) fn of_secret(path: &Path) -> Print {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let print = bytes(&path)
            .map_or(Print { path: path.clone(), hash: None, guessable: true }, |bytes| Print::of(&path, &bytes));
        Print { guessable: true, ..print }
    }
}

/// Reads each file once, and says once what is wrong with it.
struct Reader<'r, 'e> {
    reading: &'r Reading<'e>,
    purpose: Purpose,
    now: SystemTime,
    material: Material,
    /// What was read; nothing where that could not be done.
    files: HashMap<PathBuf, Option<Arc<[u8]>>>,
    /// How much that is.
    bytes: u64,
    prints: Vec<Print>,
}

impl Reader<'_, '_> {
    fn listener(&mut self, tls: &ListenerTlsConfig) {
        let mut known: HashMap<(BTreeSet<HostPattern>, String), &Spanned<FilePath>> = HashMap::new();
        for certificate in &tls.certificates {
            let CertificateConfig::Files(files) = certificate else { continue };
            self.certificate(Role::Server, files);
            let Some(certificate) = self.material.certificate(files) else { continue };
            let kind = (certificate.hosts.iter().cloned().collect(), format!("{:?}", certificate.algorithm()));
            if let Some(first) = known.get(&kind) {
                let message = format!("the certificate in `{}` is for the same names as another one", files.cert.value);
                self.reading.tell(
                    Diagnostic::warning(&DUPLICATE_CERTIFICATE, files.cert.at, message)
                        .label("never presented")
                        .other(first.at, "clients get this one")
                        .hint("leave one of the two out"),
                );
            } else {
                known.insert(kind, &files.cert);
            }
        }
        if let Some(client_ca) = &tls.client_ca {
            self.authorities(client_ca);
        }
        if let Some(client_crl) = &tls.client_crl {
            self.revocations(client_crl);
        }
    }

    fn certificate(&mut self, role: Role, files: &CertificateFiles) {
        let CertificateFiles { cert, key, ocsp } = files;
        let known = match role {
            Role::Server => &self.material.certificates,
            Role::Client => &self.material.client_certificates,
        };
        if known.contains_key(&paths(files)) {
            return;
        }
        // all are read, so that all complaints are made
        let (chain, secret, stapled) = (self.file(cert), self.file(key), ocsp.as_ref().map(|ocsp| self.file(ocsp)));
        let (Some(chain), Some(secret)) = (chain, secret) else { return };
        let Some(stapled) = stapled.map_or(Some(None), |stapled| stapled.map(Some)) else { return };
        let certificate = match Certificate::read_for(role, &chain, &secret, stapled.as_deref()) {
            Ok(certificate) => Arc::new(certificate),
            Err(Flaw::Chain(complaint)) => return self.wrong(cert, complaint),
            Err(Flaw::Key(complaint)) => return self.wrong(key, complaint),
            Err(Flaw::Pair(complaint)) => {
                let wrong = self.complaint(key, complaint).label("another key");
                return self.reading.tell(wrong.other(cert.at, "this certificate"));
            }
            Err(Flaw::Stapled(complaint)) => return self.wrong(ocsp.as_ref().unwrap_or(cert), complaint),
        };
        self.readable(key);
        self.dates(role, cert, &certificate);
        if let (Some(ocsp), Some(until)) = (ocsp, certificate.stapled_until) {
            self.stale(ocsp, until);
        }
        if role == Role::Server && certificate.is_authority {
            self.reading.tell(
                Diagnostic::warning(
                    &AUTHORITY_CERTIFICATE,
                    cert.at,
                    format!("the certificate in `{}` is one of an authority", cert.value),
                )
                .label("strict clients take it for no host's")
                .hint("make it anew with `-addext basicConstraints=critical,CA:FALSE`"),
            );
        }
        match role {
            Role::Server => self.material.certificates.insert(paths(files), certificate),
            Role::Client => self.material.client_certificates.insert(paths(files), certificate),
        };
    }

    fn authorities(&mut self, file: &Spanned<FilePath>) {
        if self.material.authorities.contains_key(&file.path) {
            return;
        }
        let Some(bytes) = self.file(file) else { return };
        match Authorities::read(&bytes) {
            Ok(read) => _ = self.material.authorities.insert(file.path.clone(), Arc::new(read)),
            Err(complaint) => self.wrong(file, complaint),
        }
    }

    fn revocations(&mut self, file: &Spanned<FilePath>) {
        if self.material.revocations.contains_key(&file.path) {
            return;
        }
        let Some(bytes) = self.file(file) else { return };
        match Revocations::read(&bytes) {
            Ok(read) => {
                if let Some(until) = read.next_update {
                    self.stale(file, until);
                }
                self.material.revocations.insert(file.path.clone(), Arc::new(read));
            }
            Err(complaint) => self.wrong(file, complaint),
        }
    }

    fn wrong(&self, file: &Spanned<FilePath>, complaint: Complaint) {
        self.reading.tell(self.complaint(file, complaint));
    }

    /// A complaint whose sentence goes on after the file's name.
    fn complaint(&self, file: &Spanned<FilePath>, complaint: Complaint) -> Diagnostic {
        let message = format!("the file `{}` {}", file.name(self.reading), complaint.message);
        Diagnostic::complaint(file.at, Complaint { message, ..complaint })
    }

    /// What a file holds, which is read once.
    fn file(&mut self, file: &Spanned<FilePath>) -> Option<Arc<[u8]>> {
        if let Some(known) = self.files.get(&file.path) {
            return known.clone();
        }
        let read: Option<Arc<[u8]>> = match bytes(&file.path) {
            Ok(bytes) if self.bytes + bytes.len() as u64 > ALL_MAX => {
                let message = "the files that the document names are larger than 256 MiB together";
                self.reading.tell(Diagnostic::error(file.at, message));
                None
            }
            Ok(bytes) => {
                self.bytes += bytes.len() as u64;
                Some(bytes.into())
            }
            Err(error) => {
                self.unread(file, &error);
                None
            }
        };
        self.prints.push(match &read {
            Some(bytes) => Print::of(&file.path, bytes),
            None => Print { path: file.path.clone(), hash: None, guessable: false },
        });
        self.files.insert(file.path.clone(), read.clone());
        read
    }

    fn unread(&self, file: &Spanned<FilePath>, error: &io::Error) {
        let message = format!("the file `{}` cannot be read: {error}", file.name(self.reading));
        let diagnostic = match (self.purpose, error.kind()) {
            (Purpose::Check, ErrorKind::NotFound | ErrorKind::PermissionDenied) => {
                Diagnostic::warning(&UNREAD_FILE, file.at, message).label("what is in it was not checked")
            }
            _ => Diagnostic::error(file.at, message),
        };
        self.reading.tell(match error.kind() {
            ErrorKind::NotFound => {
                diagnostic.hint("paths count from the directory of the file in which they are written")
            }
            ErrorKind::PermissionDenied => diagnostic.hint("the user that runs the gateway must be able to read it"),
            _ => diagnostic.hint("name the file itself, of at most 1 MiB: no directory, and no device"),
        });
    }

    /// Warns of a certificate that clients refuse now, or will before long. It is no error: a restart must not fail for it.
    fn dates(&self, role: Role, file: &Spanned<FilePath>, certificate: &Certificate) {
        let they = match role {
            Role::Server => "clients",
            Role::Client => "endpoints",
        };
        let Certificate { not_before, not_after, .. } = *certificate;
        let of = |what: &str, time: SystemTime| {
            format!("the certificate in `{}` {what} {}", file.name(self.reading), shown(time))
        };
        let life = not_after.duration_since(not_before).unwrap_or_default();
        let left = not_after.duration_since(self.now).unwrap_or_default();
        self.reading.tell(if self.now < not_before {
            Diagnostic::warning(&FUTURE_CERTIFICATE, file.at, of("is not valid before", not_before))
                .label(format!("{they} refuse it until then"))
                .hint("is the clock of this machine right?")
        } else if left.is_zero() {
            Diagnostic::warning(&EXPIRED_CERTIFICATE, file.at, of("expired on", not_after))
                .label(format!("{they} refuse it"))
                .hint("put a new one in its place: it is taken up at once")
        } else if left < SOON.min(life / LAST_PART) {
            Diagnostic::warning(&EXPIRING_CERTIFICATE, file.at, of("expires on", not_after))
                .label(format!("{they} refuse it in {}", days(left)))
                .hint("put a new one in its place: it is taken up at once")
        } else {
            return;
        });
    }

    /// Warns of an authority's word that is out of date.
    fn stale(&self, file: &Spanned<FilePath>, until: SystemTime) {
        if until < self.now {
            let message = format!("what the file `{}` says held until {}", file.name(self.reading), shown(until));
            self.reading.tell(
                Diagnostic::warning(&STALE_REVOCATION, file.at, message)
                    .label("out of date")
                    .hint("fetch it anew from the authority, and see that this is done in time"),
            );
        }
    }

    /// Warns of a key that everyone on this machine may read.
    fn readable(&self, key: &Spanned<FilePath>) {
        if let Some(mode) = super::advice::readable_by_all(&key.path) {
            self.reading.tell(
                Diagnostic::warning(&READABLE_SECRET, key.at, "every user of this machine can read the key")
                    .label(format!("its mode is {mode:04o}"))
                    .hint(format!("run `chmod o= {}`", key.path.display())),
            );
        }
    }
}

/// A whole file that is not too long for what belongs there.
fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_regular(path)?.take(LONGEST + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > LONGEST {
        true => Err(io::Error::new(ErrorKind::FileTooLarge, "it is larger than 1 MiB")),
        false => Ok(bytes),
    }
}

/// A day and a time. Times beyond all calendars are as far as they go.
fn shown(time: SystemTime) -> String {
    const LAST: Duration = Duration::from_secs(253_402_300_799);
    httpdate::fmt_http_date(time.clamp(SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + LAST))
}

fn days(left: Duration) -> String {
    match left.as_secs() / (24 * 3600) {
        0 => "less than a day".to_owned(),
        1 => "a day".to_owned(),
        days => format!("{days} days"),
    }
}
