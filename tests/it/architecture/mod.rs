//! The house rules that a compiler or a linter cannot hold.
//!
//! Every check reads `src/` with `syn`, reports what it finds as `file:line: what`,
//! and has a test beside it that shows it failing on a snippet that breaks the rule.

/// The door for passwords alone does not know the claim.
mod active_door;
/// What is found altered is written down, and what is told has words.
mod alarms;
/// Secrets are compared in constant time.
mod comparisons;
/// Rooms depend in one direction.
mod dependencies;
/// What the files of a door may not name or say.
mod doors;
/// `--cfg forge`: the compiler refuses to build a proof anywhere else.
mod forge;
/// Proofs cannot be copied, defaulted, read from bytes or handed on.
mod sealed;
/// The door for one factor does not know two.
mod second_factor_door;
/// No file is too long to hold in mind.
mod size;
/// The module tree of `src/`, read from `lib.rs`.
mod source;
