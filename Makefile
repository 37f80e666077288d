# Two commands do all set-up on a Debian-like machine with Rust, a C compiler and make:
#   make audit    build, then rebuild Debian bookworm's prometheus and report
#   make test     everything that says whether the tree is sound

CARGO ?= cargo
TARGET = $(or $(CARGO_TARGET_DIR),target)

.PHONY: audit test bench fuzz setup clean

audit:
	@.ci/setup build
	$(CARGO) build --release --locked
	$(TARGET)/release/reprove audit prometheus --relock

# One profile for all, so that dependencies are compiled once.
test:
	@.ci/setup test
	$(CARGO) fmt --check
	$(CARGO) clippy --release --locked --all-targets -- -D warnings
	$(CARGO) check --release --locked --no-default-features
	$(CARGO) test --release --locked --no-fail-fast

# Speed and memory against the peers, as ratios in one run; fetches what it works on by the host's apt.
bench:
	@.ci/setup build
	tests/bench/setup $(TARGET)/bench
	$(CARGO) build --release --locked
	REPROVE_BENCH_DIR=$(TARGET)/bench $(CARGO) run --release --locked --example bench

# Each fuzz target for FUZZ_SECONDS (default 60); needs nightly Rust and cargo-fuzz, and says so.
fuzz:
	tests/fuzz/run

# Says what is missing on this machine.
setup:
	@.ci/setup test

clean:
	$(CARGO) clean
