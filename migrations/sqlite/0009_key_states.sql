-- Where a signing key stands in its rollover, and which parties were seen to know it.
-- An earlier version makes first keys only, which are active, and takes the oldest of a
-- purpose; so whatever is older than another is what signs today.

ALTER TABLE signing_keys ADD COLUMN state TEXT NOT NULL DEFAULT 'active';
ALTER TABLE signing_keys ADD COLUMN staged_at INTEGER;
ALTER TABLE signing_keys ADD COLUMN state_since INTEGER;
ALTER TABLE signing_keys ADD COLUMN custody TEXT NOT NULL DEFAULT 'software';
-- Over all of that and the certificate; none on a first key that was never anything but active.
ALTER TABLE signing_keys ADD COLUMN state_tag TEXT;

UPDATE signing_keys SET state = 'retired' WHERE EXISTS (
    SELECT 1 FROM signing_keys AS older
    WHERE older.purpose = signing_keys.purpose
      AND (older.created_at < signing_keys.created_at
           OR (older.created_at = signing_keys.created_at AND older.id < signing_keys.id)));

CREATE UNIQUE INDEX one_active_key_a_purpose ON signing_keys (purpose) WHERE state = 'active';
CREATE UNIQUE INDEX one_staged_key_a_purpose ON signing_keys (purpose) WHERE state = 'staged';

-- kind: 'domain' (a federated domain of a tenant) or 'relying-party'.
CREATE TABLE key_sightings (
    key_id TEXT NOT NULL REFERENCES signing_keys (id),
    kind TEXT NOT NULL,
    party TEXT NOT NULL,
    held_at INTEGER,
    missing_at INTEGER,
    tag TEXT NOT NULL,
    PRIMARY KEY (key_id, kind, party)
) STRICT;
