//! The active door (WS-Trust): a program sends a name and a password and gets a token at once.
//!
//! Nothing more can be asked there, so what comes out of it never carries the MFA claim, and
//! the door is closed unless the operator opens it (attack 22).

/// Whether the door is open, and for which passwords.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ActiveDoor {
    /// Nobody comes in.
    #[default]
    Closed,
    /// For application passwords only.
    ApplicationPasswords,
    /// For application passwords, and for the person's own password.
    OwnPasswordsToo,
}

impl ActiveDoor {
    /// Whether anybody comes in.
    pub fn is_open(self) -> bool {
        self != Self::Closed
    }

    /// Whether the person's own password opens it.
    pub fn takes_own_passwords(self) -> bool {
        self == Self::OwnPasswordsToo
    }
}
