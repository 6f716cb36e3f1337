# The one door: `make help` lists what there is.

# nginx and haproxy, which tests and benchmarks run, live in sbin on Debian.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin

WHARF := target/release/wharf

.DEFAULT_GOAL := help
.PHONY: help build demo test check fmt clippy deny bench gate image package

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: build ## build, then serve gateway.yaml in front of sample services
	$(WHARF) demo

build: ## install what is missing, then build the release binary
	@deploy/setup build
	cargo build --release --locked

image: ## build the container image `wharf`, with the Docker engine that is there
	docker build -f deploy/Dockerfile -t wharf --build-arg WHARF_REVISION=$$(git rev-parse --short HEAD) .

package: build ## build a Debian package into target/
	deploy/debian/build

test: ## install what the tests need, then run them all
	@deploy/setup test
	cargo test --locked --no-fail-fast

check: fmt clippy deny ## formatting, lints, dependencies

fmt:
	cargo fmt --check

clippy:
	cargo clippy --locked --all-targets -- -D warnings

# The advisory database is cloned from a git host that not every network reaches; the rest needs crates.io alone.
deny:
	@deploy/setup check
	cargo deny --locked check --hide-inclusion-graph bans licenses sources
	@if cargo deny --locked fetch db 2>/dev/null; then \
	    cargo deny --locked check --disable-fetch advisories; \
	else \
	    echo "WARNING: the advisory database is out of reach: known vulnerabilities were NOT checked" >&2; \
	fi

# Measures target/release/wharf with a program built in a profile of its own, which is quicker to build.
LOAD := cargo bench --locked --profile load --bench load --

bench: build ## measure beside nginx and HAProxy, on loopback; ARGS=--full for half an hour of it
	@deploy/setup test
	$(LOAD) $(or $(ARGS),--quick)

gate: build ## fail if a request costs more than it may
	@deploy/setup test
	$(LOAD) --gate
