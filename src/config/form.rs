//! The forms a value can take, each with its words for the manual: durations, sizes, numbers, choices.

use super::node::Node;
use super::reading::Reading;
use super::{Diagnostic, Spanned, suggest};
use crate::value::{
    Cidr, Complaint, EndpointAddress, HostPattern, Limit, ListenAddress, PathPattern, Percent, Rate, Size,
    parse_duration,
};
use std::time::Duration;

/// One form of value.
pub(super) struct Form<T> {
    /// What it is called: `a duration`.
    pub form: &'static str,
    /// One to copy.
    pub example: &'static str,
    /// Reads it; complaints go to the reading.
    pub read: fn(&Node<'_>, &Reading<'_>) -> Option<T>,
}

/// A form that is one word: how it is called, an example, and how its text is parsed.
macro_rules! word {
    ($vis:vis $name:ident: $type:ty = $form:literal, $example:literal, $parse:expr) => {
        $vis const $name: Form<$type> =
            Form { form: $form, example: $example, read: |node, reading| reading.word(node, $form, $parse) };
    };
}

word!(pub DURATION: Duration = "a duration", "30s", positive);
word!(pub DURATION_OR_ZERO: Duration = "a duration, also `0s`", "3s", parse_duration);
word!(pub DURATION_OR_UNLIMITED: Limit<Duration> = "a duration, or `unlimited`", "300s", |text| {
    Limit::parse(text, positive)
});
word!(pub SIZE_OR_UNLIMITED: Limit<Size> = "a size, or `unlimited`", "50MiB", |text| {
    match Limit::parse(text, Size::parse)? {
        Limit::At(Size(0)) => {
            Err(Complaint::new("0 bytes would refuse every body").hint("write `unlimited` for no limit"))
        }
        limit => Ok(limit),
    }
});
word!(pub PERCENT: Percent = "a share from `0%` to `100%`", "20%", Percent::parse);
word!(pub BOOL: bool = "`true` or `false`", "true", |text| match text {
    "true" => Ok(true),
    "false" => Ok(false),
    "yes" | "on" | "1" => Err(Complaint::new(format!("`{text}` is not a truth value")).hint("write `true`")),
    "no" | "off" | "0" => Err(Complaint::new(format!("`{text}` is not a truth value")).hint("write `false`")),
    _ => Err(Complaint::new(format!("`{text}` is not a truth value")).hint("write `true` or `false`")),
});
word!(pub RATE: Rate = "a rate", "1KiB/s", Rate::parse);
word!(pub CIDR: Cidr = "an address range", "10.0.0.0/8", Cidr::parse);
word!(pub HOST: HostPattern = "a host", "\"*.example.com\"", HostPattern::parse);
word!(pub PATH: PathPattern = "a path pattern", "/v1/users/*", PathPattern::parse);
word!(pub COUNT: u32 = "a number from 1", "1000", |text| number(text, 1, u32::MAX.into()));
word!(pub COUNT_OR_ZERO: u32 = "a number from 0", "64", |text| number(text, 0, u32::MAX.into()));
word!(pub WEIGHT: u16 = "a number from 1 to 65535", "2", |text| number(text, 1, u16::MAX.into()));
word!(pub ATTEMPTS: u32 = "a number from 1 to 100", "2", |text| number(text, 1, 100));
word!(pub SHARE: u32 = "a number from 0 to 1000000", "95", |text| number(text, 0, 1_000_000));
word!(pub TEXT: Box<str> = "text", "\"pong\\n\"", |text| Ok(text.into()));

pub(super) const LISTEN_ADDRESS: Form<Spanned<ListenAddress>> = Form {
    form: "`host:port`, `:port`, `[ipv6]:port` or `unix:/path`",
    example: "\":8080\"",
    read: |node, reading| reading.spanned(node, "an address", ListenAddress::parse),
};

pub(super) const ENDPOINT_ADDRESS: Form<Spanned<EndpointAddress>> = Form {
    form: "`host:port`, `[ipv6]:port` or `unix:/path`",
    example: "app-1:3000",
    read: |node, reading| {
        reading.spanned(node, "an address", |text| match text {
            // A bare port is a listener's slip as well, but there the answer is another one.
            _ if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => {
                Err(Complaint::new("an endpoint needs a host")
                    .hint(format!("write for example `localhost:{text}`, or `NAME:{text}`")))
            }
            _ => EndpointAddress::parse(text),
        })
    },
};

