# SPDX-License-Identifier: MIT
# make, make check, make install, make demo: no configure step.
#   WERROR=1  warnings are errors
#   SAN=1     address and undefined sanitizers, in a build folder of their own
#   TSAN=1    the thread sanitizer, likewise, and what has threads
#   SHORT=1   of the tests the units and the module only
#   ACL=1     the tests run as the least Redis user of docs/redis-layout.md
#   TRACE=1   httpd logs all it can, and no id or password may be in a log
#   SERVER=valkey-server  the tests run this server
#   VALGRIND=1  the tests run httpd and the units under valgrind
all:

include apxs.mk

CC ?= cc
BUILD = build$(if $(SAN),-san)$(if $(TSAN),-tsan)
DESTDIR ?=
INCLUDEDIR ?= $(HTTPD_INCLUDE)
MODS = /etc/apache2/mods-available

WARN = -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes \
	-Wmissing-prototypes -Wwrite-strings -Wpointer-arith -Wcast-qual \
	-Wundef -Wvla -Wformat=2 -Wdeclaration-after-statement \
	$(if $(WERROR),-Werror)
SANITIZERS = -fsanitize=address,undefined -fno-omit-frame-pointer
SANITIZE = $(if $(SAN),$(SANITIZERS)) \
	$(if $(TSAN),-fsanitize=thread -fno-omit-frame-pointer)
CFLAGS ?= -O2 -g
ALL_CFLAGS = -std=c99 -D_GNU_SOURCE -fPIC -pthread -fvisibility=hidden \
	$(WARN) $(CFLAGS) $(SANITIZE) -MMD -MP \
	-Iinclude -Isrc/engine -Isrc/faces $(SYSTEM_INCLUDES)

