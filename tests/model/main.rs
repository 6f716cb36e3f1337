//! What threads share of a pool, in every order that their steps can take: the sources themselves, with the model checker's primitives.

#[path = "../../src/upstream/count.rs"]
mod count;
#[expect(dead_code, reason = "not all of it is modelled")]
#[path = "../../src/upstream/passive.rs"]
mod passive;
mod sync;
#[expect(dead_code, reason = "not all of it is modelled")]
#[path = "../../src/upstream/waiting.rs"]
mod waiting;

mod counting;
mod failing;
mod queueing;
