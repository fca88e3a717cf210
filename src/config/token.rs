//! The `[pkcs11]` section: the token that holds signing keys in hardware.
//!
//! Always true: a token is named so that exactly one can be meant; whether it is there is
//! not asked here, because a token that is away is an outage and no wrong configuration.

use super::{methods::read_present, reader::Reader};
use crate::keys::hardware::{TokenName, TokenSetting};

pub(super) fn read(reader: &mut Reader) -> Option<TokenSetting> {
    let module = read_present(reader, "pkcs11.module");
    let label = reader.text("pkcs11.token_label");
    let serial = reader.text("pkcs11.token_serial");
    let has_pin = reader.has("pkcs11.pin") || reader.has("pkcs11.pin_file");
    let pin = reader.secret("pkcs11.pin");
    let has_module = reader.has("pkcs11.module");
    let name = match (label, serial) {
        (Some(_), Some(_)) => {
            reader.object(
                "pkcs11.token_serial",
                "token_label is set too; keep one of them",
            );
            None
        }
        (Some(label), None) => Some(TokenName::Label(label)),
        (None, Some(serial)) => Some(TokenName::Serial(serial)),
        (None, None) => None,
    };
    let begun = has_module || has_pin || name.is_some();
    for (key, is_there) in [
        ("pkcs11.module", has_module),
        (
            "pkcs11.token_label",
            name.is_some() || reader.has("pkcs11.token_serial"),
        ),
        ("pkcs11.pin_file", has_pin),
    ] {
        if begun && !is_there {
            reader.object(
                key,
                "it is missing; a token needs module, token_label (or token_serial) and pin_file",
            );
        }
    }
    if pin.as_ref().is_some_and(|pin| pin.expose().is_empty()) {
        reader.object(
            "pkcs11.pin_file",
            "it is empty; write the user's PIN into it",
        );
        return None;
    }
    Some(TokenSetting {
        module: module?,
        name: name?,
        pin: pin?,
    })
}
