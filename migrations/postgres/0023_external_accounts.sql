-- Accounts of Entra tenants and whose they are here (External MFA). An account is a tenant's
-- id with an object id there, never a name, and one person's at most.
CREATE TABLE external_accounts (
    tenant TEXT NOT NULL,
    object TEXT NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id),
    linked_at BIGINT NOT NULL,
    linked_by TEXT NOT NULL,
    tag TEXT NOT NULL,
    PRIMARY KEY (tenant, object)
);
CREATE INDEX external_accounts_of_user ON external_accounts (user_id);
