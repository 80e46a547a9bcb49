#!/usr/bin/env bash
# `make run`: builds both services, starts them as two processes with their data in ./data, and says what to do next.
. "$(dirname "$0")/common.sh"
. scripts/processes.sh

data_dir=${TOLLGATE_DATA:-./data}
log_dir=$data_dir/log

. scripts/services.sh

refuse_taken_ports
need_rust
build release admin-svc proxy-svc
start_services
say "
Tollgate is running.

  control plane   http://$(local_of "$admin_listen")/api/v1   (described at /api/openapi.json)
  data plane      http://$(local_of "$proxy_listen")
  data, logs      $data_dir, $log_dir"
if [[ -n $setup_token ]]; then
    say "
There is no administrator yet. The setup token is valid once:

  $setup_token

Create the first administrator (put your own address and a password of at least 8 characters):

  curl -sS http://$(local_of "$admin_listen")/api/v1/setup -H 'content-type: application/json' \\
    -d '{\"token\":\"$setup_token\",\"email\":\"you@example.com\",\"password\":\"<password>\"}'

Then tell it about a provider and make an access key: README.md, \"A first request\"."
fi
say "
Ctrl-C stops both."
watch_all
