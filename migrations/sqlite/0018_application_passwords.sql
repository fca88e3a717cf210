-- Random passwords for devices that cannot ask for a second factor (WS-Trust). Of each only a
-- digest is kept; of one that was revoked not even that.
CREATE TABLE application_passwords (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    label TEXT NOT NULL,
    verifier TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER,
    revoked_at INTEGER,
    tag TEXT NOT NULL
) STRICT;
CREATE INDEX application_passwords_of_user ON application_passwords (user_id);
