//! A request head, parsed strictly from borrowed bytes: what it asks, how its body is framed, what it says of the connection.

use super::field::{Class, class, members};
use super::framing::{Framing, FramingFields};
use super::host::{self, Host};
use super::method::Method;
use super::target::{self, Target};
use super::{FIELDS_MAX, HeadLimits, LINE_BYTES_MAX, TARGET_BYTES_MAX};
use crate::failure::Failure;
use std::mem::MaybeUninit;

/// The tokenised header lines and the class of each. Lives on the stack of whoever parses.
pub struct Space<'b> {
    lines: [MaybeUninit<httparse::Header<'b>>; FIELDS_MAX],
    classes: [Class; FIELDS_MAX],
}

impl Space<'_> {
    pub fn new() -> Self {
        Space { lines: [const { MaybeUninit::uninit() }; FIELDS_MAX], classes: [Class::Plain; FIELDS_MAX] }
    }
}

impl Default for Space<'_> {
    fn default() -> Self {
        Self::new()
    }
}

/// A request head. Borrows the bytes it was parsed from.
pub struct RequestHead<'s, 'b> {
    pub method: Method,
    /// The method as written.
    pub method_token: &'b str,
    pub target: Target<'b>,
    /// 0 or 1: HTTP/1.0 or HTTP/1.1.
    pub minor: u8,
    /// The Host as written, or the authority of an absolute form; empty for an HTTP/1.0 request without one.
    pub host_value: &'b [u8],
    pub host: Host<'b>,
    /// `None` when there is no body.
    pub framing: Framing,
    /// The client lets the connection be used again.
    pub keep_alive: bool,
    pub expect: Expect,
    /// The protocol the client asks to switch to.
    pub upgrade: Option<&'b [u8]>,
    /// There is a `Sec-WebSocket-Key`.
    pub websocket_key: bool,
    lines: &'s [httparse::Header<'b>],
    classes: &'s [Class],
    /// What the head was parsed from.
    pub source: &'b [u8],
    /// There is a Host line, not only an authority.
    pub has_host_line: bool,
    /// Bytes of the head, its final empty line included.
    pub len: usize,
}

/// What the Expect header asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    Nothing,
    Continue,
    /// Something this gateway does not know: 417.
    Unknown,
}

/// How far a head has come.
pub enum Parsed<T> {
    Whole(T),
    /// More bytes are needed.
    Partial,
}

impl<'s, 'b> RequestHead<'s, 'b> {
    /// As [`RequestHead::parse`], where speed does not matter.
    #[cold]
    pub fn parse_again(bytes: &'b [u8], space: &'s mut Space<'b>, limits: HeadLimits) -> Result<Parsed<Self>, Failure> {
        Self::parse(bytes, space, limits)
    }

