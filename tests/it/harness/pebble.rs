//! An authority in a process of its own: Pebble, the name server that it asks, and a certificate that both are believed by.

use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use instant_acme::{Account, RevocationRequest};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::CertificateDer;

use super::address::own_address;
use super::patience::{PATIENCE, eventually};
use super::process::Process;
use super::trusting::Trusting;

/// The port of the gateway that Pebble asks for http-01.
pub const HTTP_PORT: u16 = 21080;
/// The port of the gateway that Pebble asks for tls-alpn-01.
pub const TLS_PORT: u16 = 21443;

/// A running Pebble. Every name has the address that it was started with.
pub struct Pebble {
    here: Ipv4Addr,
    folder: PathBuf,
    ways: Ways,
    root: OnceLock<String>,
    _names: Process,
    pebble: Process,
}

/// How it behaves.
#[derive(Clone, Copy)]
pub struct Ways {
    /// How many of a hundred nonces are refused that are good.
    pub nonces_refused: u8,
    /// How many of a hundred hosts need not be proven again.
    pub proofs_kept: u8,
    /// How long a certificate is valid.
    pub life: Duration,
    /// Accounts must be bound to this one, `key-1`, with the key of 32 times `k`.
    pub bound: bool,
}

impl Default for Ways {
    fn default() -> Ways {
        Ways { nonces_refused: 5, proofs_kept: 50, life: Duration::from_secs(90 * 24 * 3600), bound: false }
    }
}

impl Pebble {
    /// Starts one for which all names lead to `gateway`.
    #[track_caller]
    pub fn start(gateway: IpAddr, ways: Ways) -> Pebble {
        let here = own_address();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("pebble-{here}"));
        std::fs::create_dir_all(&folder).unwrap();
        certify(&folder, here);
        let config = serde_json::json!({ "pebble": {
            "listenAddress": format!("{here}:14000"),
            "managementListenAddress": format!("{here}:15000"),
            "certificate": folder.join("cert.pem"),
            "privateKey": folder.join("key.pem"),
            "httpPort": HTTP_PORT,
            "tlsPort": TLS_PORT,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": ways.bound,
            "externalAccountMACKeys": { "key-1": "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s" },
            "certificateValidityPeriod": ways.life.as_secs(),
        }});
        std::fs::write(folder.join("pebble.json"), config.to_string()).unwrap();
        let names = spawn(
            Command::new("pebble-challtestsrv")
                .args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""])
                .args(["-defaultIPv4", &gateway.to_string()])
                .args(["-dns01", &format!("{here}:8053"), "-management", &format!("{here}:8055")]),
            &folder.join("names.log"),
        );
        eventually(PATIENCE, || TcpStream::connect((here, 8055)).ok());
        let pebble = launch(here, &folder, ways);
        let pebble = Pebble { here, folder, ways, root: OnceLock::new(), _names: names, pebble };
        // asked while it is there
        pebble.root();
        pebble
    }

    /// Ends it: it answers nobody.
    pub fn stop(&self) {
        self.pebble.end();
    }

    /// Starts it again after it was ended. It knows nothing of what was before.
    #[track_caller]
    pub fn start_again(&mut self) {
        self.pebble.end();
        self.pebble = launch(self.here, &self.folder, self.ways);
        self.root = OnceLock::new();
    }

    /// Its address, and that of its name server.
    pub fn here(&self) -> Ipv4Addr {
        self.here
    }

    /// Its directory's URL.
    pub fn directory(&self) -> String {
        format!("https://{}:14000/dir", self.here)
    }

    /// The file with whom to believe when it is spoken to.
    pub fn ca(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// The root that it issues from, as PEM: another one each time it starts.
    #[track_caller]
    pub fn root(&self) -> String {
        let ask = || {
            let ca = std::fs::read(self.ca()).unwrap();
            Trusting::new(&ca).get((self.here, 15000).into(), &self.here.to_string(), "/roots/0").unwrap()
        };
        self.root.get_or_init(ask).clone()
    }

    /// Its folder, which also holds a certificate for its address: `cert.pem`, `key.pem`.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Revokes a certificate, with the account that ordered it and is kept in a file.
    #[track_caller]
    pub fn revoke(&self, account: &Path, certificate: &CertificateDer<'_>) {
        let kept: serde_json::Value = serde_json::from_slice(&std::fs::read(account).unwrap()).unwrap();
        let credentials = serde_json::from_value(kept["credentials"].clone()).unwrap();
        // its own client takes the process's provider of cryptography
        rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let builder = Account::builder_with_root(self.ca()).unwrap();
            let account = builder.from_credentials(credentials).await.unwrap();
            account.revoke(&RevocationRequest { certificate, reason: None }).await.unwrap();
        });
    }

    /// A command for records in its name server, as a dns-01 hook: it notes each call in the file `hooks`.
    pub fn hook(&self) -> Vec<String> {
        let script = format!(
            "echo \"$@\" >> {}/hooks; \
             if [ \"$1\" = set ]; then curl -sf -d '{{\"host\":\"'$3'.\",\"value\":\"'$4'\"}}' http://{here}:8055/set-txt; \
             else curl -sf -d '{{\"host\":\"'$3'.\"}}' http://{here}:8055/clear-txt; fi",
            self.folder.display(),
            here = self.here
        );
        ["sh", "-c", &script, "hook"].map(str::to_owned).to_vec()
    }

    /// How the hook was called so far.
    pub fn hooks(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.join("hooks")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.folder.join("pebble.log")).unwrap_or_default();
            eprintln!("---- what Pebble said:\n{log}----");
        }
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

#[track_caller]
fn spawn(command: &mut Command, log: &Path) -> Process {
    let log = std::fs::File::create(log).unwrap();
    let command = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    Process::of(command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}; `deploy/setup test` installs it")))
}

#[track_caller]
fn launch(here: Ipv4Addr, folder: &Path, ways: Ways) -> Process {
    let pebble = spawn(
        Command::new("pebble")
            .args(["-strict", "-dnsserver", &format!("{here}:8053"), "-config"])
            .arg(folder.join("pebble.json"))
            .env("PEBBLE_VA_NOSLEEP", "1")
            .env("PEBBLE_WFE_NONCEREJECT", ways.nonces_refused.to_string())
            .env("PEBBLE_AUTHZREUSE", ways.proofs_kept.to_string()),
        &folder.join("pebble.log"),
    );
    eventually(PATIENCE, || TcpStream::connect((here, 15000)).and(TcpStream::connect((here, 14000))).ok());
    pebble
}

/// Writes `ca.pem`, and `cert.pem` with `key.pem` for an address.
fn certify(folder: &Path, here: Ipv4Addr) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = params.self_signed(&key).unwrap();
    std::fs::write(folder.join("ca.pem"), ca.pem()).unwrap();
    let (issuer, key) = (Issuer::new(params, key), KeyPair::generate().unwrap());
    let params = CertificateParams::new(vec![here.to_string(), "localhost".into()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    std::fs::write(folder.join("cert.pem"), certificate.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
}
