# Pinion's one Makefile. `make help` says what it does. A room's files.mk lists its sources,
# board/NAME/board.mk holds a board's facts, arch/NAME/isa.mk an instruction set's compiler flags.

MAKEFLAGS += --no-builtin-rules --no-builtin-variables --no-print-directory
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SECONDARY:
SHELL = /bin/sh
export LC_ALL = C

# ---- The words of a command. Only the command line overrides them, not the environment.

BOARD  = qemu-virt-riscv64
APP    = examples/hello.c
ICOUNT = 0
MODE   = release
BUILD  = build
SEEDS   = 100
MINUTES = 10
CHAOS   =
PROFILE = cpu
RATE    =
# BOARD=host: whose program it is to be, this computer's or another's.
THIS_ISA := $(shell uname -m)
HOST_ISA  = $(THIS_ISA)
BOARDS := $(patsubst board/%/board.mk,%,$(wildcard board/*/board.mk))

# Tools may come from the environment too.
HOSTCC     ?= cc
CLANG      ?= clang
PYTHON     ?= python3
DEBUGGER   ?= gdb-multiarch
NEWLIB_SRC ?=
LIBFDT_SRC ?=

ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell getconf _NPROCESSORS_ONLN)
endif
Q     = $(if $(filter 1,$(V)),,@)
say   = @printf '  %-4s %s\n' '$1' '$2' >&2
quote = '$(subst ','\'',$1)'
comma = ,

# ---- One board, or a sentence that says what is wrong with the words.

GOALS_WITH_WORDS = run gdb trace profile image images print-run print-qemu
ifneq ($(filter $(GOALS_WITH_WORDS),$(MAKECMDGOALS)),)
-include $(if $(filter $(BOARD),$(BOARDS)),board/$(BOARD)/board.mk)
wrong := $(shell tools/check-words $(call quote,$(BOARD)) $(call quote,$(BOARDS)) \
    $(call quote,$(SMP)) $(call quote,$(SMP_MAX)) $(call quote,$(MEM)) $(call quote,$(ICOUNT)) \
    $(call quote,$(MODE)) $(call quote,$(KERNEL)) $(call quote,$(TRAP)) $(call quote,$(SANITIZE)) \
    $(call quote,$(filter host,$(ARCH))) $(call quote,$(HOST_ISA)) $(call quote,$(THIS_ISA)) \
    $(or $(APPS),$(call quote,$(APP))))
$(if $(wrong),$(error $(wrong)))
else
include board/$(firstword $(filter $(BOARD),$(BOARDS)) $(BOARDS))/board.mk
endif
include $(wildcard arch/*/isa.mk)
ISA      = $(ISA_$(ARCH))
QEMU_SMP ?= $(SMP)
HOSTED   = $(HOSTED_$(ISA))

# ---- Tools, libraries and flags

CC      = $(CROSS_$(ISA))gcc
NM      = $(CROSS_$(ISA))nm
OBJCOPY = $(CROSS_$(ISA))objcopy
NEWLIB  = build/newlib/$(ISA)
LIBFDT  = build/libfdt
DEBUG   = $(if $(filter debug,$(MODE)),-debug)
VARIANT = $(DEBUG)$(addprefix -,$(SANITIZE))
OBJ     = $(BUILD)/$(ISA)$(VARIANT)
IMAGES  = $(BUILD)/$(BOARD)$(if $(HOSTED),$(HOST_FOREIGN:%=-%))$(VARIANT)$(addprefix -trap,$(TRAP))
# Unit tests; counted ones (SANITIZE=coverage) without sanitizers, whose own branches would count.
HOSTOBJ = $(BUILD)/host$(if $(filter coverage,$(SANITIZE)),-coverage)
# Asked once, and only when something is compiled.
CC_INCLUDE = $(eval CC_INCLUDE := $$(shell $(CC) -print-file-name=include))$(CC_INCLUDE)

CPPFLAGS = $(or $(ISA_CPPFLAGS_$(ISA)),-nostdinc -isystem $(CC_INCLUDE) -isystem $(CC_INCLUDE)-fixed \
           -isystem $(NEWLIB)/include -D__DYNAMIC_REENT__) -Iinclude
CFLAGS   = -std=gnu11 $(if $(DEBUG),-O1 -DPINION_DEBUG=1,-O2) -g $(ISA_CFLAGS_$(ISA)) $(SANITIZE_$(SANITIZE)) \
           -fno-omit-frame-pointer -fno-asynchronous-unwind-tables -fno-unwind-tables \
           -ffunction-sections -fdata-sections -fno-common -fno-stack-protector -ftls-model=local-exec
WARNINGS = -Wall -Wextra -Werror -Wshadow -Wmissing-prototypes -Wstrict-prototypes
# Programs see the public headers only; the rooms and the tests see the tree from its root.
FLAGS_app   = $(CPPFLAGS) $(CFLAGS) $(ISA_APP_$(ISA)) -fno-optimize-sibling-calls -Wall
FLAGS_test  = $(FLAGS_app) -I. $(WARNINGS)
FLAGS_room  = $(CPPFLAGS) $(CFLAGS) -I. -Iarch/$(ARCH) -isystem $(LIBFDT) $(WARNINGS) $(ISA_ROOM_$(ISA)) $(SANITIZE_room_$(SANITIZE))
FLAGS_early = $(FLAGS_room) $(ISA_EARLY_$(ISA))
FLAGS_fdt   = $(CPPFLAGS) $(CFLAGS) -I$(LIBFDT) -w $(ISA_EARLY_$(ISA)) $(if $(DEBUG),,-Os)
FLAGS_host  = -std=gnu11 -g -O1 $(if $(filter coverage,$(SANITIZE)),--coverage -fprofile-update=atomic, \
              -fsanitize=address$(comma)undefined -fno-sanitize-recover=undefined) \
              -fno-omit-frame-pointer -I. -Iinclude -isystem $(LIBFDT) -Wno-format-overflow
LDFLAGS     = $(ISA_CFLAGS_$(ISA)) $(or $(ISA_LINK_$(ISA)),$(ISA_LDFLAGS_$(ISA)) -nostdlib -static) $(SANITIZE_$(SANITIZE)) \
              -Wl,--gc-sections -Wl,--build-id=none,-z,max-page-size=4096,-z,noexecstack
NEWLIB_CFLAGS = -O2 -g $(ISA_CFLAGS_$(ISA)) -ffreestanding -fno-omit-frame-pointer \
              -fno-asynchronous-unwind-tables -fno-unwind-tables -fno-stack-protector \
              -ffunction-sections -fdata-sections -D__DYNAMIC_REENT__
# What an image needs beside our own code: newlib and libfdt, or the host's libraries.
LIBRARIES   = $(if $(HOSTED),,$(NEWLIB)/lib/libc.a $(LIBFDT)/libfdt.h)
LINK_LIBS   = $(or $(ISA_LIBS_$(ISA)),-lc -lm -lgcc)
# Which of them a source file gets, by the room it is in; a files.mk may add CFLAGS_room/file.c, and
# to COLD what is compiled for size: what runs once, or when something is wrong, or when one looks.
room_flags = $(filter-out $(if $(filter $1,$(FLOATS)),-mgeneral-regs-only), \
             $(or $(FLAGS_$(KIND_$(firstword $(subst /, ,$1)))),$(FLAGS_app))) \
             $(if $(DEBUG),,$(if $(filter $1,$(COLD)),-Os)) $(CFLAGS_$1)
KIND_arch = early
KIND_board = early
KIND_boot = early
KIND_kernel = early
KIND_sched = room
KIND_tests = test

# ---- What is built: objects once an instruction set, images once a board

SRCS :=
-include $(wildcard arch/files.mk arch/$(ARCH)/files.mk boot/files.mk kernel/files.mk sched/files.mk)
ROOM_SRCS := $(SRCS) $(wildcard board/$(BOARD)/*.c)
room_objs  = $(patsubst %,$1/%.o,$(patsubst %.c,%,$2))
# TRAP=N: an old bug on purpose (docs/lessons.md). What has such a switch is compiled apart from the rest.
TRAPPED   := $(if $(TRAP),$(shell grep -l PINION_TRAP $(ROOM_SRCS)))
TRAPOBJ    = $(OBJ)/trap$(TRAP)
ROOM_OBJS  = $(call room_objs,$(OBJ),$(filter-out $(TRAPPED),$(ROOM_SRCS))) $(call room_objs,$(TRAPOBJ),$(TRAPPED))

# A program is a file or a folder of files. One outside the tree keeps its whole path, below abs/.
APPS     = $(APP)
app_path = $(patsubst $(CURDIR)/%,%,$(abspath $1))
app_srcs = $(if $(filter %.c,$1),$(call app_path,$1),$(wildcard $(call app_path,$1)/*.c))
app_objs = $(patsubst %.c,$(OBJ)/%.o,$(patsubst /%,abs/%,$(call app_srcs,$1)))
app_elf  = $(IMAGES)/$(patsubst /%,abs/%,$(basename $(call app_path,$1))).elf
ELFS     = $(foreach a,$(APPS),$(call app_elf,$a))
KERNELS  = $(if $(filter image,$(KERNEL)),$(ELFS:.elf=.img),$(ELFS))

# A test's first comment may ask the linker for something: `// link: -Wl,--wrap=malloc`.
app_link = $(if $(filter tests/%.c,$(call app_path,$1)),$(shell sed -n 's,^// link: *,,p;2q' $1))

define app_rule
$(call app_elf,$1): $(call app_objs,$1) $(if $(filter %.c,$1),,$1)
$(call app_elf,$1): private APP_LINK := $(call app_link,$1)
APP_OBJS += $(call app_objs,$1)
endef
$(foreach a,$(if $(filter $(GOALS_WITH_WORDS),$(MAKECMDGOALS)),$(APPS)),$(eval $(call app_rule,$a)))

# Writes text into the target unless it holds that text already: what depends on it stays as it is.
keep = @mkdir -p $(@D); printf '%s\n' $(call quote,$1) | cmp -s - $@ || \
       printf '%s\n' $(call quote,$1) >$@

$(OBJ)/flags: FORCE | setup
	$(call keep,$(CC) $(FLAGS_app) $(FLAGS_early) $(COLD) $(FLOATS) $(foreach v,$(filter CFLAGS_%,$(.VARIABLES)),$v $($v)))

$(IMAGES)/objects: FORCE
	$(call keep,$(ROOM_OBJS) $(LDFLAGS))

$(OBJ)/%.o: %.c $(OBJ)/flags | $(LIBRARIES)
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(call room_flags,$<) -MMD -MP -c -o $@ $<

$(TRAPOBJ)/%.o: %.c $(OBJ)/flags
	$(call say,CC,$< with trap $(TRAP))
	@mkdir -p $(@D)
	$(Q)$(CC) $(call room_flags,$<) -DPINION_TRAP=$(TRAP) -MMD -MP -c -o $@ $<

$(OBJ)/%.S.o: %.S $(OBJ)/flags
	$(call say,AS,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(call room_flags,$<) -MMD -MP -c -o $@ $<

$(OBJ)/abs/%.o: /%.c $(OBJ)/flags | $(LIBRARIES)
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(FLAGS_app) -MMD -MP -c -o $@ $<

$(OBJ)/libfdt.a: $(OBJ)/flags $(LIBFDT)/libfdt.h | $(NEWLIB)/lib/libc.a
	$(call say,LIB,$@)
	$(Q)tools/build-libfdt $@ $(LIBFDT) $(CC) $(FLAGS_fdt)

$(IMAGES)/link.ld: linker/$(ISA).ld.S linker/sections.h linker/host.h board/$(BOARD)/board.mk | setup
	@mkdir -p $(@D)
	$(Q)$(CC) -E -P -x c -I. -DLOAD_ADDR=$(LOAD_ADDR) -o $@ $<

$(ELFS): $(ROOM_OBJS) $(if $(HOSTED),,$(OBJ)/libfdt.a) $(IMAGES)/link.ld $(IMAGES)/objects tools/link-image
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(PYTHON) tools/link-image --nm $(NM) --cc $(CC) -o $@ -- $(CC) $(LDFLAGS) $(APP_LINK) \
	    -T $(IMAGES)/link.ld -L$(NEWLIB)/lib -Wl,--start-group $(filter %.o %.a,$^) $(LINK_LIBS) -Wl,--end-group

%.img: %.elf
	$(Q)$(OBJCOPY) -O binary $< $@

-include $(wildcard $(patsubst %.o,%.d,$(ROOM_OBJS) $(sort $(APP_OBJS))))

# ---- Libraries from source, once

$(NEWLIB)/lib/libc.a: | setup
	$(Q)tools/build-newlib $(call quote,$(NEWLIB_SRC)) $(NEWLIB) $(NEWLIB_TARGET_$(ISA)) \
	    $(CROSS_$(ISA)) $(call quote,$(NEWLIB_CFLAGS))

# The first that can be had; all hold the same library, the later ones older or in a larger parcel.
$(LIBFDT)/libfdt.h: | setup
	$(Q)$(if $(LIBFDT_SRC),tools/fetch-source --from $(call quote,$(LIBFDT_SRC)) $(LIBFDT), \
	    tools/fetch-source $(LIBFDT) device-tree-compiler:libfdt device-tree-compiler/trixie:libfdt \
	    arm-trusted-firmware:lib/libfdt+include/lib/libfdt u-boot:scripts/dtc/libfdt kexec-tools:kexec/libfdt)

# ---- Set-up: sees to it that the programs a goal needs are installed (tools/setup)

NEEDS = python3:python3:PYTHON cmp:diffutils:-
NEEDS += $(if $(wildcard $(NEWLIB)/lib/libc.a),,$(NEEDS_BUILD))
NEEDS_BUILD = cc:gcc:- /usr/include/stdio.h:libc6-dev:- tar:tar:- xz:xz-utils:- \
    $(if $(NEWLIB_SRC),,/usr/src/newlib:newlib-source:NEWLIB_SRC)
NEEDS_HOST  = $(HOSTCC):gcc:HOSTCC /usr/include/stdio.h:libc6-dev:-
NEEDS_MODEL = $(NEEDS_HOST) spin:spin:SPIN
NEEDS_FUZZ  = $(NEEDS_HOST) $(CLANG):clang:CLANG /usr/share/doc/libclang-rt-dev:libclang-rt-dev:-
NEEDS_EXPLORE = $(NEEDS_HOST) ld:binutils:- objcopy:binutils:-
NEEDS_GDB   = $(firstword $(DEBUGGER)):gdb-multiarch:DEBUGGER
NEEDS_CHECK = clang-format:clang-format:CLANG_FORMAT
ALL_ISAS    = $(sort $(foreach a,$(wildcard arch/*/isa.mk),$(ISA_$(a:arch/%/isa.mk=%))))
GOALS_OF_ALL = deps test trust test-long chaos soak bench check
NEEDS_NOW = $(NEEDS) $(if $(filter $(GOALS_OF_ALL),$(MAKECMDGOALS)), \
    $(foreach i,$(ALL_ISAS),$(NEEDS_$i)) $(NEEDS_BUILD) $(NEEDS_HOST),$(NEEDS_$(ISA))) \
    $(if $(filter models trust deps,$(MAKECMDGOALS)),$(NEEDS_MODEL)) \
    $(if $(filter fuzz trust deps,$(MAKECMDGOALS)),$(NEEDS_FUZZ)) \
    $(if $(filter explore mutants trust deps,$(MAKECMDGOALS)),$(NEEDS_EXPLORE)) \
    $(if $(filter gdb test test-long deps,$(MAKECMDGOALS)),$(NEEDS_GDB)) \
    $(if $(filter check format deps,$(MAKECMDGOALS)),$(NEEDS_CHECK))
