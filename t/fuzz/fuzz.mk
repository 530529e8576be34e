# SPDX-License-Identifier: MIT
# Fuzz targets. In `make check` gcc builds them with a main() of ours that
# replays t/fuzz/corpus; `make fuzz` is clang's libFuzzer with sanitizers.
#   FUZZ="x y"  these targets only    SECONDS=60  for each
FUZZ_ALL = $(patsubst t/fuzz/fuzz_%.c,%,$(wildcard t/fuzz/fuzz_*.c))
FUZZ ?= $(FUZZ_ALL)
SECONDS ?= 60
FUZZERS = $(FUZZ_ALL:%=$(BUILD)/fuzz_%) $(BUILD)/canary
FUZZ_MAIN = $(BUILD)/t/fuzz/replay.o
FUZZ_LIBS = $(SYSTEM_LIBS) -lm
FUZZ_SANITIZE = -fsanitize=address,undefined,fuzzer-no-link \
	-fno-sanitize-recover=undefined -fno-omit-frame-pointer

$(BUILD)/fuzz_%: $(BUILD)/t/fuzz/fuzz_%.o $(BUILD)/t/fuzz/fuzz.o \
	$(FUZZ_MAIN) $(ENGINE)
	$(CC) $(SANITIZE) $(LDFLAGS) -o $@ $^ $(FUZZ_LIBS)

$(BUILD)/canary: $(BUILD)/t/fuzz/canary.o $(BUILD)/t/fuzz/fuzz.o $(FUZZ_MAIN)
	$(CC) $(SANITIZE) $(LDFLAGS) -o $@ $^ $(FUZZ_LIBS)

# Faces are tried without an httpd around them.
$(BUILD)/fuzz_words: $(BUILD)/t/fuzz/httpd.o $(BUILD)/src/faces/drs_words.o
$(BUILD)/fuzz_header: $(BUILD)/t/fuzz/httpd.o $(BUILD)/src/faces/drs_header.o

# libFuzzer has a main() of its own.
fuzz:
	@$(MAKE) -s --no-print-directory CC=clang BUILD=build-fuzz FUZZ_MAIN= \
	    CFLAGS='-O1 -g' SANITIZE='$(FUZZ_SANITIZE)' \
	    FUZZ_LIBS='-fsanitize=fuzzer $$(SYSTEM_LIBS) -lm' run-fuzz

run-fuzz: $(FUZZ:%=$(BUILD)/fuzz_%)
	@sh t/fuzz/run $(BUILD) $(SECONDS) $(FUZZ)

.PHONY: fuzz run-fuzz
