//! The exchange over pipes in memory, in virtual time: what is true however the bytes come, and however slowly.

mod pipe;
mod script;
mod stage;

mod deadlines;
mod endings;
mod mixed;
mod own_routes;
mod pressure;
mod requests;
mod responses;
mod secured;
mod serving;
mod storm;
mod tunnels;