    /// Parses the head at the start of `bytes`. Malformed or ambiguous heads are a [`Failure::BadRequest`].
    #[inline(always)] // with every request
    pub fn parse(bytes: &'b [u8], space: &'s mut Space<'b>, limits: HeadLimits) -> Result<Parsed<Self>, Failure> {
        let mut raw = httparse::Request::new(&mut []);
        let count = limits.count.min(FIELDS_MAX);
        let status = raw.parse_with_uninit_headers(bytes, &mut space.lines[..count]).map_err(|e| match e {
            httparse::Error::TooManyHeaders => Failure::HeaderTooLarge,
            httparse::Error::Version => version(bytes),
            _ => Failure::BadRequest,
        })?;
        let httparse::Status::Complete(len) = status else {
            return if bytes.len() >= limits.size { Err(too_large(bytes)) } else { Ok(Parsed::Partial) };
        };
        let (Some(method_token), Some(path), Some(minor)) = (raw.method, raw.path, raw.version) else {
            return Err(Failure::BadRequest);
        };
        if path.len() > TARGET_BYTES_MAX {
            return Err(Failure::UriTooLong);
        }
        if len > limits.size {
            return Err(Failure::HeaderTooLarge);
        }
        let method = Method::parse(method_token).ok_or(Failure::BadRequest)?;
        let target = target::parse(path.as_bytes(), method == Method::Options || method == Method::Connect);
        let lines: &'s [httparse::Header<'b>] = raw.headers;
        let mut head = RequestHead {
            method,
            method_token,
            // CONNECT names an authority; it is refused by its method, so its target is never used
            target: target.or_else(|| connect(method)).ok_or(Failure::BadRequest)?,
            minor,
            host_value: b"",
            host: Host { name: b"", upper: false },
            framing: Framing::None,
            keep_alive: minor == 1,
            expect: Expect::Nothing,
            upgrade: None,
            websocket_key: false,
            lines,
            classes: &[],
            source: bytes,
            has_host_line: false,
            len,
        };
        head.read_lines(&mut space.classes)?;
        head.classes = &space.classes[..lines.len()];
        Ok(Parsed::Whole(head))
    }

    fn read_lines(&mut self, classes: &mut [Class; FIELDS_MAX]) -> Result<(), Failure> {
        let mut framing = FramingFields::default();
        let mut host: Option<&'b [u8]> = None;
        let (mut closes, mut keeps, mut upgrades, mut connection) = (false, false, false, false);
        for (line, slot) in self.lines.iter().zip(classes.iter_mut()) {
            if line.name.len() + line.value.len() > LINE_BYTES_MAX {
                return Err(Failure::HeaderTooLarge);
            }
            let c = class(line.name.as_bytes());
            *slot = c;
            match c {
                Class::Plain | Class::Accept | Class::UserAgent | Class::Referer | Class::Guarded => {}
                Class::Host if host.replace(line.value).is_some() => return Err(Failure::BadRequest),
                Class::ContentLength => framing.content_length(line.value).map_err(|_| Failure::BadRequest)?,
                Class::TransferEncoding => framing.transfer_encoding(line.value).map_err(|_| Failure::BadRequest)?,
                Class::Connection => {
                    for option in members(line.value) {
                        let (close, keep) =
                            (option.eq_ignore_ascii_case(b"close"), option.eq_ignore_ascii_case(b"keep-alive"));
                        let upgrade = option.eq_ignore_ascii_case(b"upgrade");
                        (closes, keeps, upgrades) = (closes | close, keeps | keep, upgrades | upgrade);
                        // these name no header line that would be forwarded
                        connection |= !(close || keep || upgrade);
                        if !super::field::may_be_nominated(option) {
                            return Err(Failure::BadRequest);
                        }
                    }
                }
                Class::Expect => {
                    let known = line.value.eq_ignore_ascii_case(b"100-continue") && self.expect != Expect::Unknown;
                    self.expect = if known { Expect::Continue } else { Expect::Unknown };
                }
                Class::Upgrade => self.upgrade = Some(line.value),
                Class::WebSocketKey => self.websocket_key = true,
                _ => {}
            }
        }
        if connection {
            self.nominate(classes);
        }
        self.framing = framing.finish(self.minor).map_err(|_| Failure::BadRequest)?.unwrap_or(Framing::None);
        self.keep_alive = !closes && (self.minor == 1 || keeps);
        if !upgrades || self.minor == 0 {
            self.upgrade = None;
        }
        self.read_host(host)
    }

    fn read_host(&mut self, value: Option<&'b [u8]>) -> Result<(), Failure> {
        self.has_host_line = value.is_some();
        let value = match (value, self.target.authority) {
            (Some(value), None) => value,
            // an absolute form must agree with Host, else two readers route it differently (RFC 9112 section 3.2.2)
            (Some(value), Some(authority)) if value.eq_ignore_ascii_case(authority) => value,
            (None, Some(authority)) if self.minor == 0 => authority,
            (None, None) if self.minor == 0 => return Ok(()),
            _ => return Err(Failure::BadRequest),
        };
        self.host = host::parse(value).ok_or(Failure::BadRequest)?;
        self.host_value = value;
        Ok(())
    }

    /// Marks the header lines that `Connection` names: they are about this connection only.
    fn nominate(&self, classes: &mut [Class; FIELDS_MAX]) {
        for value in self.all(Class::Connection, classes) {
            for option in members(value) {
                for (line, c) in self.lines.iter().zip(classes.iter_mut()) {
                    let plain = matches!(c, Class::Plain | Class::Accept | Class::UserAgent | Class::Referer);
                    if plain && line.name.as_bytes().eq_ignore_ascii_case(option) {
                        *c = Class::Nominated;
                    }
                }
            }
        }
    }

    fn all(&self, wanted: Class, classes: &[Class]) -> Vec<&'b [u8]> {
        self.lines.iter().zip(classes).filter(|(_, c)| **c == wanted).map(|(l, _)| l.value).collect()
    }

    /// The header lines in order, with their classes.
    pub fn fields(&self) -> impl Iterator<Item = (Class, &'b str, &'b [u8])> {
        self.classes.iter().zip(self.lines).map(|(c, l)| (*c, l.name, l.value))
    }

    /// The first value of a class, if any.
    pub fn field(&self, wanted: Class) -> Option<&'b [u8]> {
        self.fields().find(|(c, ..)| *c == wanted).map(|(.., v)| v)
    }

    /// The value of a cookie; of several with one name the first.
    pub fn cookie(&self, name: &str) -> Option<&'b [u8]> {
        let lines = self.fields().filter(|(c, field, _)| *c == Class::Guarded && field.eq_ignore_ascii_case("cookie"));
        let mut pairs = lines.flat_map(|(.., value)| value.split(|b| *b == b';'));
        pairs.find_map(|pair| pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"="))
    }
}

fn connect(method: Method) -> Option<Target<'static>> {
    (method == Method::Connect).then_some(Target { path_and_query: b"*", path_len: 1, authority: None })
}

/// The head did not end within its limit: was it the target?
fn too_large(bytes: &[u8]) -> Failure {
    match (memchr::memchr(b'\n', bytes), memchr::memchr(b' ', bytes)) {
        (Some(_), _) => Failure::HeaderTooLarge,
        (None, Some(_)) => Failure::UriTooLong,
        (None, None) => Failure::BadRequest,
    }
}

/// `HTTP/2.0` and the like are well formed but not spoken here, also while their last bytes are still to come; anything else is no version
/// at all.
fn version(bytes: &[u8]) -> Failure {
    let end = memchr::memchr(b'\n', bytes);
    let line = &bytes[..end.unwrap_or(bytes.len())];
    let mut words = line.strip_suffix(b"\r").unwrap_or(line).split(|b| *b == b' ');
    let (Some(_), Some(_), Some(word), None) = (words.next(), words.next(), words.next(), words.next()) else {
        return Failure::BadRequest;
    };
    let well_formed = match word.strip_prefix(b"HTTP/").unwrap_or(b"") {
        [major, b'.', minor] => major.is_ascii_digit() && minor.is_ascii_digit(),
        [major] | [major, b'.'] => end.is_none() && major.is_ascii_digit(),
        _ => false,
    };
    if well_formed { Failure::VersionNotSupported } else { Failure::BadRequest }
}
