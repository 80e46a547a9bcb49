-- Why: near the end of a budget what is left of it lies in small parts at several proxies. Those that do not use theirs
-- are told to give it back. Absent, as in rows that older code wrote: nobody was refused.

ALTER TABLE budget_locks ADD COLUMN short_at BIGINT; -- when less was left to lend than was needed

CREATE INDEX budget_locks_by_shortage ON budget_locks (short_at);
