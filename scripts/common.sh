# shellcheck shell=bash
# Sourced by the other scripts: messages, and what a machine must have.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '%s\n' "$*"; }

die() {
    printf 'tollgate: %s\n' "$*" >&2
    exit 1
}

# need <command>=<Debian package>...: installs what is missing as root on Debian, otherwise says what to type and fails.
need() {
    local pair packages=()
    for pair in "$@"; do
        command -v "${pair%%=*}" >/dev/null || packages+=("${pair#*=}")
    done
    install_packages "${packages[@]}"
}

install_packages() {
    (($# > 0)) || return 0
    if ! command -v apt-get >/dev/null; then
        die "missing: $*. This is not Debian, so please install the equivalent by hand."
    elif ((EUID != 0)); then
        die "missing packages. Please type:  sudo apt-get install -y --no-install-recommends $*"
    fi
    say "Installing from Debian: $*"
    apt-get -qq update >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@" </dev/null >/dev/null
}

need_rust() {
    command -v cargo >/dev/null || die "Rust is missing. Install it as https://rustup.rs says, then try again."
    need cmake=cmake cc=build-essential make=build-essential
}

need_node() {
    local major
    command -v node >/dev/null || die "Node.js is missing. Install version 20 or newer from https://nodejs.org, then try again."
    major=$(node -p 'process.versions.node.split(".")[0]')
    ((major >= 20)) || die "Node.js $(node --version) is too old: version 20 or newer is needed."
}

# build <profile> <package>...: says what it does and how long it took.
build() {
    local profile=$1 package arguments=() start=$SECONDS
    shift
    for package in "$@"; do arguments+=(--package "$package"); done
    say "Building $* ($profile). The first time takes five to ten minutes on two cores; later it is quick."
    cargo build --profile "$profile" "${arguments[@]}"
    say "Built in $((SECONDS - start)) s."
}
