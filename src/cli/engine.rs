//! The Docker engine that a command asks: what its flags say, else what the environment says, in the variables that `docker` goes by.

use super::{FAILED, Failure, USAGE};
use crate::discovery::docker::Engine;
use crate::tls::{Authorities, Certificate, ClientTerms, ClientTls, Flaw, MinVersion, Role};
use crate::value::{Complaint, open_regular};
use clap::Args;
use std::ffi::OsString;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the engine answers when nobody says so.
const USUAL: &str = "unix:///var/run/docker.sock";
/// The largest file with certificates or a key, in bytes.
const LONGEST: u64 = 1 << 20;

#[derive(Args)]
pub(super) struct EngineArgs {
    /// Where the engine answers, `unix:///PATH` or `tcp://HOST:PORT` (default: what `docker` goes by, DOCKER_HOST with DOCKER_TLS_VERIFY and
    /// DOCKER_CERT_PATH, else unix:///var/run/docker.sock)
    #[arg(long, value_name = "ADDRESS")]
    engine: Option<String>,
    /// TLS to an engine on TCP: the authorities that are believed, PEM (default beside --tls-cert: those that the system believes)
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// The certificate that an engine with `--tlsverify` takes as proof, and after it those of the authorities in between, PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The private key of --tls-cert, PEM, not encrypted
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

/// The files of TLS. They are read once.
#[derive(Debug, Default, PartialEq, Eq)]
struct Files {
    ca: Option<PathBuf>,
    /// A certificate and its key.
    own: Option<(PathBuf, PathBuf)>,
}

impl EngineArgs {
    /// The engine, and what is spoken to it.
    pub fn engine(&self) -> Result<(Engine, Option<Arc<ClientTls>>), Failure> {
        let (engine, files) = self.meant(&|name| std::env::var_os(name).filter(|value| !value.is_empty()))?;
        Ok((engine, files.map(|files| files.read()).transpose()?))
    }

    fn meant(&self, variable: &dyn Fn(&str) -> Option<OsString>) -> Result<(Engine, Option<Files>), Failure> {
        let own = self.tls_cert.clone().zip(self.tls_key.clone());
        let written = self.tls_ca.is_some() || own.is_some();
        let written = written.then(|| Files { ca: self.tls_ca.clone(), own });
        let host = variable("DOCKER_HOST").map(|host| host.to_string_lossy().into_owned());
        let (engine, files) = match (&self.engine, host) {
            (Some(text), _) => (parse(text, "--engine")?, written),
            (None, None) => (parse(USUAL, "--engine")?, written),
            (None, Some(text)) => {
                let engine = parse(&text, "DOCKER_HOST")?;
                let verifies = matches!(engine, Engine::Tcp(_)) && variable("DOCKER_TLS_VERIFY").is_some();
                (engine, written.or_else(|| verifies.then(|| Files::of_docker(variable))))
            }
        };
        match engine {
            Engine::Tcp(_) => Ok((engine, files)),
            Engine::File(_) => {
                let said = format!("error: {engine} is what an agent writes, and no engine");
                Err(Failure::new(USAGE, said, format!("leave `--engine` out, or write `--engine {USUAL}`")))
            }
            Engine::Unix(_) if files.is_none() => Ok((engine, None)),
            Engine::Unix(_) => {
                let said = format!("error: TLS has an effect on TCP alone, and {engine} is a socket");
                Err(Failure::new(USAGE, said, "leave the `--tls-…` flags out, or write `--engine tcp://HOST:2376`"))
            }
        }
    }
}

fn parse(text: &str, from: &str) -> Result<Engine, Failure> {
    Engine::parse(text).map_err(|Complaint { message, hint, .. }| {
        Failure::new(USAGE, format!("error: {from}: {message}"), hint.unwrap_or_default())
    })
}

impl Files {
    /// The files that `docker` takes by itself.
    fn of_docker(variable: &dyn Fn(&str) -> Option<OsString>) -> Files {
        let home = || variable("HOME").map(|home| Path::new(&home).join(".docker"));
        let folder = variable("DOCKER_CERT_PATH").map(PathBuf::from).or_else(home).unwrap_or_default();
        let [ca, cert, key] = ["ca.pem", "cert.pem", "key.pem"].map(|name| folder.join(name));
        Files { ca: Some(ca), own: (cert.exists() || key.exists()).then_some((cert, key)) }
    }

