#!/usr/bin/env bash
# Builds a Go program at a pinned version into .tools/bin: `go_tool.sh minio`, versitygw or mc.
#
# What is there already is left as it is. Ends with status 3 where there is no Go.
set -euo pipefail
cd "$(dirname "$0")/.."

name=${1:?minio, versitygw or mc}
case $name in
    # MinIO's last commit in the open: its repository is archived.
    minio) package=github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c ;;
    versitygw) package=github.com/versity/versitygw/cmd/versitygw@v1.8.0 ;;
    mc) package=github.com/minio/mc@v0.0.0-20250313080218-cf909e1063a9 ;;
    *)
        echo "$name is no tool that is built here: minio, versitygw, mc" >&2
        exit 2
        ;;
esac

folder=$PWD/.tools/bin
if [ -x "$folder/$name" ]; then
    exit 0
fi
if ! command -v go >/dev/null; then
    echo "$name is built with Go, and there is none on PATH: https://go.dev/dl/" >&2
    exit 3
fi
echo "Building $package with $(go env GOVERSION); the first time takes some minutes" >&2
mkdir -p "$folder"
GOBIN=$folder GOFLAGS="${GOFLAGS:-} -trimpath" CGO_ENABLED=0 go install "$package"
echo "Built $folder/$name" >&2