# With whose eyes some tests look too, and do without where they are not: half a gigabyte, so only `make deps`
# tries to have them.
WISHES = go:golang-go:- babeltrace2:babeltrace2:- npm:npm:- chromium-headless-shell:chromium-headless-shell:-
setup: FORCE
	@tools/setup $(NEEDS_NOW)
	$(if $(filter deps,$(MAKECMDGOALS)),@$(foreach w,$(WISHES),tools/setup --try $w;))

# ---- Commands

# What tools/pinion-run must know; it adds the words of the run itself.
RUN_LINE  = $(if $(HOSTED),host=$(strip $(HOST_RUN) $(firstword $(ELFS))) pinion.smp=$(SMP) pinion.mem=$(MEM),qemu=$(QEMU_LINE))
QEMU_LINE = $(QEMU_$(ISA)) -machine $(QEMU_MACHINE)$(addprefix $(comma),$(MACHINE)) \
    $(addprefix -cpu ,$(QEMU_CPU)) -smp $(QEMU_SMP) -m $(MEM) $(QEMU_FLAGS) -kernel $(firstword $(KERNELS))

RUN_WORDS = $(call quote,@$(RUN_LINE)) @elf=$(firstword $(ELFS)) @build=$(BUILD) \
    ICOUNT=$(ICOUNT) $(foreach w,ARGS TIMEOUT TRACE GDB QEMU_ARGS,$(if $($w),$(call quote,$w=$($w))))
