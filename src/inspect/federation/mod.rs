//! CB-FED: a domain's federation in Entra (facts §4).

/// Certificates and keys: CB-FED-002, 007, 010.
pub(super) mod certificates;
/// Commands of PowerShell and calls of Graph, read as far as they set values.
pub(super) mod commands;
/// What the values mean: CB-FED-001, 003…006, 008, 009, 011…014.
pub(super) mod settings;
