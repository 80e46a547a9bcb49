-- Why: each provider is asked for its list of models by itself, now and then, and of several replicas by one only.
--
-- A row is written before a provider is asked, with the time until which the others leave it alone; whoever changed
-- that time first asks. No row: it was never asked, or has to be asked anew.
CREATE TABLE model_refreshes (
    provider_id TEXT   PRIMARY KEY REFERENCES providers (id) ON DELETE CASCADE,
    tried_at    BIGINT NOT NULL,
    due_at      BIGINT NOT NULL,
    failures    BIGINT NOT NULL -- in a row, up to now
);
