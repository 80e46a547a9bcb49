# The list of tasks; what a task does is in scripts/. CI runs the same ones (.ci/run).

.DEFAULT_GOAL := help
.PHONY: help run demo test lint bench fuzz gen clean

help: ## List the tasks
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Build both services and start them; data in ./data
	@scripts/run.sh

demo: ## The same with a simulated provider, an example configuration and a request to copy; data in ./data/demo
	@scripts/demo.sh

test: ## Install what the tests need and run all of them
	@scripts/test.sh

lint: ## Formatting, clippy, documentation, generated files, licences
	@scripts/lint.sh

bench: ## Compare with nginx and a bare Pingora proxy on this machine
	@scripts/bench.sh

fuzz: ## Fuzz the translation between protocols, each target for FUZZ_SECONDS (60)
	@scripts/fuzz.sh

gen: ## Write the generated files anew
	@scripts/gen.sh

clean: ## Remove what was built and downloaded; leaves ./data alone
	cargo clean
	rm -rf tests/sdk/python/.venv tests/sdk/node/node_modules proxy-svc/dialect/fuzz/target
