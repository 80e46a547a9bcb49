-- Why: some providers that speak OpenAI's protocol do not offer its Responses API; calls of it are then translated to
-- chat completions. Absent, as in rows that older code wrote, stands for the kind's own default.

ALTER TABLE providers ADD COLUMN responses_api BIGINT; -- 0 or 1
