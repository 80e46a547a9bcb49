#!/usr/bin/env bash
# `make lint`: everything that is checked without running the product. Goes through all checks, then names what failed.
. "$(dirname "$0")/common.sh"

failed=()
check() {
    local name=$1 start=$SECONDS
    shift
    say "== $name"
    if "$@"; then
        say "   ok ($((SECONDS - start)) s)"
    else
        say "   FAILED: $name"
        failed+=("$name")
    fi
}

generated_is_unchanged() {
    scripts/gen.sh && git diff --exit-code -- proto/src/generated.rs docs/api/openapi.json
}

documentation() { RUSTDOCFLAGS="-D warnings" cargo doc --quiet --workspace --no-deps; }

# cargo-deny takes minutes to compile and is no Debian package; the licences, bans and sources that deny.toml states are
# checked in either case, known vulnerabilities only by cargo-deny itself (it fetches its database from GitHub).
dependencies() {
    if command -v cargo-deny >/dev/null; then
        cargo deny --workspace check
    else
        python3 scripts/check_dependencies.py
    fi
}

shell_scripts() { shellcheck -x scripts/*.sh .ci/run; }

need_rust
need python3=python3 git=git
check "formatting" cargo fmt --all --check
check "clippy" cargo clippy --quiet --workspace --all-targets -- -D warnings
check "documentation" documentation
check "generated files" generated_is_unchanged
check "dependencies" dependencies
! command -v shellcheck >/dev/null || check "shell scripts" shell_scripts

((${#failed[@]} == 0)) || die "failed: $(IFS=,; echo "${failed[*]}")"
