-- Why: what each request used, once, and its sums by minute, hour and day, so that no page ever counts events.
--
-- Nothing here refers to the resources of 0001 by a foreign key: what was used is remembered when they are gone.

-- One row a request. What people filter or add up by is a column, the rest is in `detail`.
CREATE TABLE usage_events (
    request_id      TEXT   PRIMARY KEY, -- UUIDv7; redelivery of the same event meets it and changes nothing
    started_at      BIGINT NOT NULL,
    duration_us     BIGINT NOT NULL,
    ttft_us         BIGINT,
    status          BIGINT NOT NULL, -- 0: none was sent
    outcome         TEXT   NOT NULL, -- ok, client_error, refused, upstream_error, client_closed, interrupted
    protocol        TEXT   NOT NULL, -- openai, anthropic, gemini
    stream          BIGINT NOT NULL,
    service_id      TEXT   NOT NULL, -- ids are empty where the request did not get that far
    access_key_id   TEXT   NOT NULL,
    user_id         TEXT   NOT NULL,
    model_requested TEXT   NOT NULL,
    model_served    TEXT   NOT NULL,
    provider_id     TEXT   NOT NULL,
    upstream_key_id TEXT   NOT NULL,
    input_uncached  BIGINT NOT NULL,
    cache_read      BIGINT NOT NULL,
    cache_write_5m  BIGINT NOT NULL,
    cache_write_1h  BIGINT NOT NULL,
    output          BIGINT NOT NULL,
    reasoning       BIGINT NOT NULL,
    source          TEXT   NOT NULL, -- provider, partial, estimated; empty: the request used nothing
    error_code      TEXT   NOT NULL,
    detail          TEXT   NOT NULL  -- JSON: path, attempts, the provider's own usage object, audio and image tokens
);
CREATE INDEX usage_events_by_time ON usage_events (started_at, request_id);
CREATE INDEX usage_events_by_service ON usage_events (service_id, started_at, request_id);
CREATE INDEX usage_events_by_access_key ON usage_events (access_key_id, started_at, request_id);
CREATE INDEX usage_events_by_user ON usage_events (user_id, started_at, request_id);
CREATE INDEX usage_events_by_upstream_key ON usage_events (upstream_key_id, started_at, request_id);
CREATE INDEX usage_events_by_failure ON usage_events (started_at, request_id) WHERE outcome <> 'ok';

-- What roll-ups are kept for. The id is a digest of the other columns, so that every writer computes the same one.
CREATE TABLE usage_series (
    id              TEXT   PRIMARY KEY,
    service_id      TEXT   NOT NULL,
    access_key_id   TEXT   NOT NULL,
    user_id         TEXT   NOT NULL,
    model           TEXT   NOT NULL, -- the one served
    provider_id     TEXT   NOT NULL,
    upstream_key_id TEXT   NOT NULL
);
CREATE INDEX usage_series_by_service ON usage_series (service_id);
CREATE INDEX usage_series_by_access_key ON usage_series (access_key_id);
CREATE INDEX usage_series_by_user ON usage_series (user_id);

-- Sums of the events that started in a minute, an hour or a day (UTC) of a series.
-- `duration_NN` and `ttft_NN` count events by time in milliseconds, up to and including 10, 25, 50, 100, 150, 200, 300,
-- 400, 500, 750, 1000, 1500, 2000, 3000, 4000, 5000, 7500, 10000, 15000, 20000, 30000, 60000, 120000, 300000, and above:
-- percentiles come from them.
CREATE TABLE usage_rollups (
    granularity     BIGINT NOT NULL, -- seconds: 60, 3600, 86400
    bucket_at       BIGINT NOT NULL,
    series_id       TEXT   NOT NULL,
    requests        BIGINT NOT NULL,
    client_errors   BIGINT NOT NULL,
    refused         BIGINT NOT NULL,
    upstream_errors BIGINT NOT NULL,
    client_closed   BIGINT NOT NULL,
    interrupted     BIGINT NOT NULL,
    input_uncached  BIGINT NOT NULL,
    cache_read      BIGINT NOT NULL,
    cache_write_5m  BIGINT NOT NULL,
    cache_write_1h  BIGINT NOT NULL,
    output          BIGINT NOT NULL,
    reasoning       BIGINT NOT NULL,
    duration_us     BIGINT NOT NULL,
    ttft_us         BIGINT NOT NULL,
    duration_00 BIGINT NOT NULL, duration_01 BIGINT NOT NULL, duration_02 BIGINT NOT NULL, duration_03 BIGINT NOT NULL, duration_04 BIGINT NOT NULL,
    duration_05 BIGINT NOT NULL, duration_06 BIGINT NOT NULL, duration_07 BIGINT NOT NULL, duration_08 BIGINT NOT NULL, duration_09 BIGINT NOT NULL,
    duration_10 BIGINT NOT NULL, duration_11 BIGINT NOT NULL, duration_12 BIGINT NOT NULL, duration_13 BIGINT NOT NULL, duration_14 BIGINT NOT NULL,
    duration_15 BIGINT NOT NULL, duration_16 BIGINT NOT NULL, duration_17 BIGINT NOT NULL, duration_18 BIGINT NOT NULL, duration_19 BIGINT NOT NULL,
    duration_20 BIGINT NOT NULL, duration_21 BIGINT NOT NULL, duration_22 BIGINT NOT NULL, duration_23 BIGINT NOT NULL, duration_24 BIGINT NOT NULL,
    ttft_00 BIGINT NOT NULL, ttft_01 BIGINT NOT NULL, ttft_02 BIGINT NOT NULL, ttft_03 BIGINT NOT NULL, ttft_04 BIGINT NOT NULL,
    ttft_05 BIGINT NOT NULL, ttft_06 BIGINT NOT NULL, ttft_07 BIGINT NOT NULL, ttft_08 BIGINT NOT NULL, ttft_09 BIGINT NOT NULL,
    ttft_10 BIGINT NOT NULL, ttft_11 BIGINT NOT NULL, ttft_12 BIGINT NOT NULL, ttft_13 BIGINT NOT NULL, ttft_14 BIGINT NOT NULL,
    ttft_15 BIGINT NOT NULL, ttft_16 BIGINT NOT NULL, ttft_17 BIGINT NOT NULL, ttft_18 BIGINT NOT NULL, ttft_19 BIGINT NOT NULL,
    ttft_20 BIGINT NOT NULL, ttft_21 BIGINT NOT NULL, ttft_22 BIGINT NOT NULL, ttft_23 BIGINT NOT NULL, ttft_24 BIGINT NOT NULL,
    PRIMARY KEY (granularity, bucket_at, series_id)
);

-- Events that cannot be counted: not well formed, or too old for redelivery to be noticed. Kept to be looked at.
CREATE TABLE usage_quarantine (
    id          TEXT   PRIMARY KEY, -- digest of the content: redelivery changes nothing
    proxy_id    TEXT   NOT NULL,
    received_at BIGINT NOT NULL,
    reason      TEXT   NOT NULL,
    event       TEXT   NOT NULL -- base64 of the message as it came
);
CREATE INDEX usage_quarantine_by_time ON usage_quarantine (received_at);
