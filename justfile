# What there is to do here. `./justw RECIPE` installs what a recipe needs and runs it.

set shell := ["bash", "-euo", "pipefail", "-c"]
set positional-arguments

export PATH := justfile_directory() / ".tools/bin:" + env("PATH")

# Lists the recipes
[private]
default:
    @just --justfile {{ quote(justfile()) }} --list --unsorted --list-heading $'Darkroom: ./justw RECIPE\n'

# Build and start everything on this machine; arguments go to `darkroom up`
[group('run')]
up *ARGS: build
    @exec target/debug/darkroom up "$@"

# Hand a sample picture to the running system and show what comes back
[group('run')]
demo:
    #!/usr/bin/env bash
    set -euo pipefail
    if [ ! -r .darkroom/demo.env ]; then
        echo 'Darkroom is not running here: start it with ./justw up in another terminal' >&2
        exit 1
    fi
    exec target/debug/darkroom demo

# Build every program in the development profile
[group('build')]
build:
    cargo build --workspace --bins

# Build every program for production, into target/release
[group('build')]
release:
    cargo build --workspace --bins --release --locked

# Install what all recipes need, so that they work without a network afterwards
[group('build')]
setup:
    ./justw --need build full tests bench corpus fuzz
    cargo fetch --locked
    cargo fetch --locked --manifest-path fuzz/Cargo.toml

# Run every test; arguments go to `cargo test`
[group('check')]
test *ARGS:
    #!/usr/bin/env bash
    set -euo pipefail
    ./justw --need tests full corpus
    # One build for programs and tests: the end-to-end tests start the programs.
    cargo build --workspace --bins --tests
    report=$(mktemp)
    summary() {
        awk '
            / has been running for over 60 seconds$/ { begun[$2] }
            /^test .* (ok|FAILED|ignored.*)$/ { delete begun[$2] }
            /^test .* ok$/ { passed++ }
            /^test .* FAILED$/ { failed++; failures = failures "\n    " $2 }
            /^test .* \.\.\. ignored/ { skipped++ }
            /^test program / { programs = programs "\n    " substr($0, 14) }
            END {
                for (name in begun) endless = endless "\n    " name
                if (failures) print "\nfailed:" failures
                if (endless) print "\nbegun and never ended:" endless
                if (programs) print "\nprograms that did not end by themselves:" programs
                printf "\n%d passed, %d failed, %d skipped\n", passed, failed, skipped
            }
        ' "$report"
        rm -f "$report"
    }
    trap summary EXIT
    # Whoever stops the run is told what became of it so far.
    trap 'exit 143' TERM
    # Under a deadline for each program.
    runner="target.'cfg(all())'.runner = '$PWD/.config/run-test'"
    cargo test --config "$runner" --workspace --no-fail-fast "$@" | (trap '' TERM INT; exec tee "$report")