run: image ## build APP and run it
	@tools/pinion-run $(RUN_WORDS)

# What the program said goes where it always goes, and its exit value is the goal's.
TRACED = $(BUILD)/trace/$(notdir $(basename $(call app_path,$(APP))))
trace: image ## run APP and leave $(BUILD)/trace/NAME/{go.trace,trace.json,ctf/,trace.txt,replay.html}
	@mkdir -p $(TRACED) && rm -f $(TRACED)/raw; status=0; \
	tools/pinion-run $(RUN_WORDS) TRACE=$(or $(TRACE),$(TRACED)/raw) || status=$$?; \
	tools/pinion-trace $(or $(TRACE),$(TRACED)/raw) --elf $(firstword $(ELFS)) --out $(TRACED) && \
	echo '  $(TRACED): go.trace trace.json ctf/ trace.txt replay.html' >&2; exit $$status

gdb: image ## build APP and debug it: GDB that knows goroutines, and QEMU, which ends with it
	@tools/pinion-run $(RUN_WORDS) $(call quote,@gdb=$(DEBUGGER)) $(addprefix @process=,$(GDB_PROCESS))

profile: image ## run APP and leave BUILD/profile/NAME/KIND.pb, for go tool pprof; PROFILE=KIND
	@tools/pinion-run $(RUN_WORDS) PROFILE=$(call quote,$(PROFILE)) RATE=$(call quote,$(RATE))

