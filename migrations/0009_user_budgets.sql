-- Why: a user may have a budget for all of their access keys together, and the access keys of a disabled user are refused.
-- Absent, as in rows that older code wrote: no budget.

ALTER TABLE users ADD COLUMN budget TEXT; -- JSON: amount, currency, period, hard, lease

-- What users spent so far, so that a budget knows it: from now on it is added with the events.
INSERT INTO budget_spending (scope, scope_id, day_at, spent)
SELECT 'user', s.user_id, r.bucket_at, CAST(SUM(r.cost_micros) AS BIGINT)
FROM usage_rollups r JOIN usage_series s ON s.id = r.series_id
WHERE r.granularity = 86400 AND s.user_id <> '' AND r.cost_micros > 0
GROUP BY s.user_id, r.bucket_at;

-- Proxies were not told of those who are disabled already.
UPDATE configuration SET revision = revision + 1 WHERE EXISTS (SELECT 1 FROM users WHERE status = 'disabled');
INSERT INTO configuration_changes (revision, kind, resource_id, deleted)
SELECT c.revision, 'user', u.id, 0 FROM configuration c, users u WHERE u.status = 'disabled';
