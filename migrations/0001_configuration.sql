-- Why: what an administrator configures, who did it, and the revision under which proxies receive it.
--
-- One text for SQLite and PostgreSQL: ids and documents are TEXT (JSON where a column says so), times are BIGINT
-- microseconds since 1970 UTC, booleans are BIGINT 0 or 1, binary values are base64 TEXT.

-- One row. The epoch is this database's identity; the revision is bumped in the transaction that changes a resource.
CREATE TABLE configuration (
    id          BIGINT PRIMARY KEY CHECK (id = 1),
    epoch       TEXT   NOT NULL,
    revision    BIGINT NOT NULL
);

-- What each revision touched, so that a proxy which is a little behind gets a delta. Trimmed to the newest 10,000.
CREATE TABLE configuration_changes (
    revision    BIGINT NOT NULL,
    kind        TEXT   NOT NULL, -- settings, provider, key_pool, upstream_key, service, access_key
    resource_id TEXT   NOT NULL,
    deleted     BIGINT NOT NULL,
    PRIMARY KEY (revision, kind, resource_id)
);

-- Sealed values that the control plane made itself: JWT signing key, access key pepper, audit chain key.
CREATE TABLE sealed_settings (
    name        TEXT   PRIMARY KEY,
    sealed      TEXT   NOT NULL,
    created_at  BIGINT NOT NULL
);

CREATE TABLE users (
    id            TEXT   PRIMARY KEY,
    email         TEXT   NOT NULL UNIQUE, -- lower case
    name          TEXT   NOT NULL,
    role          TEXT   NOT NULL,        -- admin, operator, member, auditor
    status        TEXT   NOT NULL,        -- active, disabled
    password_hash TEXT   NOT NULL,        -- argon2id, PHC string
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL,
    version       BIGINT NOT NULL,
    last_login_at BIGINT
);

-- A log-in and its chain of rotated refresh tokens. A token that is used twice ends the session.
CREATE TABLE sessions (
    id                  TEXT   PRIMARY KEY,
    user_id             TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    token_hash          TEXT   NOT NULL UNIQUE, -- SHA-256 of the current refresh token
    previous_token_hash TEXT   UNIQUE,
    created_at          BIGINT NOT NULL,
    expires_at          BIGINT NOT NULL,
    revoked_at          BIGINT
);
CREATE INDEX sessions_by_user ON sessions (user_id);

CREATE TABLE providers (
    id         TEXT   PRIMARY KEY,
    name       TEXT   NOT NULL UNIQUE,
    kind       TEXT   NOT NULL, -- openai, anthropic, gemini, openai_compatible
    base_url   TEXT   NOT NULL,
    timeouts   TEXT   NOT NULL, -- JSON: connect_ms, first_byte_ms, idle_ms, total_ms
    models     TEXT   NOT NULL, -- JSON: names that the provider listed when last asked
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    version    BIGINT NOT NULL
);

CREATE TABLE key_pools (
    id          TEXT   PRIMARY KEY,
    name        TEXT   NOT NULL UNIQUE,
    provider_id TEXT   NOT NULL REFERENCES providers (id),
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    version     BIGINT NOT NULL
);
CREATE INDEX key_pools_by_provider ON key_pools (provider_id);

CREATE TABLE upstream_keys (
    id            TEXT   PRIMARY KEY,
    pool_id       TEXT   NOT NULL REFERENCES key_pools (id),
    name          TEXT   NOT NULL,
    sealed_secret TEXT   NOT NULL, -- envelope: wrapped data key and AES-256-GCM ciphertext
    secret_digest TEXT   NOT NULL, -- keyed, to notice the same secret twice in a pool
    fingerprint   TEXT   NOT NULL,
    weight        BIGINT NOT NULL,
    priority      BIGINT NOT NULL,
    limits        TEXT   NOT NULL, -- JSON: rpm, tpm, rpd
    status        TEXT   NOT NULL, -- active, disabled
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL,
    version       BIGINT NOT NULL,
    UNIQUE (pool_id, secret_digest)
);

CREATE TABLE services (
    id         TEXT   PRIMARY KEY,
    name       TEXT   NOT NULL,
    slug       TEXT   NOT NULL UNIQUE,
    status     TEXT   NOT NULL, -- active, disabled
    strategy   TEXT   NOT NULL, -- round_robin, weighted, health_best
    definition TEXT   NOT NULL, -- JSON: routes, retry, timeouts, limits, budget, security, hidden_headers
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    version    BIGINT NOT NULL
);

CREATE TABLE access_keys (
    id             TEXT   PRIMARY KEY,
    service_id     TEXT   NOT NULL REFERENCES services (id),
    user_id        TEXT   NOT NULL REFERENCES users (id),
    name           TEXT   NOT NULL,
    prefix         TEXT   NOT NULL, -- the first characters of the secret, for people to recognise
    mac            TEXT   NOT NULL UNIQUE, -- HMAC-SHA256 under the pepper
    previous_mac   TEXT   UNIQUE,
    previous_until BIGINT,
    status         TEXT   NOT NULL, -- active, revoked
    definition     TEXT   NOT NULL, -- JSON: limits, budget, models, ip_allow
    expires_at     BIGINT,
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL,
    version        BIGINT NOT NULL
);
CREATE INDEX access_keys_by_service ON access_keys (service_id);
CREATE INDEX access_keys_by_user ON access_keys (user_id);

-- Every proxy that ever connected, and what it last said.
CREATE TABLE proxies (
    id            TEXT   PRIMARY KEY,
    boot_id       TEXT   NOT NULL,
    hostname      TEXT   NOT NULL,
    version       TEXT   NOT NULL,
    epoch         TEXT   NOT NULL,
    revision      BIGINT NOT NULL,
    errors        TEXT   NOT NULL, -- JSON: what it refused of the newest revision
    connected     BIGINT NOT NULL,
    first_seen_at BIGINT NOT NULL,
    last_seen_at  BIGINT NOT NULL
);

-- Append-only; each row's hash (HMAC-SHA256) covers the row and the previous hash.
CREATE TABLE audit_events (
    sequence      BIGINT PRIMARY KEY,
    id            TEXT   NOT NULL UNIQUE,
    at            BIGINT NOT NULL,
    actor_id      TEXT,   -- absent: the system itself
    actor         TEXT   NOT NULL,
    action        TEXT   NOT NULL, -- e.g. upstream_key.create
    target_kind   TEXT   NOT NULL,
    target_id     TEXT   NOT NULL,
    before        TEXT,   -- JSON without secrets
    after         TEXT,   -- JSON without secrets
    address       TEXT   NOT NULL,
    request_id    TEXT   NOT NULL,
    previous_hash TEXT   NOT NULL,
    hash          TEXT   NOT NULL
);
CREATE INDEX audit_events_by_target ON audit_events (target_kind, target_id, sequence);

-- The answer to a create call, so that its repetition gets the same. Kept for 24 hours.
CREATE TABLE idempotency_keys (
    user_id         TEXT   NOT NULL,
    idempotency_key TEXT   NOT NULL,
    request_hash    TEXT   NOT NULL,
    status          BIGINT NOT NULL,
    sealed_body     TEXT   NOT NULL,
    created_at      BIGINT NOT NULL,
    PRIMARY KEY (user_id, idempotency_key)
);
