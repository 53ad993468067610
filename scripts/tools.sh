#!/usr/bin/env bash
# Installs what the tests and the drill need: everything, or only what is named. `ansible` is all that the drill of a rollback needs,
# `queue` what that of missed transactions needs besides, `database` what that of indexes needs, `debian` and `bench` all that the bench
# needs, `lint` what finds faults; `packages` is all but Kubernetes, which is compiled. Safe to call again: what is there is left alone.
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

# package: what it is for
debian_packages=(
  docker-registry      # a real registry for the tests of the client
  skopeo               # pushes images to it; the bench measures beside it
  podman runc          # real containers that are really rolled back
  redis-server         # a real queue of missed transactions
  rabbitmq-server      # another one
  etcd-server          # where a real Kubernetes keeps its objects; a cluster whose leadership is moved
  patroni python3-etcd # the same of PostgreSQL
  postgresql           # under it; a real database whose indexes are rebuilt; also for who writes there meanwhile
  mariadb-server       # another database
  groovy               # runs the Jenkinsfile, in the version that Jenkins bundles
  default-jre-headless # groovy looks for Java where this package puts it
  gcc libc6-dev        # the programs are linked statically; a container of the tests runs a small one in C
  g++                  # libFuzzer is compiled
  curl procps          # ask a drill, end a program by a signal
  zsh fish             # the completions are tried in them
  groff mandoc         # the man pages are formatted without a warning
  file                 # says whether the programs are static
  strace               # ends a program in the middle of a line of its journal
  faketime             # a clock that jumps under a program
  util-linux           # unshare: an empty root for the programs, a small disk for a journal
)

# What only the bench measures beside.
bench_packages=(
  postgresql-15-repack # for the indexes
  rclone               # for the pictures
)

# A package may start a service by itself. The tests start their own, on free ports.
services=(
  docker-registry.service epmd.service epmd.socket etcd.service mariadb.service patroni.service podman.service podman.socket postgresql.service
  rabbitmq-server.service redis-server.service
)

install_debian_packages() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null || fail "these packages are needed, and there is no apt-get to install them: ${missing[*]}"
  say "installing Debian packages: ${missing[*]}"
  as_root apt-get update -q
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
  stop_services "${missing[@]}"
}

# Stops only what came with the packages just installed: a registry that ran before stays up.
stop_services() {
  [ -d /run/systemd/system ] || return 0
  local service package
  for service in "${services[@]}"; do
    for package in "$@"; do
      # The service of etcd-server is etcd, and that of RabbitMQ brings Erlang's own.
      if [ "${service%.*}" = "${package%-server}" ] && systemctl is-active --quiet "$service"; then
        say "stopping $service, which its package started: the tests start their own"
        as_root systemctl disable --now "$service"
      fi
    done
  done
}

# Installs these lists of packages, each exact, into the virtual environment. A list that changed has it made anew.
install_python_packages() {
  local list missing=()
  for list in "$@"; do
    cmp -s "$list" ".venv/installed/$list" || missing+=("$list")
    [ ! -e ".venv/installed/$list" ] || cmp -s "$list" ".venv/installed/$list" || rm -rf .venv
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ ! -d .venv/installed ]; then
    missing=("$@")
    # Before Python is looked for: the old environment has one as well.
    rm -rf .venv
    hash -r
    local python
    python="$(command -v python3.11 || command -v python3)" || fail "Python 3.11 is needed: install python3"
    # Debian's python3 comes without what makes virtual environments.
    "$python" -c 'import ensurepip' 2>/dev/null || install_debian_packages python3-venv
    "$python" -m venv .venv
  fi
  say "installing Python packages into .venv: ${missing[*]}"
  # Python compiles what is called, when it is called first.
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-compile "${missing[@]/#/--requirement=}"
  mkdir -p .venv/installed
  cp "${missing[@]}" .venv/installed/
}

lists=(requirements.txt requirements-lint.txt requirements-s3.txt)

case "${1:-all}" in
  ansible) install_python_packages requirements.txt ;;
  debian) install_debian_packages "${debian_packages[@]}" ;;
  queue) install_debian_packages redis-server ;;
  database) install_debian_packages postgresql ;;
  lint) install_python_packages "${lists[@]}" ;;
  bench)
    install_debian_packages "${bench_packages[@]}"
    install_python_packages requirements.txt requirements-s3.txt requirements-bench.txt
    ;;
  packages)
    install_debian_packages "${debian_packages[@]}"
    install_python_packages "${lists[@]}"
    ;;
  all)
    "$0" packages
    scripts/kubernetes.sh
    ;;
  *) fail "usage: tools.sh [ansible|bench|database|debian|lint|packages|queue|all]" ;;
esac
