//! What is said about a request: the shape of the answer, as JSON has it.

use super::Loser;
use crate::config::Variables;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What becomes of a request, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The name of the route; nothing when no route takes it.
    pub route: Option<String>,
    /// Where the route stands: file and line.
    pub at: Option<String>,
    /// The listener it comes in by.
    pub listener: String,
    /// The certificate that the client is presented there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    pub host: String,
    /// In the form that patterns are compared with.
    pub path: String,
    /// Why it is refused, and the status of the gateway's own answer, if it is not forwarded.
    pub reason: Option<String>,
    pub status: Option<u16>,
    /// More on the reason, where there is more to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What the question left open, and how it was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    pub losers: Vec<Loser>,
    /// What stands for each variable of its texts, as `{host}`.
    pub variables: BTreeMap<String, String>,
    /// What is done with it on this route, in this order.
    pub policies: Vec<Policy>,
    pub upstream: Option<String>,
    /// The request as the upstream gets it.
    pub request: Option<Message>,
    /// The gateway's own answer.
    pub response: Option<Message>,
    pub timeouts: Vec<Setting>,
    pub retries: Vec<Setting>,
    /// How the endpoint is chosen.
    pub balance: Option<String>,
    pub endpoints: Vec<Candidate>,
    /// Who finds the endpoints, and what it calls them, where they are not written: `docker: cart`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discover: Option<String>,
}

/// One thing that the route does or allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Its key: `rewrite.strip_prefix`.
    pub policy: String,
    pub value: String,
    /// Where it is from: file and line, or `default`.
    pub origin: String,
}

/// One key and what holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    pub key: String,
    pub value: String,
    /// Where it is from: file and line, or `default`.
    pub origin: String,
}

/// A head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub target: Option<String>,
    /// Names and values, as sent.
    pub headers: Vec<(String, String)>,
}

/// An endpoint that the request could go to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// As written.
    pub address: String,
    /// How it is in the running gateway, where that was asked.
    pub state: Option<String>,
    pub weight: u32,
    /// Takes requests when no other can.
    pub backup: bool,
    /// It takes requests now, as far as is known.
    pub eligible: bool,
}

impl Explanation {
    /// Shows what came from the environment as it is written.
    pub(super) fn write(&mut self, variables: &Variables) {
        let Explanation {
            route,
            at: _,
            listener,
            certificate: _,
            host: _,
            path: _,
            reason: _,
            status: _,
            detail,
            note: _,
            losers,
            variables: values,
            policies,
            upstream,
            request,
            response,
            timeouts,
            retries,
            balance,
            endpoints,
            discover,
        } = self;
        let names = [route, upstream, balance, detail, discover].into_iter().flatten().chain([listener]);
        let losers = losers.iter_mut().flat_map(|loser| [&mut loser.route, &mut loser.because]);
        let policies = policies.iter_mut().flat_map(|policy| [&mut policy.policy, &mut policy.value]);
        let heads = [request, response].into_iter().flatten();
        let heads =
            heads.flat_map(|head| head.target.iter_mut().chain(head.headers.iter_mut().map(|(_, value)| value)));
        let values = values.values_mut();
        let settings = timeouts.iter_mut().chain(retries).map(|setting| &mut setting.value);
        let endpoints = endpoints.iter_mut().map(|endpoint| &mut endpoint.address);
        for text in names.chain(losers).chain(values).chain(policies).chain(heads).chain(settings).chain(endpoints) {
            *text = variables.as_written(text).into_owned();
        }
    }
}
