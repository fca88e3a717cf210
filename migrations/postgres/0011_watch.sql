-- The watch over the federation: whose turn it is, what was found and told, and what is
-- still to be told. Rows carry a tag: whoever writes here alters none unnoticed.

CREATE TABLE watch (
    only_row BIGINT NOT NULL PRIMARY KEY CHECK (only_row = 1),
    -- The node that looks, and until when nobody else does.
    holder TEXT NOT NULL,
    lease_until BIGINT NOT NULL,
    next_look_at BIGINT NOT NULL,
    looked_at BIGINT,
    -- When the tenant could be read last, and how often it could not since.
    read_at BIGINT,
    failures BIGINT NOT NULL
);

INSERT INTO watch (only_row, holder, lease_until, next_look_at, failures) VALUES (1, '', 0, 0, 0);

CREATE TABLE watch_findings (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    severity TEXT NOT NULL,
    body TEXT NOT NULL,
    first_seen_at BIGINT NOT NULL,
    told_at BIGINT NOT NULL,
    tag TEXT NOT NULL
);

CREATE TABLE watch_messages (
    id TEXT NOT NULL PRIMARY KEY,
    body TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    tries BIGINT NOT NULL,
    next_try_at BIGINT NOT NULL,
    tag TEXT NOT NULL
);

CREATE INDEX messages_to_send ON watch_messages (next_try_at);
