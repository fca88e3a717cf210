//! The `[trust]` section: WS-Trust, closed unless somebody opens it.

use super::{methods::choice, reader::Reader};
use crate::signin::active::ActiveDoor;

pub(super) fn read(reader: &mut Reader) -> ActiveDoor {
    let open = reader.flag("trust.enabled");
    let door = choice(
        reader,
        "trust.password",
        ActiveDoor::ApplicationPasswords,
        &[
            ("application", ActiveDoor::ApplicationPasswords),
            ("own", ActiveDoor::OwnPasswordsToo),
        ],
    );
    if open { door } else { ActiveDoor::Closed }
}
