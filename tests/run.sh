#!/usr/bin/env bash
# The second command of the README: everything that must hold, in one go.
#
#   tests/run.sh --quick   formatting, clippy, `cargo test` — the loop of daily work; needs only Rust
#   tests/run.sh           also licences and advisories, the storage suite on PostgreSQL, two
#                          servers at once, a browser, independent verifiers, memory at rest, and
#                          what is in deploy/ (as root: it makes namespaces and root folders)
#
# It installs what it needs when it is root, else it says what is missing; it skips
# nothing. It ends only what it started, and is quiet while all is well: each step's
# output is in target/test-logs/.
set -euo pipefail
cd "$(dirname "$0")/.."

DENY_VERSION=0.20.2
LOGS=target/test-logs
mkdir -p "$LOGS"
TABLE=""
WORK=""

case "${1:-}" in
  "") quick="" ;;
  --quick) quick=yes ;;
  *) echo "usage: tests/run.sh [--quick]" >&2; exit 2 ;;
esac

finish() {
  status=$?
  trap - EXIT
  stop_postgres
  [ -z "$WORK" ] || rm -rf "$WORK"
  printf '\n%s' "$TABLE"
  if [ "$status" -eq 0 ]; then echo "all good after $SECONDS s"; else echo "failed after $SECONDS s" >&2; fi
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# step NAME COMMAND…: runs it, keeps its output, shows it only when it fails.
step() {
  local name=$1 log="$LOGS/${1// /-}.log" begin=$SECONDS
  shift
  printf '%-28s' "$name"
  if "$@" >"$log" 2>&1 </dev/null; then
    TABLE+=$(printf '%-28s %5s s' "$name" $((SECONDS - begin)))$'\n'
    echo "$((SECONDS - begin)) s"
    if grep -q '^NOTE ' "$log"; then grep '^NOTE ' "$log"; fi
  else
    TABLE+=$(printf '%-28s %5s s  FAILED' "$name" $((SECONDS - begin)))$'\n'
    echo "FAILED; the end of $log:"
    tail -n 80 "$log"
    exit 1
  fi
}

# ── tools ────────────────────────────────────────────────────────────────────
postgres_bin() {
  local initdb
  initdb=$(command -v initdb || true)
  for candidate in "$initdb" /usr/lib/postgresql/*/bin/initdb; do
    [ -x "$candidate" ] && dirname "$(readlink -f "$candidate")"
  done | tail -n 1
}

# Prints the Debian packages that are missing.
missing() {
  local pair
  for pair in "$@"; do
    command -v "${pair%%:*}" >/dev/null || echo "${pair##*:}"
  done
  [ -z "$quick" ] || return 0
  [ -n "$(postgres_bin)" ] || echo postgresql
  # Debian's own Python, whatever else is called python3 here.
  /usr/bin/python3 -c 'import seccomp' 2>/dev/null || echo python3-seccomp
  /usr/bin/python3 -c 'import yaml' 2>/dev/null || echo python3-yaml
  python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
}

tools() {
  local wanted=(cc:gcc make:make perl:perl)
  if [ -z "$quick" ]; then
    wanted+=(git:git c++:g++ chromium:chromium chromedriver:chromium-driver xmlsec1:xmlsec1
      oathtool:oathtool node:nodejs npm:npm openssl:openssl unzip:unzip curl:curl runuser:util-linux
      systemd-analyze:systemd debootstrap:debootstrap unshare:util-linux ip:iproute2 nginx:nginx-light
      haproxy:haproxy caddy:caddy jq:jq softhsm2-util:softhsm2 pkcs11-tool:opensc)
  fi
  command -v cargo >/dev/null || { echo "cargo is missing: install Rust with rustup"; return 1; }
  cargo fmt --version && cargo clippy --version || rustup component add rustfmt clippy || return 1
  local packages
  packages=$(missing "${wanted[@]}" | sort -u | tr '\n' ' ')
  [ -n "${packages// /}" ] || return 0
  if [ "$(id -u)" -ne 0 ]; then
    echo "missing; run as root: apt-get install $packages"
    return 1
  fi
  # Debian's package would start a server of its own.
  if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    mkdir -p /etc/postgresql-common
    echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update || return 1
  # shellcheck disable=SC2086 # one word per package
  apt-get install -y --no-install-recommends -o Dpkg::Options::=--force-confold $packages || return 1
  packages=$(missing "${wanted[@]}" | sort -u | tr '\n' ' ')
  [ -z "${packages// /}" ] || { echo "still missing after apt-get install: $packages"; return 1; }
}

deny_tool() {
  local present
  for present in "$(command -v cargo-deny || true)" target/tools/bin/cargo-deny; do
    if [ -x "$present" ] && [ "$("$present" --version)" = "cargo-deny $DENY_VERSION" ]; then
      mkdir -p target/tools/bin
      [ "$present" = target/tools/bin/cargo-deny ] || ln -sf "$present" target/tools/bin/cargo-deny
      return 0
    fi
  done
  # Unoptimised: built in a minute on two cores, and the check takes seconds either way.
  cargo install cargo-deny --version "$DENY_VERSION" --locked --force --profile dev \
    --root target/tools --target-dir target/tools/build || return 1
  rm -rf target/tools/build
}

deny() {
  local snapshot=../shared/advisory-db offline=()
  rm -rf target/advisory-db
  if [ -d "$snapshot" ]; then
    # cargo-deny wants a repository under the name that it gives its default source.
    local copy=target/advisory-db/advisory-db-3157b0e258782691
    mkdir -p "$copy"
    cp -r "$snapshot/." "$copy/"
    chmod -R u+w "$copy"
    git -C "$copy" init --quiet
    git -C "$copy" add --all
    git -C "$copy" -c user.name=run -c user.email=run@localhost commit --quiet --message snapshot
    offline=(--offline)
  fi
  # It reads the manifests of every crate in the lock file, also of those that no build here needs.
  cargo fetch --locked && cargo fetch --locked --manifest-path fuzz/Cargo.toml || return 1
  target/tools/bin/cargo-deny --locked "${offline[@]}" check || return 1
  # What fuzzing alone needs is not shipped: its licences bind nobody.
  target/tools/bin/cargo-deny --manifest-path fuzz/Cargo.toml --locked "${offline[@]}" \
    --config deny.toml check advisories sources
}

# ── PostgreSQL: a cluster of our own on a free loopback port ─────────────────
POSTGRES_USER=""

as_postgres() {
  if [ -n "$POSTGRES_USER" ]; then runuser -u "$POSTGRES_USER" -- "$@"; else "$@"; fi
}

free_port() {
  local port
  for _ in $(seq 100); do
    port=$((20000 + RANDOM % 30000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return 0; }
  done
  return 1
}

start_postgres() {
  local bin port password
  bin=$(postgres_bin)
  [ -n "$bin" ] || { echo "PostgreSQL is missing: apt-get install postgresql"; return 1; }
  port=$(free_port)
  password=$(openssl rand -hex 16)
  printf '%s' "$password" >"$WORK/password"
  mkdir -p "$WORK/pg"
  if [ -n "$POSTGRES_USER" ]; then chown -R "$POSTGRES_USER" "$WORK/pg" "$WORK/password"; fi
  as_postgres "$bin/initdb" --pgdata "$WORK/pg/data" --username claimbridge --pwfile "$WORK/password" \
    --auth scram-sha-256 --encoding UTF8 --locale C --no-sync || return 1
  as_postgres "$bin/pg_ctl" --pgdata "$WORK/pg/data" --wait --log "$WORK/pg/log" \
    --options "-c listen_addresses=127.0.0.1 -c port=$port -c unix_socket_directories=$WORK/pg -c max_connections=300 -c fsync=off" \
    start || { cat "$WORK/pg/log"; return 1; }
  echo "postgres://claimbridge:$password@127.0.0.1:$port/postgres" >"$WORK/url"
}

stop_postgres() {
  if [ -n "$WORK" ] && [ -e "$WORK/pg/data/postmaster.pid" ]; then
    as_postgres "$(postgres_bin)/pg_ctl" --pgdata "$WORK/pg/data" --mode immediate stop >/dev/null 2>&1 || true
  fi
}

# ── what must hold ───────────────────────────────────────────────────────────
verifiers() {
  local found=""
  for script in tests/tools/verify-*.sh; do
    [ -e "$script" ] || continue
    found=yes
    echo "── $script"
    bash "$script" || return 1
  done
  [ -n "$found" ] || { echo "there is no tests/tools/verify-*.sh"; return 1; }
}

# axe-core judges pages by WCAG. Outside the source tree, so that nothing of it is committed.
axe() {
  mkdir -p target/tools/axe
  cp tests/browser/package.json target/tools/axe/
  (cd target/tools/axe && { npm ls --omit=dev >/dev/null 2>&1 ||
    npm install --omit=dev --no-package-lock --no-audit --no-fund --loglevel=error; })
}

browser() {
  axe || return 1
  CLAIMBRIDGE_AXE=$PWD/target/tools/axe/node_modules/axe-core/axe.min.js \
    cargo test --locked --quiet --test browser
}

export CARGO_TERM_COLOR=never CARGO_TERM_PROGRESS_WHEN=never
# What failed stands in the last lines; the frames of the runtime would hide it.
export RUST_BACKTRACE=0
step "tools" tools
step "formatting" cargo fmt --check
step "clippy" cargo clippy --locked --all-targets --quiet -- -D warnings
step "cargo test" cargo test --locked --quiet
[ -z "$quick" ] || exit 0

step "cargo-deny (install)" deny_tool
step "cargo deny" deny
# Nothing is fuzzed here: they compile, and with the libraries that the project has.
step "fuzz targets" cargo check --locked --quiet --manifest-path fuzz/Cargo.toml --target-dir target

WORK=$(mktemp -d "${TMPDIR:-/tmp}/claimbridge-run.XXXXXX")
chmod 711 "$WORK" # the database's user passes through
if [ "$(id -u)" -eq 0 ]; then
  POSTGRES_USER=nobody
  if id postgres >/dev/null 2>&1; then POSTGRES_USER=postgres; fi
fi
step "PostgreSQL (start)" start_postgres
CLAIMBRIDGE_TEST_POSTGRES=$(cat "$WORK/url")
export CLAIMBRIDGE_TEST_POSTGRES
step "storage on PostgreSQL" cargo test --locked --quiet --test postgres
step "two nodes" cargo test --locked --quiet --test nodes
step "browser" browser
step "independent verifiers" verifiers
step "release build" cargo build --locked --release --quiet
step "memory and start" bash tests/idle.sh
CLAIMBRIDGE_BINARY=$PWD/target/release/claimbridge step "deployment" bash tests/deploy/run.sh
