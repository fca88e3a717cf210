//! CB-WSFED: a WS-Federation answer as Entra takes it (facts §2.3).

/// When and how the person signed in: CB-WSFED-014…016, 018, 019.
pub(super) mod authentication;
/// Form, parties and addresses: CB-WSFED-001…004, 010, 017, 020.
pub(super) mod form;
/// Whom it speaks of: CB-WSFED-011…013.
pub(super) mod subject;
