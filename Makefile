# What a developer does, by name. `make` lists it. The steps themselves are in scripts/.

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/shoal
# Outside the tree, so that fresh clones share what is built already.
export CARGO_TARGET_DIR ?= $(CACHE)/target
# Guests, examples and fuzz targets are compiled for other machines or with other flags: folders of their own.
export SHOAL_DEV_CACHE ?= $(CACHE)
export FUZZ_SECONDS ?= 60
PREFIX ?= $(HOME)/.local

.DEFAULT_GOAL := help
.PHONY: help demo demo-shop test test-unit lint fmt build install guests generate bench-host bench-shim bench-links bench shim images cluster cluster-env cluster-down fuzz clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Build Shoal and an example, start it, send it requests
	@scripts/setup.sh demo
	@scripts/demo.sh

demo-shop: ## A shop of three components in Rust, JavaScript and Python, in one process
	@scripts/setup.sh templates
	@scripts/demo-shop.sh

test: ## Everything that CI checks, with the time of each step
	@scripts/test.sh all

test-unit: ## The tests of the crates alone: no guests, no registry, no fuzzing
	@scripts/setup.sh workspace
	@scripts/test.sh unit

lint: ## Formatting, clippy, arrows between crates, generated files
	@scripts/setup.sh workspace
	@scripts/test.sh lint

fmt: ## Format all Rust code
	@scripts/fmt.sh

build: ## Build `shoal` and `shoal-compile`, side by side
	@scripts/setup.sh build
	@scripts/build.sh

install: ## Install both, optimised, and the plug-in of kubectl, into PREFIX/bin (by default ~/.local)
	@scripts/setup.sh build
	@scripts/build.sh --release
	install -D -m 755 -t $(PREFIX)/bin $(CARGO_TARGET_DIR)/release/shoal $(CARGO_TARGET_DIR)/release/shoal-compile
	ln -sf shoal $(PREFIX)/bin/kubectl-shoal

guests: ## Build the components that tests and benches run
	@scripts/setup.sh guests
	@CARGO_TARGET_DIR=$(SHOAL_DEV_CACHE)/guests e2e/guests/build.sh

generate: ## Write the files that are generated from the code
	@scripts/setup.sh build
	@scripts/generate.sh

bench-host: ## One component beside `wasmtime serve` and a native server
	@scripts/setup.sh bench
	@scripts/bench.sh host

bench-shim: ## A pod beside runc and a shim that does nothing, on a real cluster (root)
	@scripts/setup.sh bench shim cluster
	@scripts/bench.sh shim

bench-links: ## A call from one component to another: fused, between services, by HTTP
	@scripts/setup.sh bench
	@scripts/bench.sh links

bench: ## All benches
	@scripts/setup.sh bench shim cluster
	@scripts/bench.sh all

shim: ## Build the shim's programs, optimised
	@scripts/setup.sh shim
	@scripts/shim.sh --release

images: ## Build the images (PUSH=HOST[:PORT]/FOLDER pushes them), each with its list of crates
	@scripts/setup.sh images
	@PUSH=$(PUSH) scripts/images.sh

cluster: ## A real Kubernetes on this machine (root; CLUSTER_FLAGS: --name, --nodes)
	@scripts/setup.sh cluster
	@scripts/cluster.sh up $(CLUSTER_FLAGS)

cluster-env: ## What a shell needs to use it: eval "$(make -s cluster-env)"
	@scripts/setup.sh build >&2
	@scripts/cluster.sh env $(CLUSTER_FLAGS)

cluster-down: ## End it, and remove all that it left
	@scripts/setup.sh build
	@scripts/cluster.sh down $(CLUSTER_FLAGS)

fuzz: ## Each fuzz target for FUZZ_SECONDS (by default 60)
	@scripts/setup.sh fuzz
	@scripts/fuzz.sh

clean: ## Remove what was built; the cache of `shoal` itself stays
	rm -rf $(CARGO_TARGET_DIR) $(SHOAL_DEV_CACHE)/guests $(SHOAL_DEV_CACHE)/examples $(SHOAL_DEV_CACHE)/fuzz-target
