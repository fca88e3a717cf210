//! Independent verifiers judge what we sign: xmlsec1 (libxml2, OpenSSL) and
//! @node-saml/node-saml (xmldom, xml-crypto, Node's OpenSSL), openssl with them for messages of
//! sign-out (`verify-saml.sh`); passport-wsfed-saml2 judges what
//! the WS-Federation door sends (`verify-wsfed.sh`), openid-client and jose what the External MFA
//! door publishes and sends (`verify-external-mfa.sh`); oathtool agrees with the
//! codes that we make (`verify-oath.sh`); unzip and openssl agree with a bundle of evidence
//! (`verify-evidence.sh`); `script` makes the terminal on which somebody is asked (`verify-question.sh`).
//!
//! Run by `tests/tools/verify-saml.sh`, which installs the second and says where it
//! is. A missing tool is a failure that says what to install, never a pass.

#[cfg(test)]
#[expect(dead_code, reason = "the demo's own tests use the rest of it")]
#[path = "../it/demo/client.rs"]
mod client;
#[cfg(test)]
mod codes;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod evidence;
#[cfg(test)]
mod external_mfa;
#[cfg(test)]
mod logout;
#[cfg(test)]
mod question;
#[cfg(test)]
#[path = "../it/saml_kit.rs"]
mod saml_kit;
#[cfg(test)]
mod verdicts;
#[cfg(test)]
mod wsfed_door;
