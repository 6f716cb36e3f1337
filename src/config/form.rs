//! The forms a value can take, each with its words for the manual: durations, sizes, numbers, choices.

use super::lints::LONG_CONNECT;
use super::node::Node;
use super::reading::Reading;
use super::shape::Shape;
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
    /// The same for programs. It may hold what reading refuses, and nothing less than what reading takes.
    pub shape: Shape,
    /// Reads it; complaints go to the reading.
    pub read: fn(&Node<'_>, &Reading<'_>) -> Option<T>,
}

/// A form that is one word: how it is called, an example, and how its text is parsed.
macro_rules! word {
    ($vis:vis $name:ident: $type:ty = $form:literal, $example:literal, $shape:expr, $parse:expr) => {
        $vis const $name: Form<$type> = Form {
            form: $form,
            example: $example,
            shape: $shape,
            read: |node, reading| reading.word(node, $form, $parse),
        };
    };
}

word!(pub DURATION: Duration = "a duration", "30s", Shape::Word("^0*[1-9][0-9]*(ms|s|m|h|d)$"), positive);
word!(pub DURATION_OR_ZERO: Duration = "a duration, also `0s`", "3s",
    Shape::Word("^[0-9]+(ms|s|m|h|d)$"), parse_duration);
word!(pub DURATION_OR_UNLIMITED: Limit<Duration> = "a duration, or `unlimited`", "300s",
    Shape::Word("^(0*[1-9][0-9]*(ms|s|m|h|d)|unlimited)$"), |text| {
    Limit::parse(text, positive).map_err(|complaint| unlimited(text, complaint))
});
word!(pub SIZE_OR_UNLIMITED: Limit<Size> = "a size, or `unlimited`", "50MiB",
    Shape::Word("^(0*[1-9][0-9]*([KMGT]iB)?|unlimited)$"), |text| {
    match Limit::parse(text, Size::parse).map_err(|complaint| unlimited(text, complaint))? {
        Limit::At(Size(0)) => {
            Err(Complaint::new("0 bytes would refuse every body").hint("write `unlimited` for no limit"))
        }
        limit => Ok(limit),
    }
});
word!(pub PERCENT: Percent = "a share from `0%` to `100%`", "20%",
    Shape::Word("^0*(100|[0-9]{1,2})%$"), Percent::parse);
word!(pub BOOL: bool = "`true` or `false`", "true", Shape::Truth, |text| match text {
    "true" => Ok(true),
    "false" => Ok(false),
    _ => {
        let hint = match text.to_ascii_lowercase().as_str() {
            "yes" | "on" | "y" | "1" | "t" | "true" => "write `true`",
            "no" | "off" | "n" | "0" | "f" | "false" => "write `false`",
            _ => match suggest::nearest(text, ["true", "false"]) {
                Some("true") => "did you mean `true`?",
                Some(_) => "did you mean `false`?",
                None => "write `true` or `false`",
            },
        };
        Err(Complaint::new(format!("`{text}` is not a truth value")).hint(hint))
    }
});
word!(pub RATE: Rate = "a rate", "1KiB/s", Shape::Word("^[0-9]+([KMGT]iB)?/[smh]$"), Rate::parse);
word!(pub CIDR: Cidr = "an address range", "10.0.0.0/8", Shape::Word("^[0-9A-Fa-f.:]+(/[0-9]{1,3})?$"), Cidr::parse);
word!(pub HOST: HostPattern = "a host", "\"*.example.com\"",
    Shape::Word(r"^((\*\.)?[^\s/*:~]+|\[[0-9A-Fa-f:.]+\])$"), HostPattern::parse);
word!(pub PATH: PathPattern = "a path pattern", "/v1/users/*",
    Shape::Word(r"^(/[^?#;\\\s*]*\*?|~ .+)$"), PathPattern::parse);
word!(pub COUNT: u32 = "a number from 1", "1000",
    Shape::Number(1, u32::MAX as i64), |text| number(text, 1, u32::MAX.into()));
word!(pub COUNT_OR_ZERO: u32 = "a number from 0", "64",
    Shape::Number(0, u32::MAX as i64), |text| number(text, 0, u32::MAX.into()));
