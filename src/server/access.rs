//! The access log as the configuration wants it.

use crate::config::{AccessLogConfig, AccessLogOutput};
use crate::telemetry::{AccessLog, Opened, Output, ProgramStats};
use std::sync::{Arc, Mutex, PoisonError};

/// The access log, and what it was made of.
pub struct Access {
    pub log: AccessLog,
    config: Mutex<AccessLogConfig>,
}

/// Another access log: its output is open but not written to yet, if it is another one.
pub struct Change {
    config: AccessLogConfig,
    opened: Option<Opened>,
}

impl Access {
    /// Opens the log; the error says what to do.
    pub fn start(config: &AccessLogConfig, program: &Arc<ProgramStats>) -> Result<Access, String> {
        let log = AccessLog::start(output(config), config.format.clone(), Arc::clone(program))
            .map_err(|e| explain(config, &e))?;
        Ok(Access { log, config: Mutex::new(config.clone()) })
    }

    /// Opens what `config` wants, if that is another log than the one now.
    pub fn prepare(&self, config: &AccessLogConfig) -> Result<Option<Change>, String> {
        let current = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        if *current == *config {
            return Ok(None);
        }
        let opened = match current.output == config.output {
            // two writers of one pipe would cut each other's lines
            true => None,
            false => Some(self.log.open(output(config)).map_err(|e| explain(config, &e))?),
        };
        Ok(Some(Change { config: config.clone(), opened }))
    }

    /// Writes there and so from now on. Workers look where it goes when they see another table, so this comes before its swap.
    pub fn switch(&self, change: Option<Change>) {
        if let Some(Change { config, opened }) = change {
            self.log.switch(config.format.clone(), opened);
            *self.config.lock().unwrap_or_else(PoisonError::into_inner) = config;
        }
    }
}

fn output(config: &AccessLogConfig) -> Output {
    match &config.output {
        AccessLogOutput::Stdout => Output::Stdout,
        AccessLogOutput::Stderr => Output::Stderr,
        AccessLogOutput::None => Output::None,
        AccessLogOutput::File(path) => Output::File(path.clone()),
    }
}

fn explain(config: &AccessLogConfig, error: &std::io::Error) -> String {
    let place = match &config.output {
        AccessLogOutput::File(path) => format!(" {}", path.display()),
        _ => String::new(),
    };
    format!(
        "cannot open the access log{place}: {error}\n\
         hint: `observability.access_log.output` names the file; its directory must exist and be writable"
    )
}
