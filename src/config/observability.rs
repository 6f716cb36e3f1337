//! `observability`: what the gateway writes down.

use super::declare::section;
use super::form::{Choice, Form, choice};
use super::section::Fields;
use super::shape::Shape;
use super::suggest;
use crate::value::{AccessLogFormat, Complaint};
use std::path::PathBuf;

section! { "`observability`",
    /// What the gateway writes down.
    #[derive(Clone, PartialEq, Eq)]
    pub struct ObservabilityConfig {
        /// One line a request.
        "access_log" => access_log: AccessLogConfig, section(AccessLogConfig);
        /// What the gateway says about itself, on standard error.
        "log" => log: LogConfig, section(LogConfig);
    }
    later []
}

section! { "`access_log`",
    /// One line a request, from a bounded buffer: when its reader is too slow lines are dropped and counted, requests
    /// never wait.
    #[derive(Clone, PartialEq, Eq)]
    pub struct AccessLogConfig {
        /// The form of a line. `json`: one object with every field. `combined`: what nginx and Apache call so. Or a text with
        /// fields in it, `'{client_ip} {status} {duration_s}'`: those of the JSON line by their names; a field that
        /// is empty is `-`, and `{{` and `}}` are the braces themselves. Put a field that a client fills in double quotes,
        /// out of which no value breaks. What is secret is left out of every form.
        "format" => format: AccessLogFormat, default(ACCESS_LOG_FORMAT, "json");
        /// Where lines go: `stdout`, `stderr`, `none`, or a file, whose path holds a `/`. A path
        /// that does not start with `/` counts from the directory in which the gateway was started, not from this file.
        /// The directory must exist; the file is made with the mode that the umask leaves of 0666, and appended to. It may be a
        /// named pipe if somebody reads it already.
        "output" => output: AccessLogOutput, default(ACCESS_LOG_OUTPUT, "stdout");
    }
    later []
    checked by access_log
}

fn access_log(config: &AccessLogConfig, fields: &Fields<'_, '_>) {
    if config.output == AccessLogOutput::None && fields.are_sound() {
        fields.useless("format", "output", "output: none", "no line is written");
    }
}

section! { "`log`",
    /// What the gateway says about itself, on standard error.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub struct LogConfig {
        /// The least important message that is written: `error`, `warn`, `info` or `debug`.
        "level" => level: LogLevel, default(LOG_LEVEL, "info");
        /// The form of a message. `text`: one line.
        "format" => format: LogFormat, default(LOG_FORMAT, "text");
    }
    later []
}

const ACCESS_LOG_FORMAT: Form<AccessLogFormat> = Form {
    form: "`json`, `combined`, or text with fields",
    example: "'{client_ip} {status} {duration_s}'",
    shape: Shape::OneOf(&[
        Shape::Choice(|| AccessLogFormat::WORDS.to_vec()),
        Shape::Word(concat!(
            r"\{(ts|request_id|client_ip|method|scheme|host|path|protocol|status|bytes_in|bytes_out|duration_s|route|upstream|",
            r"endpoint|attempts|upstream_status|upstream_connect_s|upstream_header_s|reused|reason|user_agent|referer|tls_version|tls_cipher|tls_server_name|client_subject)\}",
        )),
    ]),
    read: |node, reading| reading.word(node, "an access-log format", AccessLogFormat::parse),
};

/// Where access-log lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLogOutput {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// Nowhere.
    None,
    /// Appended to this file.
    File(PathBuf),
}

const ACCESS_LOG_OUTPUT: Form<AccessLogOutput> = Form {
    form: "`stdout`, `stderr`, `none` or a file path",
    example: "/var/log/wharf/access.log",
    shape: Shape::OneOf(&[Shape::Choice(|| vec!["stdout", "stderr", "none"]), Shape::Word("/[^/]+$")]),
    read: |node, reading| {
        reading.word(node, "an output", |text| match text {
            "stdout" => Ok(AccessLogOutput::Stdout),
            "stderr" => Ok(AccessLogOutput::Stderr),
            "none" => Ok(AccessLogOutput::None),
            _ if text.ends_with('/') => Err(Complaint::new(format!("`{text}` is a directory, not a file"))),
            _ if text.contains('/') && !text.contains('\0') => Ok(AccessLogOutput::File(PathBuf::from(text))),
            _ => {
                let complaint = Complaint::new(format!("`{text}` is not an output"));
                Err(match suggest::nearest(text, ["stdout", "stderr", "none"]) {
                    Some(near) => complaint.hint(format!("did you mean `{near}`?")),
                    None => complaint.hint(format!("write `stdout`, `stderr`, `none`, or `./{text}` for a file")),
                })
            }
        })
    },
};

/// How important a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Something failed.
    Error,
    /// Something looks wrong.
    Warn,
    /// What an operator wants to know.
    Info,
    /// What a developer wants to know.
    Debug,
}

impl Choice for LogLevel {
    const WHAT: &'static str = "a log level";
    const WORDS: &'static [(&'static str, Option<Self>)] = &[
        ("error", Some(LogLevel::Error)),
        ("warn", Some(LogLevel::Warn)),
        ("info", Some(LogLevel::Info)),
        ("debug", Some(LogLevel::Debug)),
    ];
}

const LOG_LEVEL: Form<LogLevel> = choice("`error`, `warn`, `info` or `debug`", "warn");

/// The form of a log message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// A line of text.
    Text,
}

impl Choice for LogFormat {
    const WHAT: &'static str = "a log format";
    const WORDS: &'static [(&'static str, Option<Self>)] = &[("text", Some(LogFormat::Text)), ("json", None)];
}

const LOG_FORMAT: Form<LogFormat> = choice("`text`", "text");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::LogField;

    #[test]
    fn the_schema_knows_the_fields_of_the_log() {
        let Shape::OneOf([_, Shape::Word(pattern)]) = &ACCESS_LOG_FORMAT.shape else { panic!("another shape") };
        let names: Vec<_> = LogField::all().map(|(name, _)| name).collect();
        assert_eq!(*pattern, format!(r"\{{({})\}}", names.join("|")));
    }
}
