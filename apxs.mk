# SPDX-License-Identifier: MIT
# Where httpd and the libraries are. Asked once, and only when something is
# built: `make demo` starts on a machine that has none of them yet.

APXS ?= apxs
PKG_CONFIG ?= pkg-config
LIBS_NEEDED = hiredis jansson apr-1 apr-util-1

# A variable that replaces itself by its value when it is first used.
ask = $(eval $(1) := $(shell $(2)))$($(1))

HTTPD_INCLUDE = $(call ask,HTTPD_INCLUDE,$(APXS) -q INCLUDEDIR)
BINDIR = $(call ask,BINDIR,$(APXS) -q BINDIR)
MANDIR = $(call ask,MANDIR,$(APXS) -q MANDIR)
MODULE_DIR = $(call ask,MODULE_DIR,$(APXS) -q LIBEXECDIR)
LIBS_CFLAGS = $(call ask,LIBS_CFLAGS,$(PKG_CONFIG) --cflags $(LIBS_NEEDED))
LIBS_LINK = $(call ask,LIBS_LINK,$(PKG_CONFIG) --libs $(LIBS_NEEDED))

SYSTEM_INCLUDES = -isystem $(HTTPD_INCLUDE) \
	$(patsubst -I%,-isystem %,$(LIBS_CFLAGS))
SYSTEM_LIBS = $(LIBS_LINK) -lpthread

# The Lua face is linked to the very library that mod_lua is linked to: two
# Luas in one process do not know each other's tables. LUA is "5.3" for
# liblua5.3.so.0, empty without mod_lua; LUA_PC is its name for pkg-config.
LUA = $(call ask,LUA,readelf -d $(MODULE_DIR)/mod_lua.so 2>/dev/null | \
	sed -n 's/.*NEEDED.*\[liblua-\{0$(comma)1\}\(5\.[34]\).*/\1/p')
LUA_PC = $(call ask,LUA_PC,for name in lua$(LUA) lua-$(LUA) lua; do \
	$(PKG_CONFIG) --modversion $$name 2>/dev/null | \
	grep -q '^$(LUA)\.' && echo $$name && break; done)
LUA_CFLAGS = $(call ask,LUA_CFLAGS,$(PKG_CONFIG) --cflags $(LUA_PC))
LUA_LINK = $(call ask,LUA_LINK,$(PKG_CONFIG) --libs $(LUA_PC) apr-1)
LUA_DIR = $(call ask,LUA_DIR,dir=$$($(PKG_CONFIG) --variable=INSTALL_CMOD \
	$(LUA_PC)); echo "$${dir:-/usr/local/lib/lua/$(LUA)}")
comma = ,

# Say what is missing rather than let the compiler guess.
tools:
	@command -v $(APXS) >/dev/null || { echo "$(APXS) is missing:" \
	    "run 'sh conf/packages build' or set APXS=..." >&2; exit 1; }
	@command -v $(PKG_CONFIG) >/dev/null || { echo "$(PKG_CONFIG) is" \
	    "missing: run 'sh conf/packages build'" >&2; exit 1; }
	@$(PKG_CONFIG) --print-errors --exists $(LIBS_NEEDED) || { \
	    echo "run 'sh conf/packages build'" >&2; exit 1; }

.PHONY: tools
