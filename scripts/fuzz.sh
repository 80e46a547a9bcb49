#!/usr/bin/env bash
# `make fuzz`: runs the fuzz targets of proxy-svc/dialect one after the other, each for FUZZ_SECONDS (60 by default) or
# until it finds something. FUZZ_TARGETS names those to run, by default all. What they learn is kept in fuzz/corpus,
# what makes one fail in fuzz/artifacts.
#
# The folder has cargo-fuzz's layout, but `cargo fuzz` wants a nightly compiler for its sanitizers. There is no unsafe
# code for them to watch: libFuzzer with coverage alone does, and stable Rust can build it.
. "$(dirname "$0")/common.sh"

need_rust
cd proxy-svc/dialect/fuzz

host=$(rustc -vV | sed -n 's/^host: //p')
flags="--cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module"
for argument in level=4 inline-8bit-counters pc-table trace-compares; do
    flags+=" -Cllvm-args=-sanitizer-coverage-$argument"
done
say "Building the fuzz targets."
RUSTFLAGS=$flags cargo build --quiet --release --target "$host"

# The fixtures that a target begins with.
seeds() {
    case $1 in
        *_*) echo "${1%_*}/${1##*_}s" ;;
        bytes) echo chat/streams ;;
        *) echo "$1" ;;
    esac
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=()
for target in ${FUZZ_TARGETS:-$(basename --suffix=.rs fuzz_targets/*.rs)}; do
    mkdir -p "corpus/$target" artifacts
    say "== $target"
    nice -n 19 "target/$host/release/$target" -max_total_time="${FUZZ_SECONDS:-60}" -timeout=20 -rss_limit_mb=2048 \
        -artifact_prefix="artifacts/$target-" -print_final_stats=1 \
        "corpus/$target" "../tests/golden/fixtures/$(seeds "$target")" >"$log" 2>&1 || failed+=("$target")
    grep -m 1 -A 3 panicked "$log" || grep -E 'number_of_executed_units|ALARM|ERROR' "$log" || true
done

((${#failed[@]} == 0)) || die "failed, inputs in proxy-svc/dialect/fuzz/artifacts: ${failed[*]}"
