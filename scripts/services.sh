# shellcheck shell=bash disable=SC2154
# Sourced by run.sh and demo.sh: the two services, their addresses and their secrets. Needs $data_dir and $log_dir.

admin_listen=$(listen_of TOLLGATE_ADMIN_LISTEN 0.0.0.0:9090)
admin_grpc_listen=$(listen_of TOLLGATE_ADMIN_GRPC_LISTEN 127.0.0.1:9091)
admin_ops_listen=$(listen_of TOLLGATE_ADMIN_OPS_LISTEN 127.0.0.1:9092)
proxy_listen=$(listen_of TOLLGATE_PROXY_LISTEN 0.0.0.0:8080)
proxy_ops_listen=$(listen_of TOLLGATE_PROXY_OPS_LISTEN 127.0.0.1:8081)

refuse_taken_ports() {
    refuse_taken_port "$admin_listen" TOLLGATE_ADMIN_LISTEN
    refuse_taken_port "$admin_grpc_listen" TOLLGATE_ADMIN_GRPC_LISTEN
    refuse_taken_port "$admin_ops_listen" TOLLGATE_ADMIN_OPS_LISTEN
    refuse_taken_port "$proxy_listen" TOLLGATE_PROXY_LISTEN
    refuse_taken_port "$proxy_ops_listen" TOLLGATE_PROXY_OPS_LISTEN
}

# Starts both; sets $setup_token to what the first administrator is created with, empty when there is one already.
start_services() {
    mkdir -p "$data_dir" "$log_dir"
    chmod 700 "$data_dir" "$log_dir"
    if [[ -z ${TOLLGATE_JOIN_TOKEN:-}${TOLLGATE_JOIN_TOKEN_FILE:-} ]]; then
        secret_file "$data_dir/join-token"
        export TOLLGATE_JOIN_TOKEN_FILE=$data_dir/join-token
    fi
    export TOLLGATE_LOG_FORMAT=${TOLLGATE_LOG_FORMAT:-text}
    export TOLLGATE_ADMIN_DATA_DIR=${TOLLGATE_ADMIN_DATA_DIR:-$data_dir/admin}
    export TOLLGATE_PROXY_DATA_DIR=${TOLLGATE_PROXY_DATA_DIR:-$data_dir/proxy}
    export TOLLGATE_PROXY_ADMIN_ENDPOINT=${TOLLGATE_PROXY_ADMIN_ENDPOINT:-http://$(local_of "$admin_grpc_listen")}
    # There is no balancer that has to notice: Ctrl-C need not wait for one.
    export TOLLGATE_PROXY_TIMEOUTS__DRAIN_ACCEPT_MS=${TOLLGATE_PROXY_TIMEOUTS__DRAIN_ACCEPT_MS:-0}
    setup_token=${TOLLGATE_ADMIN_SETUP_TOKEN:-$(random_token)}
    TOLLGATE_ADMIN_SETUP_TOKEN=$setup_token start admin-svc target/release/admin-svc
    wait_until_ready admin-svc "$admin_ops_listen" /readyz
    [[ $(http_get "$admin_listen" /api/v1/setup) =~ \"needed\":\ *true ]] || setup_token=""
    start proxy-svc target/release/proxy-svc
    wait_until_ready proxy-svc "$proxy_ops_listen" /readyz
}
