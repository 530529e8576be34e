# SPDX-License-Identifier: MIT
# Where httpd and the libraries are. Asked when needed, so that `make demo`
# starts on a machine that has none of them yet.

APXS ?= apxs
PKG_CONFIG ?= pkg-config
LIBS_NEEDED = hiredis jansson apr-1 apr-util-1

HTTPD_INCLUDE = $(shell $(APXS) -q INCLUDEDIR)
MODULE_DIR = $(shell $(APXS) -q LIBEXECDIR)
SYSTEM_INCLUDES = -isystem $(HTTPD_INCLUDE) \
	$(patsubst -I%,-isystem %,$(shell $(PKG_CONFIG) --cflags $(LIBS_NEEDED)))
SYSTEM_LIBS = $(shell $(PKG_CONFIG) --libs $(LIBS_NEEDED)) -lpthread
