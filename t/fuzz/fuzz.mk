# SPDX-License-Identifier: MIT
# Fuzz targets. In `make check` they have a main() of ours that replays
# t/fuzz/corpus; in `make fuzz` it is clang's libFuzzer, with sanitizers.
#   FUZZ="x y"  these targets only    SECONDS=60  for each, or
#   RUNS=10000000  executions, whichever ends first
# `make fuzz-coverage` tells which lines the corpus reaches. `make fuzz-live`
# sends LIVE changed requests to an httpd whose module has the sanitizers;
# DRS_SEED is where its dice begin.
FUZZ_ALL = $(patsubst t/fuzz/fuzz_%.c,%,$(wildcard t/fuzz/fuzz_*.c))
FUZZ_LUA = $(filter lua_%,$(FUZZ_ALL))
FUZZ ?= $(FUZZ_ALL)
SECONDS ?= 60
RUNS ?= -1
LIVE ?= 1000000
FUZZ_MAIN = $(BUILD)/t/fuzz/replay.o
FUZZ_LIBS = $(SYSTEM_LIBS) -lm
FUZZ_SANITIZE = -fsanitize=address,undefined,fuzzer-no-link \
	-fno-sanitize-recover=undefined -fno-omit-frame-pointer

$(BUILD)/fuzz_%: $(BUILD)/t/fuzz/fuzz_%.o $(BUILD)/t/fuzz/fuzz.o \
	$(FUZZ_MAIN) $(ENGINE)
	$(CC) $(SANITIZE) $(LDFLAGS) -o $@ $^ $(FUZZ_LIBS) $(FUZZ_MORE)

$(BUILD)/canary: $(BUILD)/t/fuzz/canary.o $(BUILD)/t/fuzz/fuzz.o $(FUZZ_MAIN)
	$(CC) $(SANITIZE) $(LDFLAGS) -o $@ $^ $(FUZZ_LIBS)

# Faces are tried without an httpd around them.
$(BUILD)/fuzz_words $(BUILD)/fuzz_forward $(BUILD)/fuzz_rest: \
	$(BUILD)/t/fuzz/stage.o
$(BUILD)/fuzz_words: $(BUILD)/src/faces/drs_words.o
$(BUILD)/fuzz_forward: $(BUILD)/src/faces/drs_forward.o
$(BUILD)/fuzz_rest: $(patsubst %,$(BUILD)/src/faces/drs_%.o,rest body outage)

$(FUZZ_LUA:%=$(BUILD)/fuzz_%): $(BUILD)/t/fuzz/lua_same.o \
	$(patsubst %,$(BUILD)/src/lua/drs_lua_%.o,dump load text)
$(FUZZ_LUA:%=$(BUILD)/fuzz_%): FUZZ_MORE = $(LUA_LINK)
$(FUZZ_LUA:%=$(BUILD)/t/fuzz/fuzz_%.o) $(BUILD)/t/fuzz/lua_same.o: \
	ALL_CFLAGS += -Isrc/lua $(patsubst -I%,-isystem %,$(LUA_CFLAGS))

# What talks to a server has a wire without a kernel.
FUZZ_WIRED = socket connect getsockopt close sendmsg recv ppoll \
	clock_gettime nanosleep
$(BUILD)/fuzz_resp_reply: $(BUILD)/t/fuzz/resp.o
FUZZ_ON_WIRE = $(patsubst %,$(BUILD)/fuzz_%,resp_reply resp_dialogue rest)
$(BUILD)/fuzz_resp_dialogue $(BUILD)/fuzz_rest: $(BUILD)/t/fuzz/server.o
$(FUZZ_ON_WIRE): $(BUILD)/t/fuzz/wire.o
$(FUZZ_ON_WIRE): FUZZ_MORE = $(FUZZ_WIRED:%=-Wl,--wrap=%)

# As the Lua face: where its headers are missing all the rest is built.
fuzzers: $(patsubst %,$(BUILD)/fuzz_%,$(filter-out lua_%,$(FUZZ))) tools
	$(if $(and $(LUA),$(LUA_PC),$(filter lua_%,$(FUZZ))),\
	    @$(MAKE) --no-print-directory \
	    $(patsubst %,$(BUILD)/fuzz_%,$(filter lua_%,$(FUZZ))))

# libFuzzer has a main() of its own. APR takes offsets by null pointers, of
# which the sanitizer speaks, where it does not find offsetof().
fuzz:
	@$(MAKE) -s --no-print-directory CC=clang BUILD=build-fuzz FUZZ_MAIN= \
	    CFLAGS='-O1 -g -include stddef.h' \
	    SANITIZE='$(FUZZ_SANITIZE)' \
	    FUZZ_LIBS='-fsanitize=fuzzer $$(SYSTEM_LIBS) -lm' run-fuzz

run-fuzz: fuzzers
	@sh t/fuzz/run $(BUILD) $(SECONDS) $(RUNS) $(FUZZ)

# What the seeds reach, without a fuzzer.
fuzz-coverage:
	@$(MAKE) -s --no-print-directory BUILD=build-cov CFLAGS='-O0 -g' \
	    SANITIZE=--coverage run-fuzz-coverage

run-fuzz-coverage: fuzzers
	@sh t/fuzz/coverage $(BUILD) 90 $(FUZZ_ALL)

fuzz-live:
	@$(MAKE) -s --no-print-directory SAN=1 run-fuzz-live

run-fuzz-live: $(MODULE) $(TESTMOD)
	@$(TEST_ENV) DRS_LIVE=$(LIVE) perl t/41-fuzz.t

.PHONY: fuzz-live run-fuzz-live fuzzers fuzz run-fuzz fuzz-coverage run-fuzz-coverage
