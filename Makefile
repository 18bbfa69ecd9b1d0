# The commands of this project. `make demo` and `make test` need Python 3.11 or newer and nothing else.

PYTHON ?= python3
# Where pip finds torch. Empty: pip's own index. For the small CPU build on other machines:
#   make demo TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
VIDEO ?=
TORCH := torch==2.13.0

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
INSTALLED := .venv/.installed
INSTALLED_DEV := .venv/.installed-dev

.PHONY: weights demo test lint docs starter dist setup-system clean

demo: weights
	@$(BIN)/python scripts/demo.py $${VIDEO:+"$$VIDEO"}

test: $(INSTALLED_DEV) weights lint docs
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses logical --dist loadgroup

# What is not downloaded here, for want of a network, is on first use.
weights: $(INSTALLED)
	@$(BIN)/avadclip weights get yamnet > /dev/null || true

lint: $(INSTALLED_DEV)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy

docs: $(INSTALLED_DEV)
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# Measure out of fold, train the starter checkpoint again, and write both pages about it; needs the development data in AVADCLIP_DATA.
starter: $(INSTALLED_DEV)
	@$(BIN)/python scripts/train_starter.py

# Wheel and source archive in dist/, checked; the wheel does the demo in a fresh environment outside this folder. The
# last line, and all of stdout, is the version.
dist:
	@rm -rf dist .release && $(PYTHON) -m venv .release
	@.release/bin/python -m pip --disable-pip-version-check --quiet install build twine
	@.release/bin/python -m build --outdir dist . > /dev/null
	@.release/bin/python -m twine check --strict dist/* > /dev/null
	@.release/bin/python -m pip --disable-pip-version-check --quiet install --no-deps dist/*.whl
	@.release/bin/python scripts/check_wheel.py > .release/version
	@set -e; fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT; $(PYTHON) -m venv "$$fresh/venv"; \
		install="$$fresh/venv/bin/python -m pip --disable-pip-version-check --quiet install --constraint constraints.txt"; \
		$$install $(TORCH) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)); \
		$$install "$$(echo dist/*.whl)[demo]"; \
		cd "$$fresh"; env -u PYTHONPATH venv/bin/python "$(CURDIR)/scripts/demo.py" >&2
	@cat .release/version

# Programs that tests marked `system` need.
setup-system:
	@command -v apt-get >/dev/null || { echo "setup-system knows apt only; install ffmpeg by hand"; exit 1; }
	apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium ffmpeg postgresql \
		mosquitto nginx-light python3-gi gir1.2-gst-rtsp-server-1.0 \
		gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly

clean:
	rm -rf .venv .release dist site demo-report

# The stamp of a working .venv: torch first and pinned, so that no later requirement draws another build of it.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed, this is $$($(PYTHON) --version); try: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "Python's venv is missing; install it first: apt-get install python3-venv"; exit 1; }
	@echo "setting up .venv (some minutes the first time)"
	@$(PYTHON) -m venv .venv
	@$(PIP) install --constraint constraints.txt $(TORCH) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
	@$(PIP) install --constraint constraints.txt --editable ".[demo]"
	@touch $@

$(INSTALLED_DEV): $(INSTALLED)
	@$(PIP) install --constraint constraints.txt --editable ".[dev]"
	@touch $@