ENGINE = $(patsubst %.c,$(BUILD)/%.o,$(wildcard src/engine/*.c))
CLI = $(patsubst %.c,$(BUILD)/%.o,$(wildcard src/cli/*.c))
FACES = $(patsubst %.c,$(BUILD)/%.o,$(wildcard src/faces/*.c))
UNITS = $(patsubst t/unit/%.c,$(BUILD)/%,$(wildcard t/unit/test_*.c))
MODULE = $(BUILD)/mod_drsession.so
LUA_MODULE = $(BUILD)/lua/drsession.so
LUA_OBJECTS = $(patsubst %.c,$(BUILD)/%.o,$(wildcard src/lua/*.c))
COMMAND = $(BUILD)/drsession
TESTMOD = $(patsubst t/mods/%.c,$(BUILD)/%.so,$(wildcard t/mods/*.c))

all: $(MODULE) $(COMMAND) lua

$(MODULE): $(BUILD)/mod_drsession.o $(FACES) $(ENGINE)
	$(CC) -shared $(SANITIZE) $(LDFLAGS) -o $@ $^ $(SYSTEM_LIBS)

# Without mod_lua or the headers of its Lua all the rest is built.
lua: tools
	$(if $(LUA),$(if $(LUA_PC),@$(MAKE) --no-print-directory $(LUA_MODULE),\
	    @echo "No Lua face: mod_lua uses Lua $(LUA), whose headers are" \
	        "missing (liblua$(LUA)-dev)"),\
	    @echo "No Lua face: no mod_lua with Lua 5.3 or 5.4 here")

# Never unloaded: the cleanup of a request outlives the script's interpreter.
$(LUA_MODULE): $(LUA_OBJECTS)
	@mkdir -p $(@D)
	$(CC) -shared -Wl,-z,nodelete $(SANITIZE) $(LDFLAGS) -o $@ $^ \
	    $(LUA_LINK) -lpthread

$(LUA_OBJECTS): ALL_CFLAGS += $(patsubst -I%,-isystem %,$(LUA_CFLAGS))

$(COMMAND): $(CLI) $(ENGINE)
	$(CC) $(SANITIZE) $(LDFLAGS) -o $@ $^ $(SYSTEM_LIBS)

$(BUILD)/mod_%.so: $(BUILD)/t/mods/mod_%.o
	$(CC) -shared $(SANITIZE) $(LDFLAGS) -o $@ $^

$(BUILD)/test_%: $(BUILD)/t/unit/test_%.o $(ENGINE)
	$(CC) $(SANITIZE) $(LDFLAGS) -o $@ $^ $(SYSTEM_LIBS) -lcmocka

# What talks to a server is tested against one that lies.
LIED_TO = redis open pool breaker probe lost route repeat store hostile life \
	session memory batch
$(LIED_TO:%=$(BUILD)/test_%): \
	$(patsubst %,$(BUILD)/t/unit/%.o,fake late rig)
$(patsubst %,$(BUILD)/test_%,life session memory batch): \
	$(BUILD)/t/unit/request.o

# The resolver is one that says what the test wants.
$(BUILD)/test_names: LDFLAGS += -Wl,--wrap=getaddrinfo
# To close takes as long as it wants.
$(BUILD)/test_probe: LDFLAGS += -Wl,--wrap=close

# Time passes as the test says.
$(BUILD)/test_outage: $(BUILD)/src/faces/drs_outage.o
$(BUILD)/test_outage $(BUILD)/test_repeat: \
	LDFLAGS += -Wl,--wrap=drs_clock_now
$(BUILD)/test_life: LDFLAGS += -Wl,--wrap=apr_time_now

# Memory runs out in what is linked as an archive; APR, which is not, aborts.
$(BUILD)/test_memory: SYSTEM_LIBS = $(patsubst -lhiredis,-l:libhiredis.a,\
	$(patsubst -ljansson,-l:libjansson.a,$(LIBS_LINK))) -lpthread
$(BUILD)/test_memory: LDFLAGS += $(patsubst %,-Wl$(comma)--wrap=%,\
	malloc calloc realloc free connect)

# Directives are tested without an httpd around them.
$(BUILD)/test_conf: $(BUILD)/src/faces/drs_conf.o \
	$(BUILD)/src/faces/drs_forward.o \
	$(BUILD)/src/faces/drs_lists.o $(BUILD)/src/faces/drs_secret.o \
	$(BUILD)/src/faces/drs_words.o

include t/fuzz/fuzz.mk
include t/torture/torture.mk

$(BUILD)/%.o: %.c | tools
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

ASAN = $(firstword $(wildcard $(foreach lib,libasan.so \
	libclang_rt.asan-$(shell uname -m).so libclang_rt.asan.so,\
	$(shell $(CC) -print-file-name=$(lib)))))
LIBTSAN = $(shell $(CC) -print-file-name=libtsan.so)
ATOMICS = $(if $(TSAN),$(BUILD)/atomics.so)
VALGRIND_RUN = valgrind -q --error-exitcode=9 --leak-check=full
TEST_ENV = CMOCKA_MESSAGE_OUTPUT=TAP DRS_BUILD=$(CURDIR)/$(BUILD) \
	DRS_LUA=$(CURDIR)/$(LUA_MODULE) \
	DRS_MODULE=$(CURDIR)/$(MODULE) \
	$(if $(SAN),DRS_PRELOAD=$(ASAN) ASAN_OPTIONS=detect_leaks=0 \
	UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1) \
	$(if $(TSAN),DRS_PRELOAD='$(LIBTSAN) $(CURDIR)/$(ATOMICS)' \
	TSAN_OPTIONS=second_deadlock_stack=1) \
	$(if $(ACL),DRS_ACL=1) \
	$(if $(TRACE),DRS_TRACE=1) \
	$(if $(SERVER),DRS_SERVER=$(SERVER)) \
	$(if $(VALGRIND),DRS_VALGRIND='$(VALGRIND_RUN)')
THREADED = $(if $(SHORT),t/71-*.t,t/15-*.t t/16-*.t t/30-*.t t/71-*.t)
TESTS = $(wildcard $(if $(TSAN),$(THREADED),$(if $(SHORT),t/1*.t t/3*.t,\
	t/*.t)))

$(BUILD)/atomics.so: $(BUILD)/t/tsan/atomics.o
	$(CC) -shared $(SANITIZE) $(LDFLAGS) -o $@ $^

# A second make: the first may have found no apxs and no pkg-config.
check:
	@sh conf/packages check
	@$(MAKE) --no-print-directory prove

prove: $(MODULE) $(COMMAND) lua $(TESTMOD) $(UNITS) \
	$(if $(TSAN),$(ATOMICS),fuzzers $(BUILD)/canary)
	$(if $(and $(VALGRIND),$(UNITS)),@$(TEST_ENV) prove -e '$(VALGRIND_RUN)' $(UNITS))
	@$(TEST_ENV) prove --timer $(UNITS) $(TESTS)

# What takes longer than a check should.
security-long:
	@$(MAKE) --no-print-directory BUILD=build-long \
	    CFLAGS='-O2 -g -DEACH=20000' build-long/test_id
	build-long/test_id

# What is missing on this machine for make, make demo and make check.
deps:
	@sh conf/packages check

# The README's commands on a bare Debian; needs root and debootstrap.
#   SUITES="bookworm trixie"   SHORT=1  each command once, as root
#   RUN='make torture SERVER=valkey-server'  this there instead
fresh:
	@SHORT=$(SHORT) sh t/fresh $(SUITES)

demo:
	@sh conf/packages demo
	@$(MAKE) --no-print-directory all
	@sh conf/demo/demo start

demo-stop:
	@sh conf/demo/demo stop

# Every fault at length, under every MPM: about an hour.
faults: $(MODULE) $(COMMAND) lua $(TESTMOD)
	@sh conf/packages check
	@for mpm in event worker prefork; do \
	    echo "== $$mpm"; \
	    $(TEST_ENV) DRS_MPM=$$mpm DRS_LONG=1 \
	        prove --timer $(wildcard t/5*-faults.t) || exit 1; \
	done

bench:
	@sh conf/packages check
	@$(MAKE) --no-print-directory run-bench

run-bench: $(MODULE) $(BUILD)/bench_verbs
	@$(TEST_ENV) bench/run

$(BUILD)/bench_verbs: $(BUILD)/bench/verbs.o $(ENGINE)
	$(CC) $(SANITIZE) $(LDFLAGS) -o $@ $^ $(SYSTEM_LIBS)

# Graceful restarts and restarts of Redis under load; t/soak says how many.
soak:
	@sh conf/packages check
	@$(MAKE) --no-print-directory run-soak

run-soak: $(MODULE) lua $(TESTMOD)
	@$(TEST_ENV) t/soak

# A configuration that is there is the administrator's.
install: all install-lua
	install -d $(DESTDIR)$(MODULE_DIR) $(DESTDIR)$(INCLUDEDIR) \
	    $(DESTDIR)$(BINDIR) $(DESTDIR)$(MANDIR)/man1
	install -m 644 $(MODULE) $(DESTDIR)$(MODULE_DIR)/
	install -m 755 $(COMMAND) $(DESTDIR)$(BINDIR)/
	install -m 644 docs/drsession.1 $(DESTDIR)$(MANDIR)/man1/
	install -m 644 include/mod_drsession.h $(DESTDIR)$(INCLUDEDIR)/
	if [ -d $(MODS) ]; then \
	    install -d $(DESTDIR)$(MODS); \
	    install -m 644 conf/drsession.load $(DESTDIR)$(MODS)/; \
	    [ -e $(DESTDIR)$(MODS)/drsession.conf ] || \
	        install -m 644 conf/drsession.conf $(DESTDIR)$(MODS)/; \
	fi

install-lua: lua
	$(if $(and $(LUA),$(LUA_PC)),install -d $(DESTDIR)$(LUA_DIR) && \
	    install -m 644 $(LUA_MODULE) $(DESTDIR)$(LUA_DIR)/)

clean:
	rm -rf build build-clang build-cov build-fuzz build-long build-san build-tsan

.PHONY: all lua check prove faults security-long soak run-soak demo demo-stop \
	bench run-bench install install-lua deps fresh clean
.SECONDARY:

-include $(shell find $(BUILD) -type f -name '*.d' 2>/dev/null)
