# SPDX-License-Identifier: MIT
# make, make check, make install, make demo: no configure step.
#   WERROR=1  warnings are errors
#   SAN=1     address and undefined sanitizers, in a build folder of their own
include apxs.mk

CC ?= cc
BUILD = build$(if $(SAN),-san)
DESTDIR ?=

WARN = -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes \
	-Wmissing-prototypes -Wwrite-strings -Wpointer-arith -Wcast-qual \
	-Wundef -Wvla -Wformat=2 -Wdeclaration-after-statement \
	$(if $(WERROR),-Werror)
SANITIZERS = -fsanitize=address,undefined -fno-omit-frame-pointer
SANITIZE = $(if $(SAN),$(SANITIZERS))
CFLAGS ?= -O2 -g
ALL_CFLAGS = -std=c99 -D_GNU_SOURCE -fPIC -pthread -fvisibility=hidden \
	$(WARN) $(CFLAGS) $(SANITIZE) -MMD -MP \
	-Iinclude -Isrc/engine -Isrc/faces $(SYSTEM_INCLUDES)

ENGINE = $(patsubst %.c,$(BUILD)/%.o,$(wildcard src/engine/*.c))
FACES = $(patsubst %.c,$(BUILD)/%.o,$(wildcard src/faces/*.c))
UNITS = $(patsubst t/unit/%.c,$(BUILD)/%,$(wildcard t/unit/test_*.c))
MODULE = $(BUILD)/mod_drsession.so
TESTMOD = $(BUILD)/mod_drstest.so

all: $(MODULE)

$(MODULE): $(BUILD)/mod_drsession.o $(FACES) $(ENGINE)
	$(CC) -shared $(SANITIZE) $(LDFLAGS) -o $@ $^ $(SYSTEM_LIBS)

$(TESTMOD): $(BUILD)/t/mods/mod_drstest.o
	$(CC) -shared $(SANITIZE) $(LDFLAGS) -o $@ $^

$(BUILD)/test_%: $(BUILD)/t/unit/test_%.o $(ENGINE)
	$(CC) $(SANITIZE) $(LDFLAGS) -o $@ $^ $(SYSTEM_LIBS) -lcmocka

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

TEST_ENV = DRS_BUILD=$(CURDIR)/$(BUILD) DRS_MODULE=$(CURDIR)/$(MODULE) \
	DRS_TESTMOD=$(CURDIR)/$(TESTMOD) \
	$(if $(SAN),DRS_PRELOAD=$$($(CC) -print-file-name=libasan.so) \
	ASAN_OPTIONS=detect_leaks=0)
TESTS = $(wildcard t/*.t)

# A second make: the first may have found no apxs and no pkg-config.
check:
	@sh conf/packages check
	@$(MAKE) --no-print-directory prove

prove: $(MODULE) $(TESTMOD) $(UNITS)
	$(TEST_ENV) prove --timer $(UNITS) $(TESTS)

demo:
	@sh conf/packages demo
	@$(MAKE) --no-print-directory all
	@sh conf/demo/demo start

demo-stop:
	@sh conf/demo/demo stop

bench: $(MODULE)
	sh bench/run

install: $(MODULE)
	install -d $(DESTDIR)$(MODULE_DIR) $(DESTDIR)$(HTTPD_INCLUDE)
	install -m 644 $(MODULE) $(DESTDIR)$(MODULE_DIR)/
	install -m 644 include/mod_drsession.h $(DESTDIR)$(HTTPD_INCLUDE)/
	if [ -d /etc/apache2/mods-available ]; then \
	    install -d $(DESTDIR)/etc/apache2/mods-available; \
	    install -m 644 conf/drsession.load conf/drsession.conf \
	        $(DESTDIR)/etc/apache2/mods-available/; \
	fi

clean:
	rm -rf build build-san

.PHONY: all check prove demo demo-stop bench install clean
.SECONDARY:

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