pub(super) const NAME: Form<Spanned<Box<str>>> = Form {
    form: "a name",
    example: "app",
    read: |node, reading| reading.spanned(node, "a name", |text| Ok(text.into())),
};

/// Past this the operating system mostly has given up by itself.
const CONNECT_LONGEST: Duration = Duration::from_secs(75);

pub(super) const CONNECT: Form<Duration> = Form {
    read: |node, reading| {
        let timeout = (DURATION.read)(node, reading)?;
        if timeout >= CONNECT_LONGEST {
            reading.tell(
                Diagnostic::warning(node.at, "a `connect` of 75s or more holds up the next endpoint's turn")
                    .label("the operating system rarely waits that long itself")
                    .hint("write a few seconds: a service that is there takes a connection at once"),
            );
        }
        Some(timeout)
    },
    ..DURATION
};

pub(super) const CIDRS: Form<Vec<Cidr>> = Form {
    form: "a list of address ranges",
    example: "[10.0.0.0/8, \"fd00::/8\"]",
    read: |node, reading| {
        let items = reading.list(node, "a list of address ranges")?;
        Some(items.iter().filter_map(|item| (CIDR.read)(item, reading)).collect())
    },
};

/// A value that is one of a few words. A word of the language whose part does not exist yet has no value.
pub(super) trait Choice: Clone + Sized + 'static {
    /// What it is called: `a balance`.
    const WHAT: &'static str;
    /// The words.
    const WORDS: &'static [(&'static str, Option<Self>)];
}

/// Reads one of a choice's words.
pub(super) fn choose<T: Choice>(text: &str) -> Result<T, Complaint> {
    match T::WORDS.iter().find(|(word, _)| *word == text) {
        Some((_, Some(value))) => Ok(value.clone()),
        Some((_, None)) => {
            let complaint = Complaint::new(format!("`{text}` is not built yet"));
            Err(match suggest::list(built::<T>()) {
                Some(hint) => complaint.hint(format!("{hint} for now")),
                None => complaint,
            })
        }
        None => {
            Err(Complaint { message: format!("`{text}` is not {}", T::WHAT), hint: suggest::hint(text, built::<T>()) })
        }
    }
}

/// The word that says a choice.
pub(super) fn word<T: Choice + PartialEq>(value: &T) -> &'static str {
    T::WORDS.iter().find(|(_, known)| known.as_ref() == Some(value)).map_or("", |(word, _)| *word)
}

fn built<T: Choice>() -> impl Iterator<Item = &'static str> + Clone {
    T::WORDS.iter().filter(|(_, value)| value.is_some()).map(|(word, _)| *word)
}

/// The form of a choice.
pub(super) const fn choice<T: Choice>(form: &'static str, example: &'static str) -> Form<T> {
    Form { form, example, read: |node, reading| reading.word(node, T::WHAT, choose) }
}

/// The form of a list of a choice's words.
pub(super) const fn choices<T: Choice>(form: &'static str, example: &'static str) -> Form<Vec<T>> {
    Form {
        form,
        example,
        read: |node, reading| {
            let items = reading.list(node, "a list")?;
            items.iter().map(|item| reading.word(item, T::WHAT, choose)).collect()
        },
    }
}

/// A whole number within bounds.
pub(super) fn number<N: TryFrom<u64>>(text: &str, least: u64, most: u64) -> Result<N, Complaint> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let parsed = if digits { text.parse::<u64>().ok() } else { None };
    let fits = parsed.filter(|n| (least..=most).contains(n)).and_then(|n| N::try_from(n).ok());
    fits.ok_or_else(|| {
        let message = if digits { format!("{text} is out of range") } else { format!("`{text}` is not a number") };
        Complaint::new(message).hint(format!("write a number from {least} to {most}"))
    })
}

fn positive(text: &str) -> Result<Duration, Complaint> {
    let duration = parse_duration(text)?;
    if duration.is_zero() {
        return Err(Complaint::new("no time at all is too short").hint("write at least `1ms`"));
    }
    Ok(duration)
}
