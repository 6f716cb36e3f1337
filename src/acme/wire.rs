//! Requests to an authority: HTTP/1.1 over TLS, each on a connection of its own, since they are few.

use super::{Authority, Trouble};
use crate::tls::{Authorities, ClientStream, ClientTerms, ClientTls, MinVersion};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{CONNECTION, HOST, HeaderValue, RETRY_AFTER};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The longest a connection may take, and then again the authority to prove who it is.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// The longest a request may take, with its response.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// The largest response that is read.
const BODY_MAX: usize = 1 << 20;

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Speaks to one authority.
#[derive(Clone)]
pub(super) struct Wire {
    tls: Arc<ClientTls>,
    /// The authority wants to hear nothing before: as it said last.
    barred_until: Arc<Mutex<Option<SystemTime>>>,
}

impl Wire {
    /// Reads whom to believe. This blocks.
    pub fn new(authority: &Authority) -> Result<Wire, Trouble> {
        let authorities = match &authority.ca {
            Some(path) => {
                let roots = roots_in(path).map_err(|why| {
                    Trouble::new(format!("{}: {why}", path.display())).hint("see the `ca` of the authority")
                })?;
                Some(Arc::new(Authorities { roots: Arc::new(roots), print: [0; 32] }))
            }
            None => None,
        };
        let terms =
            ClientTerms { min_version: MinVersion::default(), sni: None, authorities, certificate: None, verify: true };
        let tls = ClientTls::new(terms, None);
        match tls.flaw() {
            Some(flaw) => Err(Trouble::new(flaw.to_string())),
            None => Ok(Wire { tls, barred_until: Arc::default() }),
        }
    }

    /// Before when the authority wants to hear nothing, if it said so since it was asked last.
    pub fn barred_until(&self) -> Option<SystemTime> {
        self.barred_until.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn exchange(self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, Failed> {
        let (mut head, body) = request.into_parts();
        let (host, port) = place(&head.uri)?;
        let stream = connect(&host, port).await?;
        let bare = host.trim_matches(['[', ']']);
        let name = ServerName::try_from(bare.to_owned()).map_err(|_| format!("`{bare}` is no host"))?;
        let shaken = timeout(CONNECT_TIMEOUT, ClientStream::connect(stream, &self.tls, name)).await;
        let stream = shaken.map_err(|_| "it does not end the handshake in time")?.map_err(|why| {
            // the words are for upstreams, where the file stands one level lower
            why.to_string().replace("`tls: { ca: FILE }`", "`ca`")
        })?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let authority = head.uri.authority().map_or(host.as_str(), |authority| authority.as_str());
        head.headers.insert(HOST, HeaderValue::from_str(authority)?);
        head.headers.insert(CONNECTION, HeaderValue::from_static("close"));
        head.uri = head.uri.path_and_query().map_or("/", |target| target.as_str()).parse()?;
        let answered = async {
            let (head, body) = sender.send_request(Request::from_parts(head, body)).await?.into_parts();
            Ok::<_, Failed>((head, read(body).await?))
        };
        let (head, body) = beside(answered, connection).await?;
        if matches!(head.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            let until = head.headers.get(RETRY_AFTER).and_then(|value| moment(value.to_str().ok()?));
            *self.barred_until.lock().unwrap_or_else(PoisonError::into_inner) = until;
        }
        Ok(BytesResponse { parts: head, body: Box::new(body) })
    }
}

impl HttpClient for Wire {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let this = self.clone();
        Box::pin(async move {
            let url = request.uri().clone();
            let late = || Failed::from(format!("no answer within {} s", REQUEST_TIMEOUT.as_secs()));
            let done = timeout(REQUEST_TIMEOUT, this.exchange(request)).await.unwrap_or_else(|_| Err(late()));
            let host = url.host().unwrap_or_default().to_owned();
            done.map_err(|e| Error::Other(format!("{host}: {}", super::trouble::chain(&*e)).into()))
        })
    }
}

/// Drives a connection as long as `answered` takes.
async fn beside<T>(
    answered: impl Future<Output = Result<T, Failed>>,
    connection: impl Future<Output = hyper::Result<()>>,
) -> Result<T, Failed> {
    let (mut answered, mut connection) = (pin!(answered), pin!(connection));
    tokio::select! {
        biased;
        done = &mut answered => done,
        // what it has read is still to be had
        _ = &mut connection => answered.await,
    }
}

fn place(url: &Uri) -> Result<(String, u16), Failed> {
    if url.scheme_str() != Some("https") {
        return Err(format!("`{url}` is not https").into());
    }
    let host = url.host().ok_or_else(|| format!("`{url}` has no host"))?;
    Ok((host.to_owned(), url.port_u16().unwrap_or(443)))
}

async fn connect(host: &str, port: u16) -> Result<TcpStream, Failed> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, format!("`{host}` has no address"));
    for address in tokio::net::lookup_host((host.trim_matches(['[', ']']), port)).await? {
        match timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(e)) => last = io::Error::new(e.kind(), format!("{address}: {e}")),
            Err(_) => last = io::Error::new(io::ErrorKind::TimedOut, format!("{address} does not answer")),
        }
    }
    Err(last.into())
}

async fn read(mut body: Incoming) -> Result<Bytes, Failed> {
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        if let Some(data) = frame?.data_ref() {
            bytes.extend_from_slice(data);
        }
        if bytes.len() > BODY_MAX {
            return Err("the response is too large".into());
        }
    }
    Ok(bytes.into())
}

/// What `Retry-After` says.
fn moment(value: &str) -> Option<SystemTime> {
    match value.trim().parse() {
        Ok(seconds) => SystemTime::now().checked_add(Duration::from_secs(seconds)),
        Err(_) => httpdate::parse_http_date(value.trim()).ok(),
    }
}

fn roots_in(path: &std::path::Path) -> Result<RootCertStore, String> {
    let bytes = super::files::read(path).map_err(|e| e.to_string())?.ok_or("there is no such file")?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        roots.add(certificate.map_err(|e| e.to_string())?).map_err(|e| e.to_string())?;
    }
    if roots.is_empty() { Err("no certificate in it".into()) } else { Ok(roots) }
}
