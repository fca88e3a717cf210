-- What each party was told, for signing out of it: NULL in rows of before. A party's
-- single-logout address as JSON, NULL if it has none.

ALTER TABLE session_parties ADD COLUMN protocol TEXT;
ALTER TABLE session_parties ADD COLUMN issuer TEXT;
ALTER TABLE session_parties ADD COLUMN name_id TEXT;
ALTER TABLE session_parties ADD COLUMN authn_instant INTEGER;

ALTER TABLE relying_parties ADD COLUMN single_logout TEXT;

-- A sign-out on its way through the browser. The columns are for finding and forgetting;
-- what counts is inside the seal. `asking` is the id of the request that waits for its
-- answer; `stage` counts the steps, so that each is taken once.
CREATE TABLE sign_outs (
    id TEXT PRIMARY KEY,
    relying_party TEXT,
    request_id TEXT,
    browser TEXT,
    source TEXT NOT NULL,
    asking TEXT UNIQUE,
    stage INTEGER NOT NULL,
    sealed_state TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    UNIQUE (relying_party, request_id)
) STRICT;
CREATE INDEX sign_outs_of_source ON sign_outs (source, expires_at);
