# The front door. Meson and ninja do the building, tools/ does the rest.

PREFIX ?= /usr/local
DESTDIR ?=
TIME ?= 60

PLATFORM := linux-x86_64
PLATFORMS := linux-x86_64 linux-aarch64 linux-armv7 linux-riscv64

HOST := build/host
AGENTS := $(PLATFORMS:%=build/agents/%)

# Runs a command that is of interest only when it fails.
quietly = log=build/$(subst /,-,$@).log; $(1) >$$log 2>&1 || { cat $$log; exit 1; }; rm $$log

# What was built knows where it stands: after a move or a copy of the tree it is of no use.
ifneq ($(shell cat build/.where 2>/dev/null || echo '$(CURDIR)'),$(CURDIR))
$(info build/ was made in another place: starting anew)
$(shell rm -rf build)
endif

.PHONY: all demo check bench install uninstall clean distclean agents format lint fuzz help host need
.PHONY: $(AGENTS)

all: host build/agents/$(PLATFORM)

help:
	@echo 'make            build the command, the library and the agent of $(PLATFORM)'
	@echo 'make demo       build, then show what it does; installs what is missing'
	@echo 'make check      build, lint, test, fuzz for a moment; installs what is missing'
	@echo 'make bench      build and run the benchmarks; installs what is missing'
	@echo 'make install    install under PREFIX=$(PREFIX), below DESTDIR if given'
	@echo 'make uninstall  remove from there what install put there'
	@echo 'make agents     build the agents of $(PLATFORMS)'
	@echo 'make format     rewrite the C sources in the style of .clang-format'
	@echo 'make lint       layers, headers, documents, format, clang-tidy, cppcheck'
	@echo 'make fuzz       run one fuzzer: make fuzz FUZZ=frame TIME=60'
	@echo 'make clean      remove what was built, keep the tools that were fetched'
	@echo 'make distclean  remove build/ altogether'

# Says what is missing and which command installs it; installs nothing.
need:
	@tools/setup --need build

$(HOST)/build.ninja: | need
	@mkdir -p build && echo '$(CURDIR)' >build/.where
	@echo 'configuring $(HOST)'
	@$(call quietly,meson setup $(HOST) --prefix=/ -Dpkgconfig.relocatable=true)

host: $(HOST)/build.ninja | need
	@$(call quietly,ninja -C $(HOST) --quiet)
	@tools/link-outputs $(HOST) build

build/tools/zig.ini: | need
	@printf "[constants]\nzig = '%s'\n" '$(CURDIR)/tools/zig' >$@

# One Meson build directory for each platform of the agent.
build/agent-%/build.ninja: tools/cross/%.ini tools/cross/zig.ini | build/tools/zig.ini need
	@rm -rf build/agent-$*
	@echo 'configuring build/agent-$*'
	@$(call quietly,meson setup build/agent-$* -Dagent_only=true \
		--cross-file build/tools/zig.ini --cross-file tools/cross/$*.ini \
		--cross-file tools/cross/zig.ini)

$(AGENTS): build/agents/%: build/agent-%/build.ninja | need
	@$(call quietly,ninja -C build/agent-$* --quiet)
	@mkdir -p build/agents
	@ln -f build/agent-$*/src/agent $@
	@test $@.gz -nt $@ || { zopfli -c $@ >$@.gz.new && mv $@.gz.new $@.gz; }

agents: $(AGENTS)

demo:
	@tools/setup build
	@$(MAKE) --no-print-directory all
	@tools/demo

check:
	@tools/setup check
	@tools/check

bench:
	@tools/setup bench
	@$(MAKE) --no-print-directory all
	@ninja -C $(HOST) --quiet bench
	@bench/run.py $(HOST)

# As root in somebody else's tree it installs what they have built, and leaves them nothing of root's.
install:
	@if [ "$$(id -u)" = 0 ] && [ ! -O . ] && [ -e build/mitogen ]; then :; \
		else $(MAKE) --no-print-directory all; fi
	@install -d '$(DESTDIR)$(PREFIX)/lib/mitogen/agents'
	@$(call quietly,DESTDIR="$$(realpath '$(DESTDIR)$(PREFIX)')" meson install -C $(HOST) --no-rebuild)
	@rm -f $(HOST)/meson-logs/install-log.txt
	@install -m 755 $$(ls $(AGENTS) 2>/dev/null) '$(DESTDIR)$(PREFIX)/lib/mitogen/agents'
	@install -m 644 $$(ls $(AGENTS:=.gz) 2>/dev/null) '$(DESTDIR)$(PREFIX)/lib/mitogen/agents'
	@if [ "$$(id -u)" = 0 ] && [ -z '$(DESTDIR)' ]; then ldconfig; fi
	@echo 'installed under $(DESTDIR)$(PREFIX)'

uninstall:
	@cd '$(DESTDIR)$(PREFIX)' && rm -f bin/mitogen lib/libmitogen.a lib/libmitogen.so* \
		lib/pkgconfig/mitogen.pc share/man/man1/mitogen.1 share/man/man1/mitogen-*.1 && \
		rm -rf include/mitogen lib/mitogen
	@if [ "$$(id -u)" = 0 ] && [ -z '$(DESTDIR)' ]; then ldconfig; fi
	@echo 'removed from $(DESTDIR)$(PREFIX)'

format:
	@tools/check-format --fix

lint:
	@tools/setup check
	@tools/check lint

fuzz:
	@tools/setup check
	@tools/fuzz --time $(TIME) $(FUZZ)

clean:
	@if [ -d build ]; then find build -mindepth 1 -maxdepth 1 ! -name tools ! -name .where -exec rm -rf {} +; fi

distclean:
	rm -rf build
