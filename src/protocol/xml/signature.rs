//! Enveloped XML signatures.
