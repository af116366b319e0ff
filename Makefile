# Grapevine. `make help` lists the targets.
#
# Each group of sources (a folder) becomes one static archive and is compiled with only the include paths that the
# arrows between the groups allow, so an include in the wrong direction does not build. A group picks up every *.c in
# its folder. Objects live in build/<mode>/, one mode per kind of build: release, debug, asan, tsan, fuzz.

MODE ?= release
ifeq ($(origin CC),default)
CC := gcc
endif
AR ?= ar
PREFIX ?= /usr/local
DESTDIR ?=
FUZZ_SECONDS ?= 60

# As many jobs as processors, unless the command line says otherwise.
ifeq ($(MAKELEVEL),0)
ifeq ($(filter -j% --jobs%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 1)
endif
endif
MAKEFLAGS += --no-builtin-rules --no-print-directory

ifeq ($(V),1)
Q :=
else
Q := @
endif
say = @$(if $(filter 1,$(V)),:,printf '%-5s %s\n' '$(1)' '$(2)')

# ---- flags ---------------------------------------------------------------------------------------------------------

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes \
    -Wmissing-prototypes -Wvla -Wcast-qual -Wundef -Wformat=2 -Wwrite-strings -Wdouble-promotion
ifneq ($(CI),)
WARNINGS += -Werror
endif

MODE_release := -O2 -g
MODE_debug := -O0 -g3
MODE_asan := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
MODE_tsan := -O1 -g -fsanitize=thread -fno-omit-frame-pointer
MODE_fuzz := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
ifeq ($(MODE_$(MODE)),)
$(error MODE=$(MODE) is none of release, debug, asan, tsan, fuzz)
endif

# CANARY=1.. plants a known bug in the core, in a build folder of its own, which the campaign must find.
CANARY ?=
BASE_CFLAGS := -std=c17 $(WARNINGS) -ffp-contract=off -pthread $(MODE_$(MODE)) $(if $(CANARY),-DGV_CANARY=$(CANARY))
# The hardening costs nothing measurable outside inner loops; learn and core go without calls into libc's checkers.
HARDEN := $(if $(filter release,$(MODE)),-D_FORTIFY_SOURCE=2 -fstack-protector-strong)

# What each group may see, and how it is compiled.
GROUPS := proto core learn host cli sim
DIR_proto := proto
DIR_core := node/core
DIR_learn := node/learn
DIR_host := node/host
DIR_cli := node/cli
DIR_sim := sim
FLAGS_proto := -Iinclude -Iproto -D_POSIX_C_SOURCE=200809L $(HARDEN) $(if $(filter release,$(MODE)),-O3)
FLAGS_core := -Iinclude -Inode/core $(if $(filter release,$(MODE)),-O3)
FLAGS_learn := -Iinclude -Inode/learn -D_POSIX_C_SOURCE=200809L $(if $(filter release,$(MODE)),-O3)
FLAGS_host := -Iinclude -Iproto -Inode/learn -Inode/host -D_GNU_SOURCE $(HARDEN)
FLAGS_cli := -Iinclude -Iproto -Inode/learn -Inode/host -Inode/cli -D_GNU_SOURCE $(HARDEN)
FLAGS_sim := -Iinclude -Iproto -Inode/learn -Isim -D_GNU_SOURCE $(HARDEN) $(if $(filter release,$(MODE)),-O3)
FLAGS_tests := -Iinclude -Iproto -Inode/core -Inode/learn -Inode/host -Inode/cli -Isim -Itests -D_GNU_SOURCE

LIBS := -lzmq -lmsgpackc -lsodium -lopenblas -linih -ljansson -lz -lm -pthread

# ---- files ---------------------------------------------------------------------------------------------------------

OBJ := build/$(MODE)$(if $(CANARY),-canary$(CANARY))
# Programs: build/ for a release, build/<mode>/ otherwise.
OUT := $(if $(CANARY),$(OBJ),$(if $(filter release,$(MODE)),build,$(OBJ)))

define group_objects
SRC_$(1) := $$(sort $$(wildcard $$(DIR_$(1))/*.c))
OBJ_$(1) := $$(patsubst %.c,$$(OBJ)/%.o,$$(filter-out %/main.c,$$(SRC_$(1))))
endef
$(foreach group,$(GROUPS),$(eval $(call group_objects,$(group))))

ARCHIVES := $(foreach group,proto core learn host cli sim,$(OBJ)/lib$(group).a)
LIBRARY := $(OUT)/libgrapevine.a
MAIN := $(wildcard node/cli/main.c)
PROGRAMS := $(if $(MAIN),$(OUT)/grapevine) $(if $(SRC_sim),$(OUT)/grapevine-sim)

UNIT := $(patsubst %.c,$(OBJ)/%,$(sort $(wildcard tests/unit/test_*.c)))
INTEGRATION := $(patsubst %.c,$(OBJ)/%,$(sort $(wildcard tests/integration/test_*.c)))
INTEGRATION_HELPERS := $(patsubst %.c,$(OBJ)/%.o,$(filter-out tests/integration/test_%,$(wildcard tests/integration/*.c)))
UNIT_HELPERS := $(patsubst %.c,$(OBJ)/%.o,$(filter-out tests/unit/test_%,$(wildcard tests/unit/*.c)) tests/system/lib_curve.c)
SYSTEM := $(filter-out tests/system/lib.sh,$(sort $(wildcard tests/system/*.sh)))
# Programs that the system tests use: a peer that misbehaves, a service manager.
TOOLS := $(patsubst %.c,$(OBJ)/%,$(filter-out tests/system/lib_%,$(sort $(wildcard tests/system/*.c))))
TOOL_HELPERS := $(patsubst %.c,$(OBJ)/%.o,$(wildcard tests/system/lib_*.c))
NETNS := $(patsubst %.c,$(OBJ)/%,$(sort $(wildcard tests/netns/*.c)))
BENCH := $(patsubst %.c,$(OBJ)/%,$(sort $(wildcard tests/bench/*.c)))
FUZZ := $(patsubst %.c,$(OBJ)/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))

SEEDS ?= 2000
FIRST ?= 0

.PHONY: all demo test tests tools run-tests check-asan check-tsan check-sim check-canary check-flood check-netns soak check-style check-purity fuzz fuzzers bench bench-churn install uninstall \
    clean help deps-demo deps-test programs fuzzers
.DELETE_ON_ERROR:
.SECONDARY:

all: programs $(LIBRARY)
programs: $(PROGRAMS)
tests: $(UNIT) $(INTEGRATION) $(TOOLS)
tools: $(TOOLS)

# ---- building ------------------------------------------------------------------------------------------------------

define group_rules
$(OBJ)/$(DIR_$(1))/%.o: $(DIR_$(1))/%.c Makefile
	@mkdir -p $$(@D)
	$$(call say,CC,$$<)
	$$(Q)$$(CC) $$(BASE_CFLAGS) $$(FLAGS_$(1)) $$(CPPFLAGS) $$(CFLAGS) -MMD -MP -c -o $$@ $$<

$(OBJ)/lib$(1).a: $$(OBJ_$(1))
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(Q)$$(AR) rcs $$@ $$^
endef
$(foreach group,$(GROUPS),$(eval $(call group_rules,$(group))))

$(LIBRARY): $(OBJ_proto) $(OBJ_core) $(OBJ_learn) $(OBJ_host)
	@mkdir -p $(@D)
	@rm -f $@
	$(call say,AR,$@)
	$(Q)$(AR) rcs $@ $^

link = $(CC) $(BASE_CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group

$(OUT)/grapevine: $(OBJ)/node/cli/main.o $(ARCHIVES)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(link) $(LIBS)

$(OUT)/grapevine-sim: $(OBJ)/sim/main.o $(foreach group,sim proto core learn,$(OBJ)/lib$(group).a)
	$(call say,LINK,$@)
	$(Q)$(link) $(LIBS)

# Criterion's macros define functions without prototypes.
$(OBJ)/tests/%.o: tests/%.c Makefile
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(BASE_CFLAGS) -Wno-missing-prototypes $(FLAGS_tests) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(UNIT): $(OBJ)/%: $(OBJ)/%.o $(UNIT_HELPERS) $(ARCHIVES)
	$(Q)$(link) -lcriterion $(LIBS)

# Fitting data ends as the test says.
$(OBJ)/tests/unit/test_trainer: private override LDFLAGS += -Wl,--wrap=gv_data_fit

$(INTEGRATION): $(OBJ)/%: $(OBJ)/%.o $(INTEGRATION_HELPERS) $(ARCHIVES)
	$(Q)$(link) -lcriterion $(LIBS)

$(TOOLS): $(OBJ)/%: $(OBJ)/%.o $(TOOL_HELPERS) $(ARCHIVES)
	$(Q)$(link) $(LIBS)

# The program with other frames.
$(OBJ)/tests/system/newer: $(OBJ)/node/cli/main.o
$(OBJ)/tests/system/newer: private override LDFLAGS += \
    -Wl,--wrap=gv_wire_bound,--wrap=gv_wire_encode,--wrap=gv_net_send

$(NETNS) $(BENCH): $(OBJ)/%: $(OBJ)/%.o $(ARCHIVES)
	$(Q)$(link) $(LIBS)

$(FUZZ): $(OBJ)/%: $(OBJ)/%.o $(ARCHIVES)
	$(call say,LINK,$@)
	$(Q)$(link) -fsanitize=fuzzer $(LIBS)

-include $(shell find $(OBJ) -name '*.d' 2>/dev/null)

# ---- what is missing on this machine -------------------------------------------------------------------------------

# The compiler is only asked for where there is none of the chosen name.
PACKAGES := libc6-dev libzmq3-dev libmsgpack-dev libsodium-dev libopenblas-dev libinih-dev libjansson-dev zlib1g-dev
PACKAGES_test := libcriterion-dev gnuplot-nox

deps-demo:
	@CC='$(CC)' sh tests/deps.sh 'to build grapevine' $(PACKAGES)
deps-test:
	@CC='$(CC)' sh tests/deps.sh 'to build and test grapevine' $(PACKAGES) $(PACKAGES_test)

# ---- running -------------------------------------------------------------------------------------------------------

demo: deps-demo
	@$(MAKE) all
	@build/grapevine demo $(DEMO_ARGS)

# A test that does not compile counts as a failure of its own and hides no other.
test: deps-test
	@$(MAKE) all
	@$(MAKE) -k tests || true
	@$(MAKE) run-tests

run-tests:
	@GRAPEVINE='$(CURDIR)/$(OUT)/grapevine' TOOLS='$(CURDIR)/$(OBJ)/tests/system' MODE='$(MODE)' bash tests/run.sh '$(OBJ)/reports' \
	    $(UNIT) $(INTEGRATION) $(SYSTEM)

check-asan:
	@$(MAKE) MODE=asan test

# Criterion aborts under ThreadSanitizer, so this runs swarms of the daemon itself.
check-tsan:
	@$(MAKE) MODE=tsan all tools
	@bash tests/tsan.sh

# Random simulations in which everything goes wrong: SEEDS of them, from FIRST.
check-sim:
	@$(MAKE) all
	@$(OUT)/grapevine sim campaign --seeds $(SEEDS) --first $(FIRST)

# Bugs planted in the core on purpose, each of which a campaign must find.
check-canary:
	+@bash tests/canary.sh

# Many real nodes, one of which is killed every second; then the same undisturbed, to compare.
soak:
	@$(MAKE) all
	@MINUTES='$(or $(MINUTES),10)' NODES='$(or $(NODES),64)' GRAPEVINE='$(CURDIR)/$(OUT)/grapevine' MODE='$(MODE)' \
	    bash tests/soak/soak.sh

# Junk connections against one node of a small swarm: from its own machine, from one address, from thousands.
check-flood:
	@$(MAKE) all tools
	@FLOOD_SECONDS='$(or $(SECONDS),60)' FLOOD_RATE='$(or $(RATE),2000)' FLOOD_SHARE=50 GRAPEVINE='$(CURDIR)/$(OUT)/grapevine' \
	    TOOLS='$(CURDIR)/$(OBJ)/tests/system' MODE='$(MODE)' bash tests/system/flood.sh

# Real daemons on hosts of their own with bad lines between them, and the simulator's word for the same. Needs root.
check-netns:
	@$(MAKE) all $(NETNS)
	@GRAPEVINE='$(CURDIR)/$(OUT)/grapevine' TOOLS='$(CURDIR)/$(OBJ)/tests/netns' MODE='$(MODE)' bash tests/netns/netns.sh || \
	    { code=$$?; [ $$code = 77 ] || exit $$code; }

check-style:
	+@bash tests/style.sh

check-purity:
	+@CC='$(CC)' bash tests/purity.sh

# Every warning as an error without making objects; clang-tidy with the same flags.
define syntax_rules
.PHONY: syntax-$(1) tidy-$(1)
syntax-$(1):
	$$(if $$(SRC_$(1)),$$(Q)$$(CC) $$(BASE_CFLAGS) -Werror $$(FLAGS_$(1)) -fsyntax-only $$(SRC_$(1)))
tidy-$(1):
	$$(if $$(SRC_$(1)),$$(Q)mkdir -p build && clang-tidy-14 --quiet $$(SRC_$(1)) -- -std=c17 $$(FLAGS_$(1)) 2>build/tidy-$(1).log || \
	    { cat build/tidy-$(1).log; exit 1; })
endef
$(foreach group,$(GROUPS),$(eval $(call syntax_rules,$(group))))
TEST_SOURCES := $(filter-out tests/fuzz/%,$(wildcard tests/*/*.c))
.PHONY: syntax syntax-tests tidy
syntax: $(foreach group,$(GROUPS),syntax-$(group)) syntax-tests
syntax-tests:
	$(if $(TEST_SOURCES),$(Q)$(CC) $(BASE_CFLAGS) -Werror -Wno-missing-prototypes $(FLAGS_tests) -fsyntax-only $(TEST_SOURCES))
tidy: $(foreach group,$(GROUPS),tidy-$(group))

fuzz:
	@$(MAKE) MODE=fuzz CC=clang fuzzers
	@FUZZ_SECONDS='$(FUZZ_SECONDS)' bash tests/fuzz/run.sh build/fuzz/tests/fuzz
fuzzers: $(FUZZ)

bench: all $(BENCH)
	@$(OUT)/grapevine bench
	@for program in $(BENCH); do $$program || exit 1; done
	@bash tests/bench/sim.sh

bench-churn: all
	@bash tests/bench/churn.sh

# ---- installing ----------------------------------------------------------------------------------------------------

install: all
	install -d '$(DESTDIR)$(PREFIX)/bin' '$(DESTDIR)$(PREFIX)/lib' '$(DESTDIR)$(PREFIX)/include/gv' \
	    '$(DESTDIR)$(PREFIX)/share/man/man1' '$(DESTDIR)$(PREFIX)/lib/systemd/system'
	install -m 755 $(PROGRAMS) '$(DESTDIR)$(PREFIX)/bin/'
	install -m 644 $(LIBRARY) '$(DESTDIR)$(PREFIX)/lib/'
	install -m 644 include/gv/*.h '$(DESTDIR)$(PREFIX)/include/gv/'
	build/grapevine help --man > build/grapevine.1
	install -m 644 build/grapevine.1 '$(DESTDIR)$(PREFIX)/share/man/man1/'
	sed 's|@BIN@|$(PREFIX)/bin|' 'node/host/grapevine@.service' > build/grapevine@.service
	install -m 644 build/grapevine@.service '$(DESTDIR)$(PREFIX)/lib/systemd/system/'

uninstall:
	rm -f '$(DESTDIR)$(PREFIX)/bin/grapevine' '$(DESTDIR)$(PREFIX)/bin/grapevine-sim' \
	    '$(DESTDIR)$(PREFIX)/lib/libgrapevine.a' '$(DESTDIR)$(PREFIX)/share/man/man1/grapevine.1' \
	    '$(DESTDIR)$(PREFIX)/lib/systemd/system/grapevine@.service'
	rm -rf '$(DESTDIR)$(PREFIX)/include/gv'

clean:
	rm -rf build

help:
	@echo 'make                the programs and the library, in build/'
	@echo 'make demo           a swarm of eight nodes on this machine, with deaths and newcomers (installs what is missing);'
	@echo '                    DEMO_ARGS="--nodes 32 --seconds 300" for a larger one; GRAPEVINE_DEMO_KEEP=1 keeps its folder'
	@echo 'make test           unit, integration and system tests (installs what is missing)'
	@echo 'make check-asan     the same suite under AddressSanitizer and UndefinedBehaviorSanitizer'
	@echo 'make check-tsan     a swarm over loopback under ThreadSanitizer'
	@echo 'make check-sim      SEEDS (2000) random simulations full of faults, from seed FIRST (0): none may break an invariant'
	@echo 'make check-canary   campaigns against cores with a planted bug, which they must find'
	@echo 'make soak           NODES (64) real nodes for MINUTES (10), one killed and restarted every second: nobody is lost'
	@echo 'make check-flood    RATE (2000) junk connections a second against a node, three times SECONDS (60): its links hold'
	@echo 'make check-netns    real nodes on delayed, lossy, slow and cut lines beside the simulator (root; network namespaces)'
	@echo 'make check-style    formatting, function length, naming and include rules, -Wconversion'
	@echo 'make check-purity   the core calls nothing and computes without floats; no group reaches into another'
	@echo 'make fuzz           every fuzz target for FUZZ_SECONDS (60) seconds'
	@echo 'make bench          measurements'
	@echo 'make bench-churn    simulated swarms through deaths, cuts, churn and hostile members (FULL=1: whole days; SEEDS=50)'
	@echo 'make install        PREFIX (/usr/local) and DESTDIR as usual; make uninstall undoes it'
	@echo 'make clean          removes build/'
	@echo 'Variables: CC, CFLAGS, V=1 (show commands), CI=1 (warnings are errors), MODE=release|debug|asan|tsan|fuzz'
