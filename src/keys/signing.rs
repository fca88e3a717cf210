//! RSA signing keys.
