//! Certificates for a test: an authority of its own, what it issues, and what is wrong with some of it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer, KeyIdMethod, KeyPair,
    KeyUsagePurpose, PKCS_RSA_SHA256, RevokedCertParams, RsaKeySize,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// An authority with a folder of its own, which is gone with it.
pub struct Authority {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate with its key, also as files.
#[derive(Clone)]
pub struct Leaf {
    pub cert: PathBuf,
    pub key: PathBuf,
    pub cert_pem: String,
    pub key_pem: String,
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Authority {
    /// One that nobody knows yet.
    pub fn new(name: &str) -> Authority {
        Authority::made(name, |params, key| params.self_signed(key).unwrap().pem())
    }

    fn made(name: &str, sign: impl FnOnce(&CertificateParams, &KeyPair) -> String) -> Authority {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let folder = format!("wharf-ca-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = named(&[], name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = sign(&params, &key);
        std::fs::write(folder.join("ca.pem"), &pem).unwrap();
        Authority { folder, issuer: Issuer::new(params, key), pem }
    }

    /// The file with its own certificate.
    pub fn file(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// Its own certificate.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Its own certificate, as TLS has it.
    pub fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap()
    }

    /// What it signs for those who hold other keys, such as lists of what it has revoked.
    pub fn issuer(&self) -> &Issuer<'static, KeyPair> {
        &self.issuer
    }

    /// Its folder, for more files.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A certificate for these names and addresses.
    pub fn issue(&self, names: &[&str]) -> Leaf {
        self.issue_with(names, |_| {})
    }

    /// One that ran out ten days ago.
    pub fn issue_expired(&self, names: &[&str]) -> Leaf {
        self.issue_with(names, |params| {
            params.not_before = (SystemTime::now() - 40 * DAY).into();
            params.not_after = (SystemTime::now() - 10 * DAY).into();
        })
    }

    /// One that is valid in ten days.
    pub fn issue_early(&self, names: &[&str]) -> Leaf {
        self.issue_with(names, |params| {
            params.not_before = (SystemTime::now() + 10 * DAY).into();
            params.not_after = (SystemTime::now() + 40 * DAY).into();
        })
    }

    /// One with something of its own.
    pub fn issue_with(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Leaf {
        self.issue_for(&KeyPair::generate().unwrap(), names, change)
    }

    /// One with a key for RSA, which is that of all such certificates of a run: it is costly to make.
    pub fn issue_rsa(&self, names: &[&str]) -> Leaf {
        static KEY: LazyLock<KeyPair> =
            LazyLock::new(|| KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap());
        self.issue_for(&KEY, names, |_| {})
    }

    /// One for this key, with something of its own.
    pub fn issue_for(&self, key: &KeyPair, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Leaf {
        let mut params = named(names, names.first().unwrap_or(&"nobody"));
        change(&mut params);
        self.written(params.signed_by(key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    /// An authority below this one.
    pub fn below(&self, name: &str) -> Authority {
        Authority::made(name, |params, key| params.signed_by(key, &self.issuer).unwrap().pem())
    }

    /// A list of the certificates with these serial numbers, which it has revoked, as PEM.
    pub fn revoking(&self, serials: &[&[u8]]) -> String {
        let revoked = serials.iter().map(|serial| RevokedCertParams {
            serial_number: serial.to_vec().into(),
            revocation_time: (SystemTime::now() - DAY).into(),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: (SystemTime::now() - DAY).into(),
            next_update: (SystemTime::now() + 30 * DAY).into(),
            crl_number: 1_u64.into(),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().pem().unwrap()
    }

    /// One that nobody but itself vouches for.
    pub fn self_signed(&self, names: &[&str], is_ca: bool) -> Leaf {
        let key = KeyPair::generate().unwrap();
        let mut params = named(names, names.first().unwrap_or(&"nobody"));
        if is_ca {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        self.written(params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    fn written(&self, cert_pem: String, key_pem: String) -> Leaf {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = NEXT.fetch_add(1, Ordering::Relaxed);
        let cert = self.folder.join(format!("{name}.crt"));
        let key = self.folder.join(format!("{name}.key"));
        std::fs::write(&cert, &cert_pem).unwrap();
        std::fs::write(&key, &key_pem).unwrap();
        // a key that everybody can read is warned of
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
        Leaf { cert, key, cert_pem, key_pem }
    }
}

/// The one listener of a test, `web`, with TLS of these certificates and further keys of `tls`.
pub fn secured(leaves: &[&Leaf], keys: &str) -> String {
    let entries: Vec<String> = leaves.iter().map(|leaf| leaf.entry()).collect();
    super::gateway::listener(&format!("tls: {{ certificates: [{}], {keys} }}", entries.join(", ")))
}

impl Leaf {
    /// As an entry of `certificates`.
    pub fn entry(&self) -> String {
        format!("{{ cert: {}, key: {} }}", self.cert.display(), self.key.display())
    }

    /// As TLS has it.
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_slice_iter(self.cert_pem.as_bytes()).collect::<Result<_, _>>().unwrap()
    }

    /// Its key, as TLS has it.
    pub fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes()).unwrap()
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

fn named(names: &[&str], common: &str) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, common);
    params.not_before = (SystemTime::now() - DAY).into();
    params.not_after = (SystemTime::now() + 90 * DAY).into();
    params
}
