-- Why: what requests cost, and how much of a budget is left. An operator's prices go to the proxies, which put a cost on
-- each event; costs are summed beside the events, and proxies borrow from what is left.
--
-- Money is whole micro-units of a currency. Everything that an older program writes without the new columns counts as
-- not priced.

-- What tokens cost, in micro-units for a million of them. An absent part has another's price.
CREATE TABLE prices (
    id             TEXT   PRIMARY KEY,
    provider_id    TEXT   REFERENCES providers (id), -- absent: any provider
    scope          TEXT   NOT NULL, -- the provider's id again, empty for any: what is absent is never the same twice
    model          TEXT   NOT NULL, -- a name, or a pattern with *
    currency       TEXT   NOT NULL,
    input          BIGINT NOT NULL,
    output         BIGINT NOT NULL,
    cache_read     BIGINT,
    cache_write_5m BIGINT,
    cache_write_1h BIGINT,
    input_audio    BIGINT,
    output_audio   BIGINT,
    input_image    BIGINT,
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL,
    version        BIGINT NOT NULL,
    UNIQUE (scope, model)
);

-- One row, written with the first price: all sums are of this currency, so it never changes.
CREATE TABLE accounting (
    id       BIGINT PRIMARY KEY CHECK (id = 1),
    currency TEXT   NOT NULL
);

-- Both absent: nothing was used, or the model had no price.
ALTER TABLE usage_events ADD COLUMN cost_micros BIGINT;
ALTER TABLE usage_events ADD COLUMN cost_currency TEXT;

ALTER TABLE usage_rollups ADD COLUMN cost_micros BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage_rollups ADD COLUMN priced BIGINT NOT NULL DEFAULT 0;   -- events with a cost
ALTER TABLE usage_rollups ADD COLUMN unpriced BIGINT NOT NULL DEFAULT 0; -- events that used something and have none

-- What was spent on a day (UTC, of the request's begin), by everything that can have a budget. Every period begins on a
-- day, so a budget that is given a period later knows what was spent in it. Written with the event, so it is as exact.
CREATE TABLE budget_spending (
    scope    TEXT   NOT NULL, -- service, access_key
    scope_id TEXT   NOT NULL,
    day_at   BIGINT NOT NULL,
    spent    BIGINT NOT NULL,
    PRIMARY KEY (scope, scope_id, day_at)
);

-- Taken before something is lent from a budget, so that two replicas never lend the same money.
CREATE TABLE budget_locks (
    scope    TEXT   NOT NULL,
    scope_id TEXT   NOT NULL,
    taken    BIGINT NOT NULL,
    PRIMARY KEY (scope, scope_id)
);

-- A start of a proxy that borrows. When it is not heard of in time, what it borrowed does not count as lent any more.
CREATE TABLE budget_borrowers (
    boot_id    TEXT   PRIMARY KEY,
    proxy_id   TEXT   NOT NULL,
    booted_at  BIGINT NOT NULL, -- by the proxy's clock
    expires_at BIGINT NOT NULL,
    lapsed     BIGINT NOT NULL  -- 0 or 1
);
CREATE INDEX budget_borrowers_by_proxy ON budget_borrowers (proxy_id, booted_at);

-- What it borrowed from a budget in a period: granted - returned - used is what it may still spend. `used` is the cost
-- of its events, added in the transaction that adds them to `budget_spending`.
CREATE TABLE budget_leases (
    scope        TEXT   NOT NULL,
    scope_id     TEXT   NOT NULL,
    period_start BIGINT NOT NULL,
    period_end   BIGINT NOT NULL,
    boot_id      TEXT   NOT NULL,
    granted      BIGINT NOT NULL,
    returned     BIGINT NOT NULL,
    used         BIGINT NOT NULL,
    PRIMARY KEY (scope, scope_id, period_start, period_end, boot_id)
);
CREATE INDEX budget_leases_by_boot ON budget_leases (boot_id);
