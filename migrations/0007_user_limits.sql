-- Why: a user may have limits for all of their access keys together. Absent, as in rows that older code wrote: none.

ALTER TABLE users ADD COLUMN limits TEXT; -- JSON: rpm, tpm, rpd, concurrency
