-- Why: several keys of one account share the provider's rate limits, so that what one of them learns about a limit
-- is true for the others. Absent, as in rows that older code wrote: the key has limits of its own.

ALTER TABLE upstream_keys ADD COLUMN quota_group TEXT;
