-- The inventory of hardware tokens. `serial_key` is the folded serial number: a token is
-- there once. `credential` is the row of `totp` that it became by activation.
-- Never edit this file after it has landed: its checksum is stored. Add the next one.

CREATE TABLE oath_tokens (
    id TEXT PRIMARY KEY,
    serial TEXT NOT NULL,
    serial_key TEXT NOT NULL UNIQUE,
    manufacturer TEXT NOT NULL,
    model TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    digits INTEGER NOT NULL,
    period INTEGER NOT NULL,
    sealed_secret TEXT NOT NULL,
    state TEXT NOT NULL,
    user_id TEXT REFERENCES users (id),
    credential TEXT UNIQUE,
    drift_steps INTEGER NOT NULL,
    last_step INTEGER,
    imported_at INTEGER NOT NULL,
    assigned_at INTEGER,
    assigned_by TEXT,
    activated_at INTEGER,
    ended_at INTEGER,
    tag TEXT NOT NULL
) STRICT;
CREATE INDEX oath_tokens_of_user ON oath_tokens (user_id);