word!(pub WEIGHT: u16 = "a number from 1 to 65535", "2", Shape::Number(1, 65535), |text| match text {
    "0" => Err(Complaint::new("an endpoint of weight 0 would get no request")
        .hint("leave the endpoint out, or write `weight: 1`; `wharf drain` empties one that is in use")),
    _ => number(text, 1, u16::MAX.into()),
});
word!(pub ATTEMPTS: u32 = "a number from 1 to 100", "2", Shape::Number(1, 100), |text| number(text, 1, 100));
word!(pub SHARE: u32 = "a number from 0 to 1000000", "95",
    Shape::Number(0, 1_000_000), |text| number(text, 0, 1_000_000));
word!(pub TEXT: Box<str> = "text", "\"pong\\n\"", Shape::Text, |text| Ok(text.into()));

pub(super) const LISTEN_ADDRESS: Form<Spanned<ListenAddress>> = Form {
    form: "`host:port`, `:port`, `[ipv6]:port` or `unix:/path`",
    example: "\":8080\"",
    shape: Shape::Word(r"^(unix:/.+|\[[0-9A-Fa-f:.]+\]:0*[1-9][0-9]{0,4}|[^:/*\s\[\]]*:0*[1-9][0-9]{0,4})$"),
    read: |node, reading| reading.spanned(node, "an address", ListenAddress::parse),
};

pub(super) const ENDPOINT_ADDRESS: Form<Spanned<EndpointAddress>> = Form {
    form: "`host:port`, `[ipv6]:port` or `unix:/path`",
    example: "app-1:3000",
    shape: Shape::Word(r"^(unix:/.+|\[[0-9A-Fa-f:.]+\]:0*[1-9][0-9]{0,4}|[^:/*\s\[\]]+:0*[1-9][0-9]{0,4})$"),
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
    shape: Shape::Text,
    read: |node, reading| reading.spanned(node, "a name", |text| Ok(text.into())),
};

/// Past this the operating system mostly has given up by itself.
const CONNECT_LONGEST: Duration = Duration::from_secs(75);

pub(super) const CONNECT: Form<Duration> = Form {
    read: |node, reading| {
        let timeout = (DURATION.read)(node, reading)?;
        if timeout >= CONNECT_LONGEST {
            reading.tell(
                Diagnostic::warning(
                    &LONG_CONNECT,
                    node.at,
                    "a `connect` of 75s or more holds up the next endpoint's turn",
                )
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
    shape: Shape::Set(&CIDR.shape, 0),
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
            let complaint = Complaint::new(format!("`{text}` is not {}", T::WHAT));
            Err(Complaint { hint: suggest::hint(text, built::<T>()), ..complaint })
        }
    }
}

/// The word that says a choice.
pub(super) fn word<T: Choice + PartialEq>(value: &T) -> &'static str {
    T::WORDS.iter().find(|(_, known)| known.as_ref() == Some(value)).map_or("", |(word, _)| *word)
}

/// The words of a choice that have a part behind them.
pub(super) fn built<T: Choice>() -> Vec<&'static str> {
    T::WORDS.iter().filter(|(_, value)| value.is_some()).map(|(word, _)| *word).collect()
}

/// The form of a choice.
pub(super) const fn choice<T: Choice>(form: &'static str, example: &'static str) -> Form<T> {
    Form { form, example, shape: Shape::Choice(built::<T>), read: |node, reading| reading.word(node, T::WHAT, choose) }
}

/// The form of a list of a choice's words.
pub(super) const fn choices<T: Choice + PartialEq>(form: &'static str, example: &'static str) -> Form<Vec<T>> {
    Form {
        form,
        example,
        shape: Shape::Set(const { &Shape::Choice(built::<T>) }, 0),
        read: |node, reading| {
            let items = reading.list(node, "a list")?;
            Some(each_once(items, reading, |item| reading.word(item, T::WHAT, choose)))
        },
    }
}

