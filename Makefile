# SPDX-License-Identifier: GPL-2.0-or-later
# One Makefile, one dependency graph.  `make V=1` shows the commands,
# `make SAN=1 B=build/san` builds with ASan and UBSan.

B       ?= build
CLANG   ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool /usr/local/sbin/bpftool) bpftool)
MACHINE := $(shell uname -m)
ARCH    := $(MACHINE:x86_64=x86)
ARCH    := $(ARCH:aarch64=arm64)

CFLAGS   ?= -O2 -g
# -ffp-contract: the load line can be recomputed from what is printed, on any machine.
HARDEN   := -fstack-protector-strong -fPIE -ffp-contract=off
WARN     := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror
CPPFLAGS += -D_GNU_SOURCE -Iuser -Ibpf -I$(B)
LDFLAGS  += -pie -Wl,-z,relro,-z,now
LDLIBS   += -lbpf -lelf -lz -lyaml -ljansson -lsqlite3 -lsystemd -lmnl -lcap-ng -lxxhash -lm
BPFFLAGS := -g -O2 -target bpf -mcpu=v3 -D__TARGET_ARCH_$(ARCH) -Ibpf -Ivmlinux \
            -I/usr/include/$(MACHINE)-linux-gnu -Wall -Wextra -Werror -Wno-unused-parameter

ifeq ($(SAN),1)
  CFLAGS  := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
  LDFLAGS += -fsanitize=address,undefined
  ifeq ($(FUZZ),1)
    CFLAGS += -fsanitize=fuzzer-no-link
  endif
else
  HARDEN  += -D_FORTIFY_SOURCE=2
endif

ifeq ($(V),1)
  Q   :=
  say  =
else
  Q   := @
  say  = @printf '  %-8s %s\n' $(1) $(2);
endif

