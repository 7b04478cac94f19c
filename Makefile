# A newcomer needs `make run` and `make test`; the rest is for developers.
PYTHON ?= python3
BIN := .venv/bin
# The order of the tests, and the examples of those of properties: the same each time, or what a change did not do could
# fail it. Others are looked for by `make test SEED=$RANDOM`.
SEED ?= 1

.PHONY: run test install check format bench faults fuzz soak upgrade docs pins sbom audit conform clean

install: .venv/installed

.venv/installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --editable ".[dev]"
	# what pip would compile on one processor; files that are none of this Python's are told of, and fail nothing
	-$(BIN)/python -m compileall -q -q -j 0 -x '/tests?/' .venv/lib
	# pytest compiles modules of tests itself
	$(BIN)/python -m compileall -q -j 0 --invalidation-mode checked-hash -x '/(test_[^/]*|conftest)\.py$$' \
	  healix_fhir dicomweb smart_auth conformance migrations tests
	touch $@

run: install  ## the server with demo data
	$(BIN)/healix serve --data-dir data --demo

test: install  ## every test
	tests/system-packages
	# three on two processors, which two leave idle for a quarter of the time: tests wait for servers, peers and browsers
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder -m "not bench and not long" \
	  --randomly-seed=$(SEED) --hypothesis-seed=$(SEED)

check: install  ## style, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: install  ## figures and ratios; needs a quiet machine
	$(BIN)/python -m pytest tests/bench -m bench -s -p no:randomly

faults: install  ## faults under load: make faults RUNS=1000
	HEALIX_FAULT_RUNS=$(or $(RUNS),100) $(BIN)/python -m pytest tests/faults -m faults -s -p no:randomly

fuzz: install  ## requests, sequences, conversations and objects made up: make fuzz CASES=100000
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "schemathesis>=4.32"
	HEALIX_EXAMPLES_TIMES=20 $(BIN)/python -m pytest tests/property -p no:randomly -o timeout=7200
	HEALIX_FUZZ_CASES=$(or $(CASES),10000) $(BIN)/python -m pytest tests/fuzz tests/integration/dimse/test_fuzz.py \
	  tests/integration/dimse/test_fuzz_services.py tests/integration/dicomweb_api/test_mutations.py -s -p no:randomly

soak: install  ## mixed load of sixteen clients: make soak MINUTES=30
	HEALIX_SOAK_MINUTES=$(or $(MINUTES),30) $(BIN)/python -m pytest tests/soak -s -p no:randomly

upgrade: install  ## an earlier version on this schema, and nodes replaced one by one: make upgrade PREVIOUS=v0.1.0
	tests/upgrade/check-out $(PREVIOUS) build/previous
	HEALIX_PREVIOUS=build/previous $(BIN)/python -m pytest tests/upgrade -s -p no:randomly
	git worktree remove --force build/previous

docs: install  ## the generated pages
	$(BIN)/python -m conformance.matrix
	$(BIN)/python -m conformance.smart.page
	$(BIN)/python -m conformance.imaging.page
	$(BIN)/python -m healix_fhir.server.features
	$(BIN)/python -m healix_fhir.server.statement

pins: build/tools  ## deploy/requirements.txt: what the image is built from, with hashes
	build/tools/bin/pip-compile --quiet --upgrade --generate-hashes --strip-extras --no-annotate --no-header \
	  --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --extra otel --extra parquet \
	  --output-file deploy/requirements.txt pyproject.toml

sbom: build/tools  ## dist/healix.cdx.json: the bill of materials (CycloneDX) of what is pinned
	mkdir -p dist
	build/tools/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible \
	  --output-file dist/healix.cdx.json deploy/requirements.txt

audit: build/tools  ## known vulnerabilities of what is pinned; asks the advisories' service, so not offline
	build/tools/bin/pip-audit --strict --disable-pip --require-hashes --requirement deploy/requirements.txt

build/tools:
	$(PYTHON) -m venv build/tools
	build/tools/bin/pip install --quiet pip-tools cyclonedx-bom pip-audit

conform: install  ## black-box checks: make conform BASE=http://… TOKEN=…
	$(BIN)/python -m conformance --base $(BASE) --token $(TOKEN)

clean:
	rm -rf .venv build dist
