#!/usr/bin/env bash
# Builds the image that users build, and tries it: what is in it, how it runs locked down, and that it answers as a
# sidecar in another container's network namespace, by itself and by the compose file.
#
#   docker/test.sh
#
# BUILD_IMAGE    image with Rust to build from; without it one is made here from Debian's packages, so that no
#                registry is needed, and then the build has no network either
# CLIENT_IMAGE   image with a shell and wget; without it one is made likewise
# KEEP=1         leave the images behind, which makes the next run quick
set -euo pipefail

cd "$(dirname "$0")/.."

main() {
    if ! docker version >/dev/null 2>&1; then
        echo "skipped: image test (no container engine)"
        exit 0
    fi
    trap clean_up EXIT

    remove_containers # of a run that was killed
    base_images
    build_image
    holds_one_static_binary_and_no_shell
    is_configured_for_nobody
    runs_locked_down
    answers_as_a_sidecar
    stops_when_told
    compose_runs_it_beside_an_application
    echo "image test: passed"
}

# ── Building ─────────────────────────────────────────────────────────────────────────────────────────────────

base_images() {
    if [[ -z ${BUILD_IMAGE:-} ]]; then
        stand_in build
        BUILD_IMAGE=$made network=none
    fi
    if [[ -z ${CLIENT_IMAGE:-} ]]; then
        stand_in client
        CLIENT_IMAGE=$made
    fi
}

# Tagged with what it is made from, so that one that was kept is known to be right.
stand_in() { # build|client
    made=$name:$1-$({ rustc -vV && cat Cargo.lock docker/stand-in.sh; } | sha256sum | cut -c -12)
    say "$1 image: from Debian's packages and $(rustc --version)"
    if docker image inspect "$made" >/dev/null 2>&1; then
        echo "   kept from an earlier run"
    else
        docker/stand-in.sh "$1" "$made"
    fi
}

build_image() {
    version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
    # The first stage gets a name of its own, so that cleaning up can find its layers.
    local stage tag
    for stage in builder ""; do
        tag=${stage:-image}
        say "docker build, ${stage:-last} stage"
        docker build --quiet --file docker/Dockerfile --tag "$name:$tag" ${stage:+--target "$stage"} \
            --network "$network" --build-arg BUILD_IMAGE="$BUILD_IMAGE" --build-arg VERSION="$version" . \
            >"$work/build" 2>&1 || { cat "$work/build" >&2; die "the image does not build"; }
    done
}

# ── What it is ───────────────────────────────────────────────────────────────────────────────────────────────

holds_one_static_binary_and_no_shell() {
    say "what the image holds"
    local bytes
    bytes=$(docker image inspect --format '{{.Size}}' "$name:image")
    ((bytes <= largest_image)) || die "the image has $bytes bytes, more than $largest_image"
    echo "   $bytes bytes"

    docker create --name "$name-files" "$name:image" >/dev/null
    docker export "$name-files" | tar --list --verbose --numeric-owner >"$work/files"
    # The engine itself lays the last group of names over every container.
    awk '$1 ~ /^-/ {print $6}' "$work/files" | grep -vE '^(\.dockerenv|dev/.*|etc/(hostname|hosts|resolv\.conf))$' |
        sort >"$work/regular"
    diff <(printf '%s\n' licenses/LICENSE-APACHE licenses/LICENSE-MIT tradovate-proxy) "$work/regular" ||
        die "the image holds other files than it should"
    grep -qE '^drwx------ 65532/65532 .* var/lib/tradovate-proxy/$' "$work/files" ||
        die "the session's directory is not its user's alone: $(grep var/lib "$work/files")"
}

is_configured_for_nobody() {
    say "its configuration"
    same user 65532:65532 "$(config .User)"
    same healthcheck '["CMD","/tradovate-proxy","healthcheck"]' "$(config .Healthcheck.Test)"
    same entrypoint '["/tradovate-proxy"]' "$(config .Entrypoint)"
    same command '["serve"]' "$(config .Cmd)"
    same "stop signal" SIGTERM "$(config .StopSignal)"
    same "version label" "$version" "$(config '.Labels "org.opencontainers.image.version"' index)"
}

runs_locked_down() {
    say "runs with nothing but itself"
    same version "tradovate-proxy $version" "$(locked_down run --rm --network none "$name:image" --version)"
    # Nothing listens in a new namespace, and nothing is configured.
    exits_with 1 healthcheck
    exits_with 78 check
}

# ── What it does ─────────────────────────────────────────────────────────────────────────────────────────────

answers_as_a_sidecar() {
    say "answers as a sidecar"
    # No network but loopback: the sandbox needs none, and only the namespace's own containers can call.
    docker run --detach --name "$name-app" --init --network none "$CLIENT_IMAGE" sleep 600 >/dev/null
    locked_down run --detach --name "$name-proxy" --network "container:$name-app" "$name:image" sandbox >/dev/null
    becomes_healthy "$name-proxy"
    answers_account_list "$name-app"
}

stops_when_told() {
    say "stops on SIGTERM"
    local from=$SECONDS
    docker stop --time 30 "$name-proxy" >/dev/null
    same "exit code" 0 "$(docker inspect --format '{{.State.ExitCode}}' "$name-proxy")"
    ((SECONDS - from < 15)) || die "took $((SECONDS - from)) s to stop"
}

