-- Tenants of Entra whose people prove their second factor here (External MFA). The addresses
-- follow from the cloud; none stands here.
CREATE TABLE tenants (
    tenant_id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    application_id TEXT NOT NULL,
    cloud TEXT NOT NULL,
    name TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, client_id)
);
CREATE INDEX tenants_of_client ON tenants (client_id, tenant_id);
