-- Why: the health of upstream keys is seen by proxies, which are connected to different replicas of the control plane,
-- and by probes, of which each key gets one at a time from one replica. Every replica shows all of it, and tells all of
-- its proxies. None of this is configuration: rows come and go without a revision, and losing them does no harm.

-- What one replica's proxies say of a key, put together; older than a few seconds it counts for nothing.
-- No reference to the key: a batch is not to fail for one key that was deleted meanwhile.
CREATE TABLE key_health (
    upstream_key_id TEXT   NOT NULL,
    replica_id      TEXT   NOT NULL, -- new at every start
    seen_at         BIGINT NOT NULL,
    document        TEXT   NOT NULL, -- JSON: models and proxies
    PRIMARY KEY (upstream_key_id, replica_id)
);
CREATE INDEX key_health_seen_at ON key_health (seen_at);

-- When a key is to be probed, and what its last probe found. A row's due_at is put off before the key is probed;
-- whoever did so first probes it.
CREATE TABLE key_probes (
    upstream_key_id TEXT   PRIMARY KEY REFERENCES upstream_keys (id) ON DELETE CASCADE,
    due_at          BIGINT NOT NULL,
    tried_at        BIGINT NOT NULL, -- claimed
    in_trouble      BIGINT NOT NULL, -- 1: proxies got into trouble with it since the last probe
    probed_at       BIGINT,          -- and what was found then:
    outcome         TEXT,
    detail          TEXT,
    latency_ms      BIGINT,
    reached_at      BIGINT           -- the last time that the provider answered anything at all
);
CREATE INDEX key_probes_due_at ON key_probes (due_at);

-- What proxies are to be told; the newest for each key and model ('' = all models).
CREATE TABLE health_hints (
    upstream_key_id TEXT   NOT NULL,
    model           TEXT   NOT NULL,
    verdict         TEXT   NOT NULL,
    until           BIGINT,
    reason          TEXT   NOT NULL,
    origin          TEXT,            -- the proxy that it came from
    made_at         BIGINT NOT NULL,
    expires_at      BIGINT NOT NULL,
    PRIMARY KEY (upstream_key_id, model)
);