compose_runs_it_beside_an_application() {
    if ! compose version >/dev/null 2>&1; then
        echo "skipped: compose test (no compose)"
        return
    fi
    say "the compose file: proxy with secrets from files, against the sandbox"
    compose up --detach --no-build proxy >"$work/up" 2>&1 || { cat "$work/up" >&2; die "compose up failed"; }
    becomes_healthy "$(compose ps --quiet proxy)"
    local app metric
    app=$(compose ps --quiet app)
    answers_account_list "$app"

    say "the alerts name metrics that exist"
    timeout 20 docker exec "$app" wget -q -O - http://127.0.0.1:9464/metrics >"$work/metrics"
    while read -r metric; do
        grep -qE "^${metric}[ {]" "$work/metrics" || die "$metric is in alerts.yml and not in /metrics"
    done < <(grep -oE 'tradovate_proxy_[a-z_]+' docker/alerts.yml | sort -u)

    say "a restart takes up the session where it was, and nothing told a secret"
    compose restart proxy >/dev/null 2>&1
    becomes_healthy "$(compose ps --quiet proxy)"
    answers_account_list "$app"
    timeout 20 docker exec "$app" wget -q -O - http://127.0.0.1:9480/sandbox/requests >"$work/requests"
    same "number of logins" 1 "$(grep -o '"target":"/v1/auth/accesstokenrequest"' "$work/requests" | wc -l)"
    { compose logs --no-color proxy && docker inspect "$(compose ps --quiet proxy)"; } >"$work/told" 2>&1
    ! grep -F -f docker/sandbox/tradovate_password -f docker/sandbox/tradovate_sec "$work/told" ||
        die "a secret is in the proxy's log or in its container's configuration"
}

answers_account_list() { # CONTAINER
    local answer
    answer=$(timeout 20 docker exec "$1" wget -q -O - http://127.0.0.1:8080/v1/account/list) ||
        die "no answer to GET /v1/account/list"
    [[ $answer == \[*'"id":'*\]* ]] || die "not a list of accounts: ${answer:0:200}"
    echo "   $answer" | cut -c -110
}

becomes_healthy() { # CONTAINER
    local deadline=$((SECONDS + 60)) health
    while :; do
        health=$(docker inspect --format '{{.State.Status}} {{.State.Health.Status}}' "$1")
        case $health in
        "running healthy") return ;;
        "running "*) ((SECONDS < deadline)) || break ;;
        *) break ;;
        esac
        sleep 0.5
    done
    docker inspect --format '{{range .State.Health.Log}}{{.Output}}{{end}}' "$1" >&2
    die "not healthy but '$health'"
}

# ── Words ────────────────────────────────────────────────────────────────────────────────────────────────────

exits_with() { # CODE ARGUMENT…
    local code=0
    locked_down run --rm --network none "$name:image" "${@:2}" >"$work/out" 2>&1 || code=$?
    [[ $code == "$1" ]] || { cat "$work/out" >&2; die "\`${*:2}\` exits with $code and not with $1"; }
}

locked_down() { # run OPTION…
    docker "$1" --read-only --cap-drop ALL --security-opt no-new-privileges "${@:2}"
}

compose() {
    local command=(docker compose)
    docker compose version >/dev/null 2>&1 || command=(docker-compose)
    PROMETHEUS_PORT='' PROXY_IMAGE=$name:image APP_IMAGE=$CLIENT_IMAGE "${command[@]}" --project-name "$name" \
        --file docker/compose.yaml --file docker/compose.sandbox.yaml "$@"
}

config() { # PATH [index]
    case ${2:-} in
    index) docker image inspect --format "{{index .Config$1}}" "$name:image" ;;
    *) docker image inspect --format "{{json .Config$1}}" "$name:image" | sed 's/^"\(.*\)"$/\1/' ;;
    esac
}

same() { # WHAT EXPECTED ACTUAL
    [[ $3 == "$2" ]] || die "$1 is '$3' and not '$2'"
}

say() { printf '── %4d s  %s\n' "$SECONDS" "$*"; }

die() {
    echo "image test: failed: $*" >&2
    exit 1
}

clean_up() {
    if (($?)); then
        { docker logs --tail 40 "$name-proxy" && compose logs --no-color --tail 40 proxy sandbox; } >&2 2>/dev/null || true
    fi
    remove_containers
    [[ -n ${KEEP:-} ]] || remove_images
    rm -rf "$work"
}

remove_images() {
    docker image ls --format '{{.Repository}}:{{.Tag}}' "$name" | xargs --no-run-if-empty docker image rm --force >/dev/null
}

remove_containers() {
    ! compose version >/dev/null 2>&1 || compose down --volumes --timeout 5 >/dev/null 2>&1 || true
    docker rm --force --volumes "$name-files" "$name-proxy" "$name-app" >/dev/null 2>&1 || true
}

name=tradovate-proxy-test
network=default
largest_image=15000000
work=$(mktemp -d)
CLIENT_IMAGE=${CLIENT_IMAGE:-}

main
