# limpet: builds, checks, installs.
#
#   make                      build/limpet (stripped) and build/limpet.debug
#   make ARCH=arm64           build/arm64/limpet; likewise ARCH=armhf
#   make build/base.a         one folder
#   make check [T=pattern]    unit tests and rules; SAN=1 under the sanitizers, ARCH=arm64 under qemu; T= only tests whose path matches
#   make test                 everything: unit, kernel, world, other people's programs, virtual machine
#   make fuzz [T=name]        every fuzzer for FUZZ_SECONDS
#   make bench                figures
#   make demo, demo-stop      the Node.js app on this machine
#   V=1 shows the commands
#
# Sources are found by wildcard; tools/layers says which archives a program or test may link.

VERSION := $(shell cat VERSION)
ARCH    ?= amd64
SAN     ?=
T       ?=
FUZZ_SECONDS ?= 60

FOLDERS := base wire specs images runtime netbridge keeper agent manager

# ---- where things go -------------------------------------------------------------------------------------------------
TRIPLE_amd64 := x86_64-linux-gnu
TRIPLE_arm64 := aarch64-linux-gnu
TRIPLE_armhf := arm-linux-gnueabihf
TRIPLE := $(TRIPLE_$(ARCH))
ifeq ($(TRIPLE),)
$(error ARCH is amd64, arm64 or armhf, not $(ARCH))
endif

ifeq ($(origin CC),default)
CC := clang
endif
GCC := $(filter gcc%,$(notdir $(CC)))

BUILD := build$(if $(filter-out amd64,$(ARCH)),/$(ARCH))$(if $(GCC),/gcc)$(if $(SAN),/san)
SYSROOT := build/sysroot/$(ARCH)
D := $(CURDIR)/$(SYSROOT)

# The environment must not add paths of the build machine.
unexport LIBRARY_PATH CPATH C_INCLUDE_PATH LD_LIBRARY_PATH LD_RUN_PATH

# ---- how things are compiled -----------------------------------------------------------------------------------------
ifeq ($(GCC),)
TARGET := --target=$(TRIPLE) --sysroot=$D --gcc-toolchain=$D/usr
LINKER := -fuse-ld=lld
AR     := llvm-ar
STRIP  := llvm-strip
OBJCOPY := llvm-objcopy
else
TARGET := --sysroot=$D
LINKER := -B$D/usr/lib/$(TRIPLE) -L$D/usr/lib/$(TRIPLE)
AR     := ar
STRIP  := strip
OBJCOPY := objcopy
endif

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef -Wpointer-arith -Wwrite-strings \
	-Wno-missing-field-initializers -Werror

# What gcc guesses about flow and lengths, wrongly; clang and the sanitizers look at the same code.
ifneq ($(GCC),)
WARN += -Wno-format-zero-length -Wno-format-truncation -Wno-maybe-uninitialized -Wno-dangling-pointer
endif

HARDEN := -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3

LP_CFLAGS := $(TARGET) -std=c11 -D_GNU_SOURCE -I. -isystem $D/usr/include/libnl3 -DLP_VERSION='"$(VERSION)"' \
	$(WARN) -g -fno-strict-aliasing -fno-common -ffile-prefix-map=$(CURDIR)=. -ffunction-sections -fdata-sections
ifeq ($(ARCH),armhf)
LP_CFLAGS += -D_TIME_BITS=64 -D_FILE_OFFSET_BITS=64
endif

LIBS := -lnghttp2 -lllhttp -lmbedtls -lmbedx509 -lmbedcrypto -lnl-route-3 -lnl-genl-3 -lnl-3 -lyaml -lseccomp -lcap \
	-lsqlite3 -lzstd -lz
HARDLINK := -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--gc-sections