# Fuzz every parser for MINUTES each, or those named; what is found is kept under fuzz/
[group('check')]
fuzz MINUTES='5' *TARGETS:
    #!/usr/bin/env bash
    set -euo pipefail
    # Of one input, and of a whole target with all that it keeps.
    timeout_s=10 input_bytes=65536 memory_mb=2048
    minutes=$1
    shift
    if ! [[ $minutes =~ ^[1-9][0-9]*$ ]]; then
        echo "fuzz: MINUTES is a whole number, not '$minutes': ./justw fuzz 5 frames kinds" >&2
        exit 1
    fi
    ./justw --need fuzz
    known=$(cargo fuzz list)
    for target in "$@"; do
        if ! grep -qxF -- "$target" <<<"$known"; then
            printf "fuzz: there is no target '%s'; there are: %s\n" "$target" "${known//$'\n'/ }" >&2
            exit 1
        fi
    done
    # shellcheck disable=SC2086 # names, a word each
    [ $# -gt 0 ] || set -- $known
    host=$(rustc -vV | sed -n 's/^host: //p')
    # Without -O, assertions would be on where the profile has them off.
    cargo fuzz build -O --sanitizer none --target "$host"
    began=$(mktemp)
    trap 'rm -f "$began"' EXIT
    trap 'exit 130' INT
    limits=(-timeout=$timeout_s -rss_limit_mb=$memory_mb)
    failures=()
    for target in "$@"; do
        program=fuzz/target/$host/release/$target
        corpus=fuzz/corpus/$target
        kept=fuzz/artifacts/$target
        mkdir -p "$corpus" "$kept"
        touch "$began"
        echo "fuzz: $target for $minutes min"
        "$program" "${limits[@]}" -max_len=$input_bytes -max_total_time=$((minutes * 60)) \
            -artifact_prefix="$kept/" -print_final_stats=1 "$corpus" && continue
        found=$(find "$kept" -type f -newer "$began" ! -name 'slow-unit-*' -print -quit)
        failures+=("$target: ${found:-no input was kept, its last words are above}")
        failures+=("    again: $program ${limits[*]} ${found:-$corpus}")
    done
    if [ ${#failures[@]} -gt 0 ]; then
        printf '\nfuzz: %s of %s targets failed:\n' $((${#failures[@]} / 2)) $# >&2
        printf '    %s\n' "${failures[@]}" >&2
        exit 1
    fi

# Deliver 10,000 webhooks while the dispatcher is killed 100 times and NATS 10 times, and replay 100,000 events
[group('check')]
drill-webhooks:
    ./justw --need tests
    cargo build --workspace --bins
    cargo test --workspace --test e2e -- --ignored --nocapture --test-threads 1 deliveries:: deliveries_faults::

# Kill a worker 200 times while it is at a job, and look for anything of its source
[group('check')]
drill-kills:
    ./justw --need tests
    cargo build --workspace --bins
    cargo test --workspace --test e2e -- --ignored --nocapture --test-threads 1 residue::

# Lose the machine that holds the log, and measure what is gone and how long it takes
[group('check')]
drill:
    ./justw --need tests
    cargo build --workspace --bins
    cargo test --workspace --test e2e -- --ignored --nocapture --test-threads 1 drill::

# Check formatting, lints, licences and sources
[group('check')]
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- --deny warnings
    # Nothing is linked, so the fuzzer's own library needs not be built.
    CUSTOM_LIBFUZZER_PATH=/none/libfuzzer.a cargo check --manifest-path fuzz/Cargo.toml --locked --bins --target-dir target
    cargo deny --offline --log-level error check bans licenses sources

# Check dependencies against the advisory database; needs the network
[group('check')]
audit:
    cargo deny check advisories

# Format every source file
[group('check')]
fmt:
    cargo fmt --all

# Bring the streams and consumers of a NATS server in line with nats/
[group('operate')]
nats-apply *ARGS:
    @cargo run --quiet --bin darkroom -- nats apply "$@"

# Show where a NATS server differs from nats/
[group('operate')]
nats-diff *ARGS:
    @cargo run --quiet --bin darkroom -- nats diff "$@"

# Measure jobs per second beside BullMQ on Redis
[group('measure')]
bench-jobs *ARGS: (_bench "jobs" ARGS)

# Measure CPU seconds per picture beside sharp
[group('measure')]
bench-images *ARGS: (_bench "images" ARGS)

# Measure CPU seconds per file of many kinds beside what others would use
[group('measure')]
bench-media *ARGS: (_bench "media" ARGS)

# Measure accepting and answering requests beside bare JetStream and bare warp
[group('measure')]
bench-api *ARGS: (_bench "api" ARGS)

# Measure deliveries of webhooks a second beside a bare client that signs
[group('measure')]
bench-webhooks *ARGS: (_bench "webhooks" ARGS)

# Measure replays and read models made again beside a bare ordered consumer
[group('measure')]
bench-replay *ARGS: (_bench "replay" ARGS)

_bench NAME *ARGS:
    ./justw --need bench
    cargo build --release --locked --package renderer --package renderer-av --package host --package dispatcher --package darkroom --bins --bench "$1"
    @[ "$1" != media ] || cargo build --release --locked --package stills --example draw
    cargo bench --locked --package renderer --package renderer-av --package host --package dispatcher --package darkroom --bench "$1" -- {{ ARGS }}
