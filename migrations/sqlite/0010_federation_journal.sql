-- Changes of a domain's federation at Entra: what was, each call before it is sent, what
-- came of it. The entries are sealed for their place, and the head says, sealed, how many there
-- are and what the last one is; at most one change of a domain is open.

CREATE TABLE federation_changes (
    id TEXT PRIMARY KEY,
    domain TEXT NOT NULL,
    begun_at BIGINT NOT NULL,
    finished_at BIGINT,
    head TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX one_open_change_a_domain ON federation_changes (domain) WHERE finished_at IS NULL;
CREATE INDEX changes_of_a_domain ON federation_changes (domain, begun_at);

CREATE TABLE federation_journal (
    change_id TEXT NOT NULL REFERENCES federation_changes (id),
    number BIGINT NOT NULL,
    written_at BIGINT NOT NULL,
    sealed TEXT NOT NULL,
    PRIMARY KEY (change_id, number)
);