ifeq ($(SAN),)
LP_CFLAGS += -O2 $(HARDEN)
# Rooms that mostly wait are compiled for size.
SMALL := agent keeper netbridge images tools manager specs
ifeq ($(ARCH),armhf)
LP_CFLAGS  += -fno-pie
LP_LDFLAGS := $(TARGET) $(LINKER) -static $(HARDLINK)
else
LP_CFLAGS  += -fPIE
LP_LDFLAGS := $(TARGET) $(LINKER) -static-pie $(HARDLINK)
endif
LDLIBS := $(LIBS) -lm
# In the product nothing unwinds: our objects have their tables only for debuggers, the libraries are linked from copies
# without theirs, and what libc would need them for is cut off (tools/static).
ifeq ($(GCC),)
LP_CFLAGS += -fno-asynchronous-unwind-tables
BARE := $(BUILD)/lib/.stamp
LP_PRODUCT := -L$(BUILD)/lib -Wl,--no-eh-frame-hdr -Wl,-O2 $(if $(filter armhf,$(ARCH)),,-Wl,--pack-dyn-relocs=relr)
ifeq ($(ARCH),amd64)
ENTRY := -Wl,-e,lp_static_entry	# tools/static/seal.c
endif
endif
else
# Under the sanitizers our libraries stay static, but libc and its loader are the sysroot's dynamic ones.
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
LP_CFLAGS  += -O1 -fPIE $(SANITIZE) -DLP_SANITIZED=1
LP_LDFLAGS := $(TARGET) $(LINKER) -pie $(SANITIZE) -Wl,--dynamic-linker=$D/usr/lib64/ld-linux-x86-64.so.2 \
	-Wl,-rpath,$D/usr/lib/$(TRIPLE)
LDLIBS := -Wl,-Bstatic $(LIBS) -Wl,-Bdynamic -lm
ifneq ($(ARCH),amd64)
$(error SAN=1 works on amd64 only)
endif
endif

# The first of these flags that the compiler takes: $(call takes,flag,or else flags)
takes = $(or $(call try,$(1)),$(call try,$(2)))
try   = $(if $(1),$(shell echo 'int x;' | $(CC) $(TARGET) -Werror $(1) -c -xc -o /dev/null - >/dev/null 2>&1 && echo '$(1)'))
ZERO := -ftrivial-auto-var-init=zero
ASK   = $(call takes,$(ZERO),$(ZERO) -enable-trivial-auto-var-init-zero-knowing-it-will-be-removed-from-clang) \
	$(if $(SAN),,$(call takes,-fstack-clash-protection) $(call takes,-fcf-protection))
# Asked once, when the first object is compiled, for the sysroot must be there.
LP_LATE = $(eval LP_LATE := $$(ASK))$(LP_LATE)

Q := $(if $(V),,@)
say = $(if $(V),,@echo "  $(1)	$(2)")

