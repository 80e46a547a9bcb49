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
    scripts/gen.sh && git diff --exit-code -- proto/src/generated.rs docs/api/openapi.json docs/api/translation.md
}

# With private items: the reader of this documentation is who works on the code.
documentation() {
    RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" \
        cargo doc --quiet --workspace --no-deps --document-private-items
}

# cargo-deny takes minutes to compile and is no Debian package. Licences, bans and sources are checked by deny.toml in
# either case; known vulnerabilities only by cargo-deny, which fetches their list from GitHub.
dependencies() {
    if has_cargo_deny; then
        cargo deny --workspace check
    else
        python3 scripts/check_dependencies.py
    fi
}

# Versions before 0.16 do not understand deny.toml.
has_cargo_deny() {
    local version
    version=$(cargo deny --version 2>/dev/null) || return 1
    printf '%s\n' 0.16.0 "${version##* }" | sort --check=quiet --version-sort
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
