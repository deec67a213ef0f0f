# Doze: Go programs as virtual machines. `make` prints what there is to make.

GO          ?= go
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

.DEFAULT_GOAL := help
.PHONY: help build run test test-unit test-kvm test-qemu test-linux test-nested test-long bench bench-boot bench-start bench-start-nested bench-idle bench-clocks bench-parallel bench-preempt bench-lateness bench-overcommit bench-still bench-output bench-density soak fuzz fuzz-calls compat boot std lint setup setup-run clean

help: ## print this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-19s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build the command, bin/doze
	$(GO) build -o bin/doze ./cmd/doze

run: setup-run build ## boot apps/hello as a virtual machine
	bin/doze run ./apps/hello

test: build ## the tiers unit, kvm, qemu and linux; says which ran
	@ci/tiers unit kvm qemu linux

test-unit: ## the unit tier alone
	@ci/tiers unit

test-kvm: build ## the kvm tier alone: images under hostvmm on /dev/kvm
	@ci/tiers kvm

test-qemu: build ## the qemu tier alone: the same images under QEMU, emulated
	@ci/tiers qemu

test-linux: build ## the linux tier alone: calls answered in machines as in a process
	@ci/tiers linux

test-nested: build ## a chosen part of the kvm tier on upstream KVM inside an emulated machine
	@ci/tiers nested

test-long: build ## all tiers with all tests, the long ones too: hours
	@DOZE_LONG=1 ci/tiers unit kvm qemu linux nested-all

bench: bench-boot bench-start bench-idle bench-clocks bench-parallel bench-preempt bench-lateness bench-overcommit bench-still bench-output bench-density ## everything that is measured (docs/benchmarks.md)

bench-boot: build ## time from starting QEMU to the program's first line, beside Linux
	$(GO) run ./ci/bench boot

bench-start: build ## time from starting doze to the program's first line on /dev/kvm, beside a process
	@if [ -w /dev/kvm ]; then $(GO) run ./ci/bench start; else echo 'bench-start: skipped: no /dev/kvm to use'; fi

bench-start-nested: build ## the same on upstream KVM inside an emulated machine, some 20 times slower
	@mkdir -p bin/start
	CGO_ENABLED=0 $(GO) build -o bin/start/doze ./cmd/doze
	CGO_ENABLED=0 $(GO) build -o bin/start/bench ./ci/bench
	CGO_ENABLED=0 $(GO) build -o bin/start/hello ./apps/hello
	bin/doze build -o bin/start/hello.doze ./apps/hello
	ci/nested/run -file bin/start bin/start/bench -doze start/doze -built start start

bench-idle: build ## host CPU of an idle machine, beside Linux
	$(GO) run ./ci/bench idle

bench-clocks: build ## the guest's clocks against the host's over a minute, the VMM stopped for 5 s half-way
	bin/doze build -o bin/clock.doze ./apps/clock
	$(GO) run ./ci/clocks -stop 5s bin/doze run bin/clock.doze

bench-parallel: build ## work a second on 1, 2 and 4 vCPUs, beside a process with that GOMAXPROCS
	@ci/bench/run parallel

bench-preempt: build ## lateness of a ticker and length of collections beside loops that never call, beside a process
	@ci/bench/run preempt

bench-lateness: build ## lateness of time.Sleep(1ms), beside a process
	@ci/bench/run lateness

bench-overcommit: build ## locks, batons, collections, mappings on four vCPUs of one physical CPU, beside a process there
	@BENCH="$${BENCH--n 5 -memory 256}" ci/bench/run overcommit

bench-still: build ## how long calls about memory take and keep another CPU waiting, beside a process
	@if [ -w /dev/kvm ]; then bin/doze run --cpus 2 --memory 512M ./apps/still -rounds 10; else bin/doze run --vmm qemu --cpus 2 --memory 512M ./apps/still; fi
	@echo 'as a process:' && $(GO) run ./apps/still -rounds 10

bench-output: build ## time of a line of output into a pipe and into a file, beside a process
	@bin/doze build -o bin/output.doze ./apps/output && $(GO) build -o bin/output ./apps/output
	@for i in 1 2 3; do \
	  printf 'process, pipe: '; { bin/output rate | cat >/dev/null; } 2>&1; printf 'machine, pipe: '; { bin/doze run bin/output.doze rate | cat >/dev/null; } 2>&1; \
	  printf 'process, file: '; bin/output rate 2>&1 >bin/lines; printf 'machine, file: '; bin/doze run bin/output.doze rate 2>&1 >bin/lines; \
	done

bench-density: build ## what each of 1000 idle machines costs the host, for a minute (N=200 for fewer)
	@if [ -w /dev/kvm ]; then bin/doze density -n $(or $(N),1000) ./apps/idle -for 1h; else echo 'bench-density: skipped: no /dev/kvm to use'; fi

DURATION ?= 10m
CPUS     ?= 2

soak: build ## a random mix of everything for DURATION (10m) on CPUS (2) vCPUs
	bin/doze run --cpus $(CPUS) --memory 256M ./apps/soak -for $(DURATION)

FUZZTIME ?= 30s

fuzz: ## each fuzz target for FUZZTIME (30s)
	@ci/fuzz $(FUZZTIME)

CALLS ?= 2000000

fuzz-calls: build ## CALLS (2000000) random system calls on 1 and on 4 vCPUs; prints the seed (SEED=N to repeat)
	bin/doze build -o bin/fuzzcalls.doze ./apps/fuzzcalls
	bin/doze run bin/fuzzcalls.doze -n $(CALLS) $(if $(SEED),-seed $(SEED))
	bin/doze run --cpus 4 bin/fuzzcalls.doze -n $(CALLS) $(if $(SEED),-seed $(SEED))

std: build ## the standard library's own tests natively and in machines; writes docs/std.md, goes on where it was (STD="-only '^sort$$'")
	$(GO) run ./ci/std $(STD)

compat: ## write docs/compat.md: the calls that machines serve, from the kernel's source
	$(GO) run ./ci/compat

boot: ## rebuild the boot blob from its assembly
	$(GO) run ./kernel/boot/mk

lint: ## gofmt, go vet, staticcheck and the rules of the house
	@test -z "$$(git ls-files '*.go' | xargs gofmt -l | tee -a /dev/stderr)" || { echo 'lint: run gofmt -w on these files' >&2; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	$(GO) test -count=1 ./ci/rules

setup: ## install what tests and benchmarks need (Debian packages)
	@ci/setup test

setup-run:
	@ci/setup run

clean: ## remove what make built
	rm -rf bin