# ---- what there is ---------------------------------------------------------------------------------------------------
# The sanitized build has a dynamic libc, whose own NSS and loader must not be replaced by our stubs.
sources  = $(filter-out $(if $(SAN),base/nss_stub.c base/math_stub.c),$(wildcard $(1)/*.c) $(wildcard $(1)/*/*.c))
objects  = $(patsubst %.c,$(BUILD)/%.o,$(1))
HARNESS  := $(BUILD)/tests/harness.a
ARCHIVES := $(FOLDERS:%=$(BUILD)/%.a) $(BUILD)/tools.a $(HARNESS)
TOOLSRC  := $(filter-out tools/limpet.c,$(wildcard tools/*.c)) $(wildcard tools/verbs/*.c tools/oci/*.c)

# The archives that the folder (or tests/folder) named $(1) may link, the highest layer first.
needs = $(shell awk '$$1 == "$(1)" || $$1 == "tests/$(1)" { for (i = NF; i > 1; i--) \
	print "$(BUILD)/" $$i (index($$i, "/") ? ".o" : ".a") }' tools/layers)
# Other sources that lie beside the tests of a folder are linked to each of them.
helpers = $(call objects,$(filter-out tests/$(1)/test_%,$(wildcard tests/$(1)/*.c)) \
	$(if $(filter world,$(1)),$(wildcard tests/world.c)) $(if $(filter kernel/escape,$(1)),tests/kernel/cage.c))

tests_of = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/$(1)/test_*.c))
UNIT   := $(foreach f,harness $(FOLDERS) tools,$(call tests_of,$(f)))
WORLD  := $(call tests_of,world)
KERNEL := $(call tests_of,kernel) $(call tests_of,kernel/escape)
FUZZERS := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
BENCH  := $(foreach b,start commands floor net true,$(BUILD)/tools/bench/$(b))
VMTOOLS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/vm/*.c tests/audit/*.c tests/inject/*.c))
REPLAY := $(FUZZERS:%=$(BUILD)/tests/fuzz/%)
PICK = $(if $(T),$(foreach t,$(1),$(if $(findstring $(T),$(t)),$(t))),$(1))

.PHONY: all objects check test tests fuzz bench demo demo-stop clean install FORCE
.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:

all: $(if $(wildcard tools/limpet.c),$(BUILD)/limpet $(BUILD)/limpet-oci) $(ARCHIVES)

# ---- rules -----------------------------------------------------------------------------------------------------------
$(SYSROOT)/.stamp: tools/sysroot
	@tools/install-deps build
	@tools/sysroot $(ARCH)
	@touch $@

# Everything is compiled again when the flags change, and only then.
$(BUILD)/.flags: FORCE | $(SYSROOT)/.stamp
	@mkdir -p $(BUILD)
	@echo '$(subst ','\'',$(CC) $(LP_CFLAGS) $(SMALL) $(CFLAGS) $(LP_LDFLAGS) $(LDFLAGS) $(LDLIBS))' >$@.$$$$ && \
		if cmp -s $@.$$$$ $@; then rm $@.$$$$; else mv $@.$$$$ $@; fi

$(BUILD)/%.o: %.c $(BUILD)/.flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$Q$(CC) $(LP_CFLAGS) $(if $(filter $(SMALL),$(firstword $(subst /, ,$<))),-Oz) $(LP_LATE) $(CFLAGS) -MMD -MP -MF $(@:.o=.d) -MT $@ -c -o $@ $<

.SECONDEXPANSION:
$(BUILD)/tools.a: $(call objects,$(TOOLSRC))
$(HARNESS): $(call objects,tests/harness.c tests/fault.c)
$(FOLDERS:%=$(BUILD)/%.a): $(BUILD)/%.a: $$(call objects,$$(call sources,$$*))
$(sort $(ARCHIVES)): $(BUILD)/%.a: $(BUILD)/.flags
	$(call say,AR,$@)
	@mkdir -p $(@D)
	$Qrm -f $@.$$$$ && $(AR) rcsD $@.$$$$ $(filter %.o,$^) && mv $@.$$$$ $@

$(BUILD)/lib/.stamp: $(BUILD)/.flags
	@mkdir -p $(@D)
	$Qfor lib in $(LIBS:-l%=%) c; do \
		$(OBJCOPY) --remove-section=.eh_frame --remove-section=.rel.eh_frame --remove-section=.rela.eh_frame \
			$D/usr/lib/$(TRIPLE)/lib$$lib.a $(@D)/lib$$lib.a || exit 1; \
	done
	@touch $@

OTHERS := $(foreach f,tools manager agent netbridge images specs wire,$(BUILD)/$(f).a)
ifdef BARE
# What a keeper needs stands behind tables_end.o, everything else in front of it (tools/static/tables.h).
# armhf is not position independent: its tables are the file's own.
FIXED := $(BUILD)/tools/static
EDGES := $(if $(filter armhf,$(ARCH)),,yes)
KEEPER := $(if $(EDGES),$(FIXED)/tables.o) $(FIXED)/libc_stub.o $(BUILD)/keeper.a $(BUILD)/runtime.a $(BUILD)/base.a $(LDLIBS)
$(BUILD)/limpet.debug: $(BUILD)/tools/limpet.o $(BARE) $$(call objects,$$(wildcard tools/static/*.c)) $(ARCHIVES) \
		tools/static/check-tables
	$(call say,LD,$@)
	$Q$(CC) $(LP_LDFLAGS) $(LP_PRODUCT) $(ENTRY) $(LDFLAGS) -Wl,-Map=$(BUILD)/lib/limpet.map -o $@ $(if $(EDGES),$(FIXED)/tables_begin.o) $< \
		$(FIXED)/seal.o $(OTHERS) $(filter-out -lseccomp -lcap,$(LIBS)) $(if $(EDGES),$(FIXED)/tables_end.o) $(KEEPER)
	$Q$(CC) $(LP_LDFLAGS) $(LP_PRODUCT) $(LDFLAGS) -Wl,-Map=$(BUILD)/lib/keeper.map -o $(BUILD)/lib/keeper \
		-Wl,--undefined=lp_keeper_main -Wl,--defsym=main=lp_keeper_main $(KEEPER)
	$(if $(EDGES),$Qtools/static/check-tables $(BUILD)/lib/limpet.map $(BUILD)/lib/keeper.map)
else
$(BUILD)/limpet.debug: $(BUILD)/tools/limpet.o $(ARCHIVES)
	$(call say,LD,$@)
	$Q$(CC) $(LP_LDFLAGS) $(LDFLAGS) -o $@ $< $(OTHERS) $(BUILD)/agent.a $(BUILD)/keeper.a $(BUILD)/netbridge.a $(BUILD)/runtime.a \
		$(BUILD)/base.a $(LDLIBS)
endif

$(BUILD)/limpet: $(BUILD)/limpet.debug
	$(call say,STRIP,$@)
	$Q$(STRIP) --strip-all -o $@.$$$$ $< && mv $@.$$$$ $@

# Called by this name it is an OCI runtime.
$(BUILD)/limpet-oci: $(BUILD)/limpet
	$Qln -sf limpet $@

$(UNIT) $(WORLD) $(KERNEL): $(BUILD)/tests/%: $(BUILD)/tests/%.o $(HARNESS) $$(call helpers,$$(*D)) $$(call needs,$$(*D))
	$(call say,LD,$@)
	$Q$(CC) $(LP_LDFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LDLIBS)

$(VMTOOLS): $(BUILD)/%: $(BUILD)/%.o $$(call needs,$$(*D))
	$(call say,LD,$@)
	$Q$(CC) $(LP_LDFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LDLIBS)

$(BUILD)/tools/bench/start: $(call objects,tools/bench/start.c tools/bench/floor.c) $(BUILD)/runtime.a $(BUILD)/base.a
	$(call say,LD,$@)
	$Q$(CC) $(LP_LDFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/tools/bench/floor: $(call objects,tools/bench/floor_main.c tools/bench/floor.c)
$(BUILD)/tools/bench/commands: $(call objects,tools/bench/commands.c)
$(BUILD)/tools/bench/floor $(BUILD)/tools/bench/commands:
	$(call say,LD,$@)
	$Q$(CC) $(LP_LDFLAGS) $(LDFLAGS) -o $@ $^

$(BUILD)/tools/bench/net: $(call objects,tools/bench/net.c) $(BUILD)/netbridge.a $(BUILD)/base.a
	$(call say,LD,$@)
	$Q$(CC) $(LP_LDFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/tools/bench/true: tools/bench/true.c $(BUILD)/.flags
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$Q$(CC) $(TARGET) $(LINKER) -O2 -static -nostdlib -o $@ $<

# A fuzzer is also an ordinary program that replays its corpus.
$(REPLAY): $(BUILD)/tests/fuzz/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/tests/fuzz/replay.o $$(ARCHIVES)
	$(call say,LD,$@)
	$Q$(CC) $(LP_LDFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(call needs,tests/fuzz) $(LDLIBS)

# ---- checks ----------------------------------------------------------------------------------------------------------
tests: $(UNIT) $(WORLD) $(KERNEL) $(REPLAY) $(VMTOOLS)

# Programs of another architecture run under Debian 13's qemu (Debian 12's knows no openat2); that proves function, not speed.
RUNNER_arm64 := build/qemu/qemu-aarch64 -cpu cortex-a53
RUNNER_armhf := build/qemu/qemu-arm
RUNNER := $(if $(filter $(TRIPLE_$(ARCH)),$(shell uname -m)-linux-gnu),,$(RUNNER_$(ARCH)))

build/qemu/qemu-%:
	@rm -rf build/qemu.$$$$ && tools/debs trixie "$$(dpkg --print-architecture)" build/qemu.$$$$ qemu-user && mkdir -p $(@D) && \
		mv build/qemu.$$$$/usr/bin/qemu-$* $@ && rm -rf build/qemu.$$$$

check: $(call PICK,$(UNIT) $(REPLAY)) $(firstword $(RUNNER))
	@$(if $(RUNNER),LP_RUNNER='$(RUNNER)' LP_PROGRAM_TIMEOUT=600 LP_TEST_TIMEOUT=300) tools/run-tests $(if $(T),,rules) $(call PICK,$(UNIT) $(REPLAY))

test:
	@tools/test

# libFuzzer instruments everything it calls, so the whole tree is compiled once more, in a folder of its own.
fuzz:
	@$(MAKE) --no-print-directory SAN=1 BUILD=build/fuzz CFLAGS='-fsanitize=fuzzer-no-link' fuzz-build
	@tools/run-fuzz build/fuzz/libfuzzer $(FUZZ_SECONDS) $(call PICK,$(FUZZERS))
fuzz-build: $(FUZZERS:%=build/fuzz/libfuzzer/%)
.PHONY: fuzz-build
$(FUZZERS:%=build/fuzz/libfuzzer/%): build/fuzz/libfuzzer/%: build/fuzz/tests/fuzz/%.o $$(ARCHIVES)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$Q$(CC) $(LP_LDFLAGS) -fsanitize=fuzzer -o $@ $< $(call needs,tests/fuzz) $(LDLIBS)

bench: $(BUILD)/limpet $(BENCH)
	@tools/install-deps test
	@tools/bench/run

demo:
	@tools/install-deps build demo
	@$(MAKE) --no-print-directory all
	@tools/demo

demo-stop:
	@tools/demo-stop

install: $(BUILD)/limpet
	install -D -m 0755 $(BUILD)/limpet $(DESTDIR)/usr/bin/limpet
	ln -sf limpet $(DESTDIR)/usr/bin/limpet-oci
	install -D -m 0644 agent/limpet-default.apparmor $(DESTDIR)/etc/apparmor.d/limpet-default
	$(if $(wildcard tools/limpet.1),install -D -m 0644 tools/limpet.1 $(DESTDIR)/usr/share/man/man1/limpet.1)

# The sysroots, package caches and downloaded images stay; remove build/ to drop those too.
clean:
	rm -rf $(filter-out build/sysroot build/apt build/qemu build/vm build/images build/demo,$(wildcard build/*)) build/.flags

-include $(shell find $(BUILD) -type f -name '*.d' -not -path 'build/demo/*' -not -path 'build/images/*' -not -path 'build/vm/*' -not -path 'build/sysroot/*' -not -path 'build/apt/*' \
	$(if $(filter build,$(BUILD)),-not -path 'build/san/*' -not -path 'build/arm*' -not -path 'build/gcc/*' -not -path 'build/fuzz/*') \
	2>/dev/null)