    fn read(&self) -> Result<Arc<ClientTls>, Failure> {
        let authorities = self
            .ca
            .as_ref()
            .map(|path| Authorities::read(&bytes(path)?).map(Arc::new).map_err(|complaint| unfit(path, complaint)));
        let certificate = self.own.as_ref().map(|(cert, key)| {
            Certificate::read_for(Role::Client, &bytes(cert)?, &bytes(key)?, None).map(Arc::new).map_err(|flaw| {
                match flaw {
                    Flaw::Chain(complaint) | Flaw::Stapled(complaint) => unfit(cert, complaint),
                    Flaw::Key(complaint) | Flaw::Pair(complaint) => unfit(key, complaint),
                }
            })
        });
        let terms = ClientTerms {
            min_version: MinVersion::default(),
            sni: None,
            authorities: authorities.transpose()?,
            certificate: certificate.transpose()?,
            verify: true,
        };
        Ok(ClientTls::new(terms, None))
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let read = || {
        let mut bytes = Vec::new();
        open_regular(path)?.take(LONGEST + 1).read_to_end(&mut bytes)?;
        match bytes.len() as u64 > LONGEST {
            true => Err(io::Error::other(format!("it is larger than {} MiB", LONGEST >> 20))),
            false => Ok(bytes),
        }
    };
    read().map_err(|e| {
        let said = format!("error: {} cannot be read: {e}", path.display());
        Failure::new(FAILED, said, "name the files with `--tls-ca`, `--tls-cert` and `--tls-key`")
    })
}

/// The complaint's sentence goes on after the file's name.
fn unfit(path: &Path, complaint: Complaint) -> Failure {
    Failure::new(FAILED, format!("error: {} {}", path.display(), complaint.message), complaint.hint.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(
        engine: Option<&str>,
        ca: Option<&str>,
        variables: &[(&str, &str)],
    ) -> Result<(String, Option<Files>), String> {
        let args = EngineArgs {
            engine: engine.map(str::to_owned),
            tls_ca: ca.map(PathBuf::from),
            tls_cert: None,
            tls_key: None,
        };
        let variable =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(*value));
        args.meant(&variable).map(|(engine, files)| (engine.to_string(), files)).map_err(|failure| failure.said)
    }

    fn ca(path: &str) -> Option<Files> {
        Some(Files { ca: Some(path.into()), own: None })
    }

    #[test]
    fn the_engine_is_the_written_one_or_docker_s_or_the_usual_one() {
        let far = ("DOCKER_HOST", "tcp://far:2376");
        let verify = ("DOCKER_TLS_VERIFY", "1");
        assert_eq!(meant(None, None, &[]), Ok((USUAL.to_owned(), None)));
        assert_eq!(meant(None, None, &[far]), Ok(("tcp://far:2376".to_owned(), None)));
        assert_eq!(meant(Some("unix:///a"), None, &[far, verify]), Ok(("unix:///a".to_owned(), None)));
        assert_eq!(meant(Some("tcp://b:1"), None, &[far, verify]), Ok(("tcp://b:1".to_owned(), None)));
        let home = ("HOME", "/nowhere");
        let found = meant(None, None, &[far, verify, home]);
        assert_eq!(found, Ok(("tcp://far:2376".to_owned(), ca("/nowhere/.docker/ca.pem"))));
        let found = meant(None, None, &[far, verify, home, ("DOCKER_CERT_PATH", "/elsewhere")]);
        assert_eq!(found, Ok(("tcp://far:2376".to_owned(), ca("/elsewhere/ca.pem"))));
        let found = meant(None, Some("own.pem"), &[far, verify]);
        assert_eq!(found, Ok(("tcp://far:2376".to_owned(), ca("own.pem"))), "what is written counts");
        // the client's settings for another engine are nothing to a socket
        assert_eq!(meant(None, None, &[("DOCKER_HOST", "unix:///a"), verify]), Ok(("unix:///a".to_owned(), None)));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_where_it_was_said() {
        let refused = |engine, ca, variables: &[(&str, &str)]| meant(engine, ca, variables).expect_err("a refusal");
        assert!(refused(None, Some("ca.pem"), &[]).contains("TLS has an effect on TCP alone"));
        assert!(refused(Some("file:///a"), None, &[]).contains("is what an agent writes"));
        assert!(refused(Some("far"), None, &[]).starts_with("error: --engine: `far`"));
        assert!(refused(None, None, &[("DOCKER_HOST", "ssh://far")]).starts_with("error: DOCKER_HOST: `ssh://far`"));
    }
}
