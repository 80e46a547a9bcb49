#!/usr/bin/env bash
# `make gen`: writes the generated files anew: the planes' protocol in Rust, the REST API's
# description and the tables of the translation.
. "$(dirname "$0")/common.sh"

need_rust
# The same selection as in test.sh, so that nothing is compiled twice.
cargo build --quiet --workspace --bins --examples --tests
target/debug/examples/generate
mkdir -p docs/api
target/debug/admin-svc openapi >docs/api/openapi.json
target/debug/examples/translation_table
