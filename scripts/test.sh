#!/usr/bin/env bash
# `make test`: installs what the tests need, runs every suite, and ends with one line: `N passed, N failed`.
# A suite that cannot run counts as one failure.
. "$(dirname "$0")/common.sh"

passed=0
failed=0
output=$(mktemp)
trap 'rm -f "$output"' EXIT

# suite <name> <how to count> <command>...
suite() {
    local name=$1 count=$2 start=$SECONDS status=0 suite_passed=0 suite_failed=0
    shift 2
    say "== $name"
    "$@" 2>&1 </dev/null | tee "$output" || status=$?
    "$count" <"$output"
    # It did not run, or its runner failed for a reason that is no test's.
    if ((suite_passed + suite_failed == 0)) || ((status != 0 && suite_failed == 0)); then
        suite_failed=$((suite_failed + 1))
    fi
    passed=$((passed + suite_passed))
    failed=$((failed + suite_failed))
    say "   $name: $suite_passed of $((suite_passed + suite_failed)) in $((SECONDS - start)) s"
}

# sum <pattern>: the sum of the numbers that stand before (or after) a word, in lines of standard input.
sum() { { grep -oE "$1" || true; } | { grep -oE '[0-9]+' || true; } | awk '{ total += $1 } END { print total + 0 }'; }

# Each sets suite_passed and suite_failed from a runner's output.
count_nextest() {
    local summary
    summary=$(grep -E '^ *Summary \[' || true)
    suite_passed=$(sum '[0-9]+ passed' <<<"$summary")
    suite_failed=$(sum '[0-9]+ (failed|timed out|exec failed)' <<<"$summary")
}
count_cargo() {
    local results
    results=$(grep -E '^test result:' || true)
    suite_passed=$(sum '[0-9]+ passed' <<<"$results")
    suite_failed=$(sum '[0-9]+ failed' <<<"$results")
}
count_pytest() {
    local summary
    summary=$(tail -n 1)
    suite_passed=$(sum '[0-9]+ passed' <<<"$summary")
    suite_failed=$(sum '[0-9]+ (failed|errors?|skipped)' <<<"$summary")
}
count_node() {
    local summary
    summary=$(grep -E '^# (pass|fail|cancelled|skipped) [0-9]+$' || true)
    suite_passed=$(sum '^# pass [0-9]+' <<<"$summary")
    suite_failed=$(sum '^# (fail|cancelled|skipped) [0-9]+' <<<"$summary")
}
# For what either holds or does not: `status` is the caller's.
count_check() {
    suite_passed=$((status == 0))
    suite_failed=$((status != 0))
}

build() { cargo build --workspace --bins --examples --tests; }

rust_tests() {
    if command -v cargo-nextest >/dev/null; then
        cargo nextest run --workspace --no-fail-fast --color never --status-level slow
    else
        cargo test --workspace --no-fail-fast --color never --lib --bins --tests
    fi
}

python_sdks() {
    cd tests/sdk/python &&
        { [[ -x .venv/bin/python ]] || python3 -m venv .venv; } &&
        .venv/bin/pip install --quiet --disable-pip-version-check --requirement requirements.txt &&
        .venv/bin/pytest --color=no
}

node_sdks() {
    cd tests/sdk/node && npm ci --no-audit --no-fund --loglevel=error && node --test --test-reporter=tap
}

need_rust
need_node
need python3=python3-venv npm=npm curl=curl
python3 -c 'import ensurepip' 2>/dev/null || install_packages python3-venv
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || install_packages postgresql
need redis-server=redis-server

say "Building the services and the tests (debug)."
start=$SECONDS
if build; then
    say "Built in $((SECONDS - start)) s."
    export TOLLGATE_TEST_BINARIES_ARE_BUILT=1
    if command -v cargo-nextest >/dev/null; then count=count_nextest; else count=count_cargo; fi
    suite "Rust tests" "$count" rust_tests
    suite "Official SDKs, Python" count_pytest python_sdks
    suite "Official SDKs, Node" count_node node_sdks
    suite "Table of SDKs and providers" count_check scripts/matrix_table.py --check
else
    say "The build failed: no suite can run."
    failed=3
fi

echo "$passed passed, $failed failed"
((failed == 0))
