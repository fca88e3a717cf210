-- Tokens with one secret are known by a keyed tag of it, and one of them may be active: a
-- code counts once. Of secrets that were taken away nothing is left.

ALTER TABLE oath_tokens ADD COLUMN secret_tag TEXT;
CREATE INDEX tokens_of_secret ON oath_tokens (secret_tag);
CREATE UNIQUE INDEX one_active_token_a_secret ON oath_tokens (secret_tag) WHERE state = 'active';

UPDATE totp SET sealed_secret = '' WHERE revoked_at IS NOT NULL;
