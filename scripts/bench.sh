#!/usr/bin/env bash
# `make bench`: Tollgate, nginx and a bare Pingora proxy in turn, in front of the same simulated provider.
. "$(dirname "$0")/common.sh"

need_rust
need nginx=nginx wrk=wrk
# As the images are built: what is measured is what people run.
build dist admin-svc proxy-svc loadtest
exec target/dist/bench "$@"