# The maps' definitions first: the linker resolves what refers to them backwards.
DEFINE  := bpf/maps.bpf.c bpf/statement.bpf.c
BPF     := $(DEFINE) $(filter-out $(DEFINE),$(wildcard bpf/*.bpf.c))
# Those for Unix sockets are an object of their own, which shares the facts.
BPFUNIX := $(DEFINE) $(wildcard bpf/unix/*.bpf.c)
# So are those that take over where what was sent cannot be read from its queue.  What takes
# the place of a weak function has to be linked before it.
BPFEGRESS := $(DEFINE) $(wildcard bpf/egress/*.bpf.c) bpf/wire.bpf.c bpf/evidence.bpf.c
SOURCES := $(wildcard user/*.c user/*/*.c)
# The entry points are in one program each, the command line in plimsoll and in
# tests; everything else is in all of them.
MAINS   := user/main.c user/plimsoll.c user/symbols.c
CLI     := user/cli.c $(wildcard user/cli/*.c)
# What reads other people's files is in a program of its own, and in its tests.
READERS := $(wildcard user/symbols/*.c)
SHARED  := $(filter-out $(MAINS) $(CLI) $(READERS),$(SOURCES))
UNIT    := $(wildcard tests/unit/test_*.c)
SIM     := $(wildcard tests/sim/*.c)
SERVICE := $(wildcard tests/sim/service/*.c tests/sim/service/family/*.c)
CLIENTS := $(wildcard tests/e2e/clients/*.c)
FUZZERS := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SECONDS ?= 60
TESTS   := $(UNIT:tests/%.c=$(B)/tests/%) $(B)/tests/sim/replay $(B)/tests/sim/service/service
obj      = $(patsubst %.c,$(B)/%.o,$(1))

all: $(B)/plimsolld $(B)/plimsoll $(B)/plimsoll-symbols

setup: $(B)/.setup
$(B)/.setup: scripts/setup.sh scripts/packages
	$(Q)scripts/setup.sh
	$(Q)mkdir -p $(@D) && touch $@

# Rewritten only when a source file comes or goes, or a flag changes.
INPUTS = $(BPF) $(BPFUNIX) $(BPFEGRESS) $(SOURCES) $(UNIT) $(SIM) $(SERVICE) $(CC) $(CFLAGS) $(HARDEN) $(WARN) $(CPPFLAGS) $(BPFFLAGS)
$(B)/inputs: FORCE
	@mkdir -p $(B)
	@echo '$(INPUTS)' | cmp -s - $@ || echo '$(INPUTS)' > $@

$(B)/plimsolld: $(call obj,user/main.c $(SHARED))
$(B)/plimsoll: $(call obj,user/plimsoll.c $(CLI) $(SHARED))
$(B)/plimsolld $(B)/plimsoll: $(B)/inputs
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(filter %.o,$^) $(LDLIBS) -o $@

# The same as on other kernels, for the end-to-end tests: an older one, and one whose pages
# lie elsewhere.
OTHERS := older egress
older egress: %: $(addprefix $(B)/%/,plimsolld plimsoll plimsoll-symbols)
$(OTHERS:%=$(B)/%/plimsolld): $(call obj,user/main.c $(SHARED))
$(OTHERS:%=$(B)/%/plimsoll): $(call obj,user/plimsoll.c $(CLI) $(SHARED))
$(B)/older/%: WRAP := events_kernel_has
$(B)/egress/%: WRAP := events_find_bases
$(B)/older/plimsolld $(B)/older/plimsoll: $(call obj,tests/e2e/older/kernel.c)
$(B)/egress/plimsolld $(B)/egress/plimsoll: $(call obj,tests/e2e/egress/kernel.c)
$(foreach x,plimsolld plimsoll,$(OTHERS:%=$(B)/%/$x)): $(B)/inputs
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -Wl,--wrap=$(WRAP) $(filter %.o,$^) $(LDLIBS) -o $@
$(OTHERS:%=$(B)/%/plimsoll-symbols): $(B)/plimsoll-symbols
	$(Q)mkdir -p $(@D)
	$(Q)cp $< $@
	$(Q)ln -sfn ../tests $(@D)/tests

# Its libraries are nobody else's: -ldw reads DWARF, -lstdc++ (which clang brings) undoes
# C++ names.
READLIBS := -ldw -lelf -lseccomp -lcap-ng -lstdc++
$(B)/plimsoll-symbols: $(call obj,user/symbols.c $(READERS)) $(B)/inputs
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(filter %.o,$^) $(READLIBS) -o $@

SKELS := $(addprefix $(B)/,plimsoll.skel.h unix.skel.h egress.skel.h)
$(B)/%.o: %.c $(B)/inputs | $(B)/.setup $(SKELS)
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 $(CPPFLAGS) $(WARN) $(CFLAGS) $(HARDEN) -MMD -MP -c $< -o $@

$(B)/bpf/%.bpf.o: bpf/%.bpf.c $(B)/inputs | $(B)/.setup
	$(call say,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPFFLAGS) -MMD -MP -c $< -o $@

# `gen object` links the pieces and drops DWARF, keeping BTF.
bpfobj = $(patsubst bpf/%.bpf.c,$(B)/bpf/%.bpf.o,$(1))
$(B)/plimsoll.skel.h: $(call bpfobj,$(BPF))
$(B)/unix.skel.h: $(call bpfobj,$(BPFUNIX))
$(B)/egress.skel.h: $(call bpfobj,$(BPFEGRESS))
$(B)/%.skel.h:
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen object $(B)/$*.linked.o $^
	$(Q)$(BPFTOOL) gen skeleton $(B)/$*.linked.o name $*_bpf > $@

$(B)/tests/unit/%: $(B)/tests/unit/%.o $(call obj,$(CLI) $(SHARED))
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(filter %.o,$^) $(LDLIBS) -lcmocka -o $@

$(B)/tests/unit/test_pclntab $(B)/fuzz_pclntab: $(call obj,user/symbols/pclntab.c)

$(B)/tests/sim/replay: $(call obj,$(SIM) $(SHARED))
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(filter %.o,$^) $(LDLIBS) -o $@

# The simulator is the engine with its edges put aside, and without those that lie outside
# of it: what would ask the kernel, the clock, the disk or a process asks tests/sim/service/edge*.c.
EDGES := $(shell sed -n 's/^EDGE.[^,]*, \([a-z_]*\),.*/\1/p' tests/sim/service/edge*.c)
OUTSIDE := $(foreach x,events gopools libraries culprits journal ask control drive,user/$(x).c user/$(x)/%)
$(call obj,$(SERVICE)): CPPFLAGS += -Itests/sim/service
$(B)/tests/sim/service/service: $(call obj,$(SERVICE) $(filter-out $(OUTSIDE),$(SHARED)))
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(EDGES:%=-Wl,--wrap=%) $(filter %.o,$^) $(LDLIBS) -o $@

tests: $(TESTS)

CLIENT_LIB := -lpq

# Applications for the end-to-end tests, and what measures; none of our code in the
# former, so they are built without our flags.
clients: $(CLIENTS:%.c=$(B)/%) $(addprefix $(B)/tests/e2e/clients/,leak_mariadb_static leak_go \
	leak_go_static pool_go pool_go_stripped pool_go_pie truth_go LeakJdbc.class \
	TruthHikari.class node/node_modules/mysql2)
CLIENT_HEADERS := $(wildcard tests/e2e/clients/*.h)
$(B)/tests/e2e/clients/%: tests/e2e/clients/%.c $(CLIENT_HEADERS) | $(B)/.setup
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -I/usr/include/postgresql $(WARN) -O2 -g $< \
		$(CLIENT_LIB) -lpthread -o $@
$(addprefix $(B)/tests/e2e/clients/,leak_mariadb truth_libmariadb): CLIENT_LIB := -lmariadb
$(B)/tests/e2e/clients/leak_mariadb_static: tests/e2e/clients/leak_mariadb.c $(CLIENT_HEADERS) | $(B)/.setup
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE $(WARN) -O2 -g $< -Wl,-Bstatic -lmariadb -Wl,-Bdynamic \
		-lssl -lcrypto -lz -lm -lpthread -o $@

BENCH := $(patsubst %.c,$(B)/%.o,$(wildcard tests/bench/*.c))
$(BENCH): CPPFLAGS += -I/usr/include/postgresql
$(B)/tests/bench/ab: $(BENCH) $(call obj,$(SHARED))
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(filter %.o,$^) $(LDLIBS) -lpq -o $@

# Debian's packages of the drivers, not modules from elsewhere.
GO := GO111MODULE=off GOPATH=/usr/share/gocode GOFLAGS= CGO_ENABLED=0 GOCACHE=$(abspath $(B)/go)
GO_CLIENTS := $(addprefix $(B)/tests/e2e/clients/,leak_go truth_go)
$(GO_CLIENTS): $(B)/%: %/main.go | $(B)/.setup
	$(call say,GO,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(GO) go build -o $@ $<

# As images made from nothing have it: C's library is in it, and with it the thread's own memory.
$(B)/tests/e2e/clients/leak_go_static: tests/e2e/clients/leak_go/main.go | $(B)/.setup
	$(call say,GO,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(GO) CGO_ENABLED=1 go build -tags netgo,osusergo \
		-ldflags='-linkmode external -extldflags -static' -o $@ $<

# The same as it may be shipped: without symbols, and at no fixed address.
$(B)/tests/e2e/clients/pool_go_stripped: GOBUILD := -ldflags="-s -w"
$(B)/tests/e2e/clients/pool_go_pie: GOBUILD := -ldflags="-s -w" -buildmode=pie
POOL_GO := pool_go pool_go_stripped pool_go_pie
$(addprefix $(B)/tests/e2e/clients/,$(POOL_GO)): \
		tests/e2e/clients/pool_go/main.go | $(B)/.setup
	$(call say,GO,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(GO) go build $(GOBUILD) -o $@ $<

$(B)/tests/e2e/clients/%.class: tests/e2e/clients/%.java | $(B)/.setup
	$(call say,JAVAC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)javac -cp /usr/share/java/HikariCP.jar -d $(@D) $<

# The lock file has each module's hash and no address: npm takes its own registry.
$(B)/tests/e2e/clients/node/node_modules/mysql2: $(wildcard tests/e2e/clients/node/package*.json)
	$(call say,NPM,$@)
	$(Q)mkdir -p $(B)/tests/e2e/clients/node
	$(Q)cp $^ $(B)/tests/e2e/clients/node/
	$(Q)npm ci --silent --omit=peer --no-audit --no-fund --prefix $(B)/tests/e2e/clients/node
	$(Q)touch $@

check: $(B)/.setup
	$(Q)scripts/check.sh

# Ten million statements out of a grammar, none of whose literals may come out.
canaries: $(B)/.setup
	$(Q)$(MAKE) --no-print-directory $(B)/tests/unit/test_canary
	$(Q)CANARIES=10000000 $(B)/tests/unit/test_canary

# Each fuzzer for FUZZ_SECONDS, from the seeds beside it.  What it finds new stays in
# the build directory; what breaks it is named there too.
fuzz: $(B)/.setup
	$(Q)$(MAKE) --no-print-directory SAN=1 CC=$(CLANG) B=$(B)/fuzz FUZZ=1 $(FUZZERS:%=run-%)

run-fuzz_%: $(B)/fuzz_%
	$(call say,FUZZ,$<)
	$(Q)mkdir -p $(B)/corpus/$*
	$(Q)cd $(B) && ./fuzz_$* -max_total_time=$(FUZZ_SECONDS) -timeout=5 -rss_limit_mb=1024 \
		-print_final_stats=1 corpus/$* $(wildcard $(CURDIR)/tests/fuzz/corpus/$*) \
		>fuzz_$*.log 2>&1 || { tail -n 60 fuzz_$*.log; exit 1; }
	$(Q)grep -E '^stat::(number|new)' $(B)/fuzz_$*.log

$(B)/fuzz_%: $(B)/tests/fuzz/fuzz_%.o $(call obj,$(SHARED))
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) -fsanitize=fuzzer $(LDFLAGS) $(filter %.o,$^) $(LDLIBS) -o $@

# A service on a virtual clock, twice for each seed: healthy, and leaking while repairs are on.
# One seed again: `make sim SEED=7`.  With sanitizers: `make sim SAN=1 B=build/san`.
SEEDS ?= 10
DAYS  ?= 7
sim: $(B)/.setup
	$(Q)$(MAKE) --no-print-directory $(B)/tests/sim/service/service
	$(Q)failed=; for seed in $(or $(SEED),$(shell seq $(SEEDS))); do \
		$(B)/tests/sim/service/service --seed $$seed --days $(DAYS) --leaks none && \
		$(B)/tests/sim/service/service --seed $$seed --days $(DAYS) --fix 2>/dev/null || \
			failed="$$failed $$seed"; \
	done; [ -z "$$failed" ] || { echo "seeds that failed:$$failed"; exit 1; }

# How many of the leaks in real drivers and pools are found, and what else is: for MINUTES,
# with the graces of the default.
MINUTES ?= 60
truth: $(B)/.setup
	$(Q)$(MAKE) --no-print-directory all clients
	$(Q)MINUTES=$(MINUTES) /usr/bin/python3 tests/e2e/truth.py --build $(B)

# Debian's own kernels, emulated: KERNEL=6.12 for one of them, ONLY=netem for some suites.
vm: $(B)/.setup
	$(Q)scripts/setup.sh tests/vm/packages
	$(Q)$(MAKE) --no-print-directory all clients
	$(Q)tests/vm/run.sh -k "$(ONLY)" $(KERNEL)

demo: $(B)/.setup
	$(Q)$(MAKE) --no-print-directory all
	$(Q)scripts/demo.sh

bench: $(B)/.setup
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tests/bench/run.sh

clean:
	$(call say,CLEAN,$(B))
	$(Q)rm -rf $(B)

FORCE:
.PHONY: all older egress setup tests clients check canaries fuzz sim truth vm demo bench clean FORCE
.DELETE_ON_ERROR:
.SECONDARY:
-include $(patsubst %.o,%.d,$(call obj,$(SOURCES) $(UNIT) $(SIM) $(SERVICE) $(OTHERS:%=tests/e2e/%/kernel.c)) $(patsubst bpf/%.c,$(B)/bpf/%.o,$(BPF) $(BPFUNIX) $(BPFEGRESS)))
