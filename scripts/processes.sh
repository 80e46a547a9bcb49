# shellcheck shell=bash disable=SC2154
# Sourced by run.sh and demo.sh: starts the services as processes of their own, watches them, and stops all of them.
#
# Each gets a process group of its own, so that Ctrl-C reaches this script alone, which then stops them in order.
# Needs $log_dir.

declare -A pid_of=()
started=()
stop_reason=""

# listen_of <variable> <default>: the address that a service will listen on.
listen_of() { printf '%s' "${!1:-$2}"; }

# local_of <address>: the same as seen from this machine.
local_of() { printf '%s' "${1/#0.0.0.0:/127.0.0.1:}"; }

# refuse_taken_port <address> <variable>
refuse_taken_port() {
    local address
    address=$(local_of "$1")
    if (exec 3<>"/dev/tcp/${address%:*}/${address##*:}") 2>/dev/null; then
        die "something listens on $address already. Stop it, or choose another address: $2=${1%:*}:<port>"
    fi
}

# http_get <address> <path>: the whole answer, status line first; nothing when nobody answers.
http_get() {
    local address
    address=$(local_of "$1")
    (
        exec 3<>"/dev/tcp/${address%:*}/${address##*:}" &&
            printf 'GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$2" "$address" >&3 &&
            cat <&3
    ) 2>/dev/null || true
}

# answers <address> <path>: whether a GET is answered with 200.
answers() { [[ $(http_get "$1" "$2") == "HTTP/1.1 200"* ]]; }

# random_token: 256 bits, hexadecimal.
random_token() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }

# secret_file <path>: makes a file with a random token, readable by its owner only, unless it is there already.
secret_file() {
    [[ -s $1 ]] || (umask 077 && random_token >"$1")
}

# start <name> <command>...: output goes to $log_dir/<name>.log.
start() {
    local name=$1
    shift
    set -m # job control gives a background process its own group; only here, for the terminal is the script's
    "$@" </dev/null >>"$log_dir/$name.log" 2>&1 &
    set +m
    pid_of[$name]=$!
    started+=("$name")
}

# wait_until_ready <name> <address> <path>
wait_until_ready() {
    local tries
    for ((tries = 0; tries < 300; tries++)); do
        answers "$2" "$3" && return 0
        fail_if_ended "$1"
        sleep 0.1
    done
    say "$1 did not get ready within 30 s. The end of $log_dir/$1.log:" >&2
    tail -n 20 "$log_dir/$1.log" >&2
    exit 1
}

fail_if_ended() {
    kill -0 "${pid_of[$1]}" 2>/dev/null && return 0
    local status=0
    wait "${pid_of[$1]}" || status=$?
    say "$1 ended by itself with status $status. The end of $log_dir/$1.log:" >&2
    tail -n 20 "$log_dir/$1.log" >&2
    exit 1
}

# Stops in the reverse order of starting: first what takes traffic, then what it needs.
stop_all() {
    local status=$? index name pid
    trap - EXIT
    # A second Ctrl-C does not wait.
    trap 'for name in "${started[@]}"; do kill -KILL "${pid_of[$name]}" 2>/dev/null || true; done' INT TERM HUP
    ((${#started[@]} == 0)) || say "Stopping …"
    for ((index = ${#started[@]} - 1; index >= 0; index--)); do
        name=${started[index]} pid=${pid_of[${started[index]}]}
        kill -TERM "$pid" 2>/dev/null || continue
        wait_for_end "$pid" || {
            say "$name did not stop within 60 s and was killed." >&2
            kill -KILL "$pid" 2>/dev/null || true
        }
    done
    [[ -z $stop_reason ]] || status=0
    exit "$status"
}

wait_for_end() {
    local tries
    for ((tries = 0; tries < 600; tries++)); do
        kill -0 "$1" 2>/dev/null || return 0
        sleep 0.1
    done
    return 1
}

trap stop_all EXIT
trap 'stop_reason=INT; exit' INT
trap 'stop_reason=TERM; exit' TERM
trap 'stop_reason=HUP; exit' HUP

# Waits until one of them ends by itself; the traps end the wait otherwise.
watch_all() {
    local name
    while true; do
        wait -n "${pid_of[@]}" || true
        for name in "${started[@]}"; do fail_if_ended "$name"; done
    done
}