/// The items of a list that can be read, with a complaint about each that is there already.
pub(super) fn each_once<T: PartialEq>(
    items: &[Node<'_>],
    reading: &Reading<'_>,
    read: impl Fn(&Node<'_>) -> Option<T>,
) -> Vec<T> {
    let mut values: Vec<T> = Vec::with_capacity(items.len());
    let mut places = Vec::new();
    for item in items {
        let Some(value) = read(item) else { continue };
        // a list of many is wrong in another way, and need not be searched
        if let Some(first) = values.iter().take(100).position(|other| *other == value) {
            let message = format!("`{}` is listed twice", reading.source.slice(item.at));
            let diagnostic = Diagnostic::error(item.at, message).hint("leave one of the two out");
            reading.tell(match places.get(first) {
                Some(place) => diagnostic.other(*place, "the first time"),
                None => diagnostic,
            });
        }
        places.push(item.at);
        values.push(value);
    }
    values
}

/// A whole number within bounds.
pub(super) fn number<N: TryFrom<u64>>(text: &str, least: u64, most: u64) -> Result<N, Complaint> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if let Some(value) = meant(text) {
        let complaint = Complaint::new(format!("`{text}` is not a decimal number"));
        return Err(match (least..=most).contains(&value) {
            // some readers of YAML take a leading zero for octal
            true if digits => complaint.hint(format!("write `{value}`: it starts with no 0")),
            true => complaint.hint(format!("write `{value}`")),
            false => complaint.hint(format!("write a number from {least} to {most}")),
        });
    }
    let parsed = if digits { text.parse::<u64>().ok() } else { None };
    let fits = parsed.filter(|n| (least..=most).contains(n)).and_then(|n| N::try_from(n).ok());
    fits.ok_or_else(|| {
        let message = if digits { format!("{text} is out of range") } else { format!("`{text}` is not a number") };
        Complaint::new(message).hint(format!("write a number from {least} to {most}"))
    })
}

/// The number that was meant by one in another notation: `010`, `0o17`, `0x1f`, `10_000`, `+5`, `10k`, `1e4`.
fn meant(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let radix = |digits: &str, radix| u64::from_str_radix(digits, radix).ok();
    if let Some(digits) = lower.strip_prefix("0x") {
        return radix(digits, 16);
    }
    if let Some(digits) = lower.strip_prefix("0o") {
        return radix(digits, 8);
    }
    if let Some(digits) = lower.strip_prefix("0b") {
        return radix(digits, 2);
    }
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten();
    if let Some((digits, _)) = lower.split_once(' ').filter(|(digits, _)| !digits.is_empty()) {
        return plain(digits);
    }
    if let Some(digits) = lower.strip_prefix('+') {
        return plain(digits);
    }
    if lower.len() > 1 && lower.starts_with('0') {
        return plain(&lower);
    }
    if lower.starts_with(|c: char| c.is_ascii_digit()) && lower.contains(['_', '\'']) {
        return plain(&lower.replace(['_', '\''], ""));
    }
    let thousands = |digits: &str, factor: u64| plain(digits)?.checked_mul(factor);
    match lower.strip_suffix('k') {
        Some(digits) if !digits.is_empty() => thousands(digits, 1000),
        _ => match lower.split_once('e') {
            Some((digits, power)) if !digits.is_empty() => thousands(digits, 10_u64.checked_pow(power.parse().ok()?)?),
            _ => lower.strip_suffix(".0").filter(|digits| !digits.is_empty()).and_then(plain),
        },
    }
}

/// A limit's complaint, with the word for no limit where that was meant.
fn unlimited(text: &str, complaint: Complaint) -> Complaint {
    match suggest::nearest(text, ["unlimited", "infinite", "infinity"]) {
        Some("unlimited") => complaint.hint("did you mean `unlimited`?"),
        Some(_) => complaint.hint("write `unlimited` for no limit"),
        None if ["off", "none", "never", "no", "false", "-1", ".inf", "inf", "max"].contains(&text) => {
            complaint.hint("write `unlimited` for no limit")
        }
        None => complaint,
    }
}

fn positive(text: &str) -> Result<Duration, Complaint> {
    let duration = if text == "0" { Duration::ZERO } else { parse_duration(text)? };
    if duration.is_zero() {
        return Err(Complaint::new("no time at all is too short").hint("write at least `1ms`"));
    }
    Ok(duration)
}
