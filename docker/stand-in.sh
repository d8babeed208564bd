#!/usr/bin/env bash
# Makes the images that docker/test.sh stands on where no registry is in reach, out of Debian's packages and the
# Rust toolchain that is installed here.
#
#   docker/stand-in.sh build TAG     stands for rust:1.95-bookworm: a C compiler, this toolchain, the locked crates
#   docker/stand-in.sh client TAG    an application to be beside: busybox
#
# Packages are unpacked and not configured: nothing in either image needs its maintainer scripts.
set -euo pipefail

cd "$(dirname "$0")/.."
kind=${1:?build or client} tag=${2:?name of the image to make}
suite=bookworm

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/tree.tar

debian() {
    command -v mmdebstrap >/dev/null || {
        echo "error: mmdebstrap is missing (Debian's package of that name)" >&2
        return 1
    }
    mmdebstrap --quiet --variant=extract --include="$1" "$suite" "$tree" || {
        echo "error: Debian's packages could not be had (${1//,/, })" >&2
        return 1
    }
}

# add DIRECTORY PREFIX PATH…: appends paths below the directory to the tree, below the prefix. The S keeps tar from
# rewriting the targets of symbolic links too.
add() {
    local from=$1 prefix=$2
    shift 2
    tar --append --file "$tree" --owner=0 --group=0 --directory "$from" --transform "s,^\./,./$prefix/,S" "$@"
}

build() {
    debian bash,ca-certificates,coreutils,dash,gcc,libc6-dev

    local sysroot host
    sysroot=$(rustc --print sysroot)
    host=$(rustc --print host-tuple)
    ln -s gcc "$work/cc" # made by a maintainer script, elsewhere
    add "$work" usr/bin ./cc
    (
        cd "$sysroot"
        shopt -s nullglob
        add "$sysroot" usr/local ./bin/rustc ./bin/cargo ./lib/*.so* \
            "./lib/rustlib/$host/lib" "./lib/rustlib/$host/bin"
    )

    # The locked crates and the index they were found in: cargo then asks nobody.
    cargo fetch --quiet --locked
    local registry=${CARGO_HOME:-$HOME/.cargo}/registry
    locked_crates >"$work/locked"
    (
        cd "$registry"
        find ./cache -name '*.crate' | grep -F -f "$work/locked"
        echo ./index
    ) >"$work/crates"
    add "$registry" usr/local/cargo/registry --files-from "$work/crates"

    docker import --change 'ENV PATH=/usr/local/bin:/usr/bin:/bin CARGO_HOME=/usr/local/cargo CARGO_NET_OFFLINE=true' \
        "$tree" "$tag" >/dev/null
}

locked_crates() {
    awk -F'"' '/^name = /{name=$2} /^version = /{print "/" name "-" $2 ".crate"}' Cargo.lock
}

client() {
    debian busybox-static
    ln -s busybox "$work/sh"
    ln -s busybox "$work/wget"
    ln -s busybox "$work/sleep"
    tar --extract --file "$tree" --directory "$work" ./bin/busybox
    tree=$work/client.tar
    tar --create --file "$tree" --owner=0 --group=0 --directory "$work" ./bin
    add "$work" bin ./sh ./wget ./sleep
    docker import "$tree" "$tag" >/dev/null
}

"$kind"
