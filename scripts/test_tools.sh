#!/usr/bin/env bash
# Brings the programs that tests use: real servers by Go, image and file system tools by apt.
#
# A program that cannot be had is named, and the tests that need it say so when they are skipped.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()

for tool in minio versitygw; do
    if [ ! -x ".tools/bin/$tool" ] && ! command -v "$tool" >/dev/null; then
        scripts/go_tool.sh "$tool" || missing+=("$tool (built with Go)")
    fi
done

there() {
    case $1 in
        postgresql) compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null ;;
        *) PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null ;;
    esac
}

# program and the Debian package that has it
wanted=(qemu-img:qemu-utils mke2fs:e2fsprogs sfdisk:fdisk debootstrap:debootstrap postgresql:postgresql docker-compose:docker-compose)

lacking() {
    local pair
    for pair in "${wanted[@]}"; do
        there "${pair%%:*}" || echo "${pair##*:}"
    done
}

mapfile -t packages < <(lacking)
if [ ${#packages[@]} -gt 0 ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing ${packages[*]} with apt-get" >&2
    # RUNLEVEL=1: the packages bring programs; no service of theirs is to be started.
    export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${packages[@]}"; } \
        >/dev/null || echo "apt-get failed" >&2
fi
mapfile -t packages < <(lacking)
for package in "${packages[@]}"; do
    missing+=("$package (apt install $package)")
done

if [ ${#missing[@]} -gt 0 ]; then
    printf 'Missing, so the tests that need it are skipped: %s\n' "${missing[@]}" >&2
fi
