//! Independent verifiers judge what we sign: xmlsec1 (libxml2, OpenSSL) and
//! @node-saml/node-saml (xmldom, xml-crypto, Node's OpenSSL); oathtool agrees with the
//! codes that we make (`verify-oath.sh`).
//!
//! Run by `tests/tools/verify-saml.sh`, which installs the second and says where it
//! is. A missing tool is a failure that says what to install, never a pass.

#[cfg(test)]
mod codes;
#[cfg(test)]
#[path = "../it/saml_kit.rs"]
mod saml_kit;
#[cfg(test)]
mod verdicts;
