# SPDX-License-Identifier: MIT
# `make torture`: ten minutes of trouble, and a checker that reads what every
# client was told. SECONDS=60 is the short form; t/torture/run knows more
# words for TORTURE='...'. `make torture-selftest` plants six bugs and shows
# that each is caught.
TORTURE_SECONDS = $(if $(filter environment command,$(firstword \
	$(origin SECONDS))),$(SECONDS),600)

torture torture-selftest:
	@sh conf/packages check
	@$(MAKE) --no-print-directory run-$@

run-torture: $(MODULE) lua $(TESTMOD)
	@$(TEST_ENV) SECONDS=$(TORTURE_SECONDS) t/torture/run

run-torture-selftest: $(MODULE) lua $(TESTMOD)
	@$(TEST_ENV) t/torture/selftest

.PHONY: torture torture-selftest run-torture run-torture-selftest
