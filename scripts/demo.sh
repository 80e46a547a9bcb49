#!/usr/bin/env bash
# `make demo`: as `make run`, with its data in ./data/demo, a simulated provider, and everything configured.
. "$(dirname "$0")/common.sh"
. scripts/processes.sh

data_dir=${TOLLGATE_DATA:-./data/demo}
log_dir=$data_dir/log
provider_listen=${TOLLGATE_DEMO_PROVIDER_LISTEN:-127.0.0.1:8090}
export TOLLGATE_UPSTREAM_ALLOW_CIDRS=${TOLLGATE_UPSTREAM_ALLOW_CIDRS:-127.0.0.0/8}

. scripts/services.sh

refuse_taken_ports
refuse_taken_port "$provider_listen" TOLLGATE_DEMO_PROVIDER_LISTEN
need_rust
need_node
build release admin-svc proxy-svc loadtest
start_services
start simulated-provider target/release/simulated-provider --listen "$provider_listen"
say "Configuring over the REST API …"
SETUP_TOKEN=$setup_token \
    ADMIN_URL=http://$(local_of "$admin_listen") \
    PROXY_URL=http://$(local_of "$proxy_listen") \
    PROVIDER_URL=http://$provider_listen \
    DATA_DIR=$data_dir node scripts/seed_demo.mjs
say "
Ctrl-C stops all three."
watch_all