image images: $(ELFS) $(KERNELS)
	$(if $(filter print-run,$(MAKECMDGOALS)),,$(foreach k,$(sort $(KERNELS)),$(call say,OUT,$k)$(newline)))

print-run: image print-qemu
print-qemu:
	@printf '@pinion %s\n' $(call quote,$(RUN_LINE)) $(call quote,elf=$(firstword $(ELFS))) build=$(BUILD)

define newline


endef

# Unit tests run on the host, with the address and undefined-behaviour sanitizers. The first comment
# of one may name sources it needs and flags they all take: `// with: kernel/page.c libfdt -DX=1`.
UNIT_SRCS := $(if $(filter unit-programs,$(MAKECMDGOALS)),$(or $(UNITS),$(wildcard tests/unit/*.c)))

# Fuzzers are made the same way, in a folder of their own, by clang, which has libFuzzer.
ifneq ($(filter fuzz-programs,$(MAKECMDGOALS)),)
UNIT_SRCS := $(wildcard tests/fuzz/*.c)
HOSTOBJ    = $(BUILD)/fuzz
HOSTCC     = $(CLANG)
FLAGS_host += -O2 -fsanitize=fuzzer -Wno-unknown-warning-option -Wno-unused-command-line-argument
endif
UNIT_TESTS = $(UNIT_SRCS:%.c=$(HOSTOBJ)/%)

# Objects of a test are its own, since its flags are: the same source may be in several.
define unit_rule
with := $$(shell sed -n 's,^// with: *,,p' $1)
flags := $$(filter -%,$$(with))
objs := $$(patsubst %.c,$2.objs/%.o,$1 $$(filter %.c,$$(with)))
$2: private FLAGS := $$(flags)
$2: $$(objs) $$(if $$(filter libfdt,$$(with)),$(HOSTOBJ)/libfdt.a)
$2.objs/%.o: private FLAGS := $$(flags)
$2.objs/%.o: %.c $(HOSTOBJ)/flags $1 | setup $(LIBFDT)/libfdt.h
	$$(call say,HOST,$$<)
	@mkdir -p $$(@D)
	$$(Q)$$(HOSTCC) $$(FLAGS_host) $$(WARNINGS) $$(FLAGS) -MMD -MP -c -o $$@ $$<
UNIT_OBJS := $$(UNIT_OBJS) $$(objs)
endef
$(foreach t,$(UNIT_SRCS),$(eval $(call unit_rule,$t,$(t:%.c=$(HOSTOBJ)/%))))

$(HOSTOBJ)/flags: FORCE
	$(call keep,$(HOSTCC) $(FLAGS_host))

$(HOSTOBJ)/libfdt.a: $(HOSTOBJ)/flags $(LIBFDT)/libfdt.h | setup
	$(Q)mkdir -p $(@D) && tools/build-libfdt $@ $(LIBFDT) $(HOSTCC) $(FLAGS_host) -w

$(UNIT_TESTS):
	$(Q)$(HOSTCC) $(FLAGS_host) $(FLAGS) -o $@ $^ -lpthread -lm $(if $(filter coverage,$(SANITIZE)),$(SANITIZE_libs_coverage))

-include $(wildcard $(patsubst %.o,%.d,$(UNIT_OBJS)))

unit-programs fuzz-programs: $(UNIT_TESTS)

test: setup ## run the tests, on the host and on every board (--only etc.: see tests/run)
	@tests/run

trust: setup ## verify the models, and run the boards' tests here without and with each sanitizer
	@tests/run --trust

test-host: setup ## run the boards' tests as programs of this computer; with SANITIZE=… watched
	@tests/run --native $(call quote,$(SANITIZE)) --isa $(call quote,$(HOST_ISA)) --jobs 1

coverage: setup ## how much of sched/ the tests that run on this computer go through
	@find $(BUILD)/*-coverage -name '*.gcda' -delete 2>/dev/null; \
	tests/run --native coverage --jobs 1 && \
	tools/coverage --lines 95 --branches 85 sched $(BUILD)/$(THIS_ISA)-coverage $(BUILD)/host-coverage

test-long: setup ## the same and the tests that take long
	@tests/run --long

unit: setup ## run the host's unit tests only
	@tests/run --host

# A board of one's own choice, or those that have eight harts.
SOAK_BOARDS = $(if $(filter command,$(firstword $(origin BOARD))),$(call quote,$(BOARD)),qemu-virt-riscv64 qemu-virt-arm64)

chaos: setup ## run the tests on boards under SEEDS seeds of chaos, 100 by default (nightly)
	@tests/run --chaos $(call quote,1-$(SEEDS)) --spread

soak: setup ## mix everything on eight harts for MINUTES (10), on BOARD or both, with CHAOS=SEED too
	@tests/stress/soak/run $(call quote,$(MINUTES)) $(call quote,$(CHAOS)) $(SOAK_BOARDS)

models: setup ## verify the models of the protocols, and that their mutants fail
	@tests/models/run

# Each fuzzer for SECONDS; without, as `make trust` runs them: a fixed number of inputs.
fuzz: setup ## feed what reads outside data with inputs of libFuzzer's making, each for SECONDS
	@tests/fuzz/run $(if $(SECONDS),--seconds $(call quote,$(SECONDS)))

explore: setup ## run the scheduler's C under all schedules of small cases; REPLAY=NAME/MODE: the steps
	@tests/explore/run $(if $(REPLAY),--replay $(call quote,$(REPLAY)))

mutants: setup ## take each order out of the scheduler: the explorer must notice; REPLAY=MUTANT: how
	@tests/explore/run --mutants $(if $(REPLAY),--replay $(call quote,$(REPLAY)))

bench: setup ## measure instructions an operation
	@tests/bench/run

# What CI runs besides the tests: form, rules of the tree, and the host's unit tests.
C_FILES = $(sort $(wildcard $(foreach d,arch arch/* board/* boot kernel sched include include/* \
    examples examples/* tests tests/* tests/*/*,$d/*.c $d/*.h)))
format: setup ## bring all C files into the tree's format
	@clang-format -i $(C_FILES)

check: setup ## check format, includes, memory orders and tools, and run the unit tests
	@wrong=0; \
	for step in 'clang-format --dry-run -Werror $(C_FILES)' tests/check_layers.sh \
	    tests/check_orders.sh '$(PYTHON) tests/check_memory_order.py' '$(PYTHON) tests/check_python.py' \
	    'tests/run --host'; do \
	    printf '  CHECK %.50s\n' "$$step" >&2; $$step || wrong=1; \
	done; exit $$wrong

deps: setup ## install what building, running, testing and checking need

clean: ## remove what was compiled; the libraries from source stay
	rm -rf $(filter-out build/newlib build/libfdt build/apt,$(wildcard $(BUILD)/*)) $(BUILD)/.lock

distclean: ## remove everything that was made or fetched
	rm -rf build $(BUILD)

help: ## this text
	@tools/help Makefile board/*/board.mk

FORCE:
.PHONY: FORCE setup run gdb trace profile image images print-run print-qemu unit-programs fuzz-programs test trust test-host \
    coverage test-long unit chaos soak models explore mutants fuzz \
    bench check format deps clean distclean help
