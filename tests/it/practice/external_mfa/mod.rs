//! The tenant as a client of External MFA, before a provider of the tests' own: each rule refuses
//! when its one thing is wrong.

mod answers;
mod asking;
mod kit;
mod publishing;
