# make demo: from nothing to a trained, explained and verified model.   make test: everything that is checked.
MODEL ?= particlenet
PYTHON ?= python3
VENV ?= .venv
# A wheel that pip finds by itself comes first (PIP_FIND_LINKS); else this index, which has builds for the CPU.
TORCH ?= torch==2.13.0
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu

# The models of the template, and the name that each gets in the demo and in the tests
MODELS = particlenet mlpf custom graph
SLUG_particlenet = top_tagger
SLUG_mlpf = particle_flow
SLUG_custom = my_tagger
SLUG_graph = graph_tagger
ifeq ($(SLUG_$(MODEL)),)
$(error MODEL: got '$(MODEL)', expected one of: $(MODELS))
endif

BIN = $(abspath $(VENV))/bin
PROJECT = build/$(SLUG_$(MODEL))
FIGURES = $(PROJECT)/runs/quick/figures.txt
TESTED = build/test
# The recipes as packages: where they lie in the template, and as they were generated.
IN_PLACE = build/packages
GENERATED = build/generated
ENVIRONMENT = $(VENV)/.environment-$(shell cksum < pyproject.toml | cut -d' ' -f1)

# What depends on the model, of the library's tests: particlenet runs all of them, the others these.
ON_EVERY_MODEL = $(addprefix tests/fair_hep/,bundle/test_plot.py bundle/test_runtime.py serve/test_server.py \
  describe/test_card.py tracing/test_explained.py export/test_parity.py export/test_verify.py export/test_verify_faces.py \
  project/test_report.py publish/test_mlflow_model.py)
# One room's tests, or one model's: make test ROOM=lrp, make test ROOM=recipes/mlpf
ROOM ?=
# Examples in docstrings run with the tests of what they belong to: what nobody runs goes wrong unseen.
# Side by side: a process for each core, of one thread each, as threads of several processes wait for each other.
WORKERS ?= --numprocesses logical --maxprocesses 4
ALONE = OMP_NUM_THREADS=1 $(BIN)/python -m pytest --durations=10 $(if $(FAST),-m "not slow")
PYTEST = $(ALONE) $(WORKERS)
# Two suites at a time: what one leaves of the cores while it starts, waits and ends, the other takes. Those of one process
# run beside the library's; the template's is last, so that its processes end together.
TOGETHER = $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)
SUITES = library $(if $(FAST),,$(filter-out particlenet,$(MODELS)) images) template

# Bytecode in the template's folder would be copied into every project that is generated from it.
export PYTHONDONTWRITEBYTECODE = 1
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help demo environment bakes docs docs-links lint test room fuzz benchmark $(SUITES:%=test-%) clean

help:
	@echo "make demo             generate a project into build/ and run its quick chain (MODEL=particlenet, mlpf, custom or graph)"
	@echo "make test             lint, and the tests of library, recipes and template (FAST=1: without recipes and the slow ones)"
	@echo "make test ROOM=lrp    the tests of one room of the library, or of one recipe: ROOM=recipes/mlpf"
	@echo "make fuzz SECONDS=600           damaged files, strange answers and requests, as long as you like"
	@echo "make lint             ruff and mypy"
	@echo "make docs             the site, into build/docs (make docs-links asks every address that it names)"
	@echo "make benchmark NAME=explain        one of benchmarks/, which print their figures"
	@echo "make clean            remove build/ and $(VENV)/"

# --- the demo -------------------------------------------------------------------------------------------------------

demo: $(FIGURES)
	@echo
	@echo "$(PROJECT) holds a trained, explained, verified and registered model:"
	@sed 's/^/  /' $(FIGURES)
	@echo
	@echo "Try next:"
	@echo "  make -C $(PROJECT) serve        answer requests on http://127.0.0.1:5001"
	@echo "  ls $(PROJECT)/runs/quick/*/*.png        the pictures"
	@echo "  make -C $(PROJECT) publish      prepare the bundle for an archive"

$(FIGURES): | $(PROJECT)/configs/quick.yaml
	$(MAKE) --no-print-directory -C $(PROJECT) install
	@mkdir -p $(@D)
	$(MAKE) --no-print-directory --silent -C $(PROJECT) quick > $@.part
	@mv $@.part $@

$(PROJECT)/configs/quick.yaml: | $(VENV)/.cookiecutter
	rm -rf $(PROJECT)
	$(BIN)/cookiecutter "$(CURDIR)" --no-input --default-config --output-dir build model=$(MODEL) project_slug=$(SLUG_$(MODEL))

$(VENV)/.cookiecutter:
	@$(PYTHON) -c "import sys; sys.exit(None if sys.version_info >= (3, 11) else 'Python 3.11 or newer is needed: make demo PYTHON=python3.11')"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet "cookiecutter>=2.6"
	@touch $@

# --- the tests ------------------------------------------------------------------------------------------------------

# The library in place; zennit, jetnet and axe without what they ask for, since that would replace torch. pip compiles one
# file after the other, which takes longer than to unpack them: all cores do it at the end, and leave out what is no Python.
environment: $(ENVIRONMENT) bakes

$(ENVIRONMENT): $(VENV)/.cookiecutter
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --no-compile --no-index --no-deps $(TORCH) 2> /dev/null \
	  || $(BIN)/python -m pip install --no-compile --no-deps --index-url $(TORCH_INDEX) $(TORCH)
	$(BIN)/python -m pip install --quiet --no-compile --editable ".[train,simulate,serve,fair,publish]" \
	  --group dev --group docs --group peers
	$(BIN)/python -m pip install --quiet --no-compile --no-deps zennit axe-playwright-python jetnet
	@$(BIN)/python -m compileall -qq -j 0 $$($(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))") || true
	@rm -f $(VENV)/.environment-*
	@touch $@

# Every model's project, as it is generated; its package is installed beside the library that is tested, for its command.
bakes: $(ENVIRONMENT)
	@rm -rf $(TESTED) $(GENERATED) && mkdir -p $(IN_PLACE) $(GENERATED) && ln -sfn ../../tests/support $(IN_PLACE)/support
	@$(foreach model,$(MODELS),$(BIN)/cookiecutter "$(CURDIR)" --no-input --default-config --output-dir $(TESTED)/$(model) \
	  model=$(model) project_slug=$(SLUG_$(model)) > /dev/null \
	  && ln -sfn ../../{{cookiecutter.project_slug}}/recipes/$(model) $(IN_PLACE)/$(SLUG_$(model)) \
	  && ln -sfn ../test/$(model)/$(SLUG_$(model))/src/$(SLUG_$(model)) $(GENERATED)/$(SLUG_$(model)) &&) true
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation \
	  $(foreach model,$(MODELS),--editable $(TESTED)/$(model)/$(SLUG_$(model)))

# The site, into build/docs: what Sphinx warns of is an error.
docs: environment
	$(BIN)/python -m sphinx --fail-on-warning --nitpicky --quiet -d build/docs-read docs build/docs
	@echo "build/docs/index.html"

# Every address that the site names is asked; needs the network.
docs-links: environment
	$(BIN)/python -m sphinx --nitpicky --quiet -b linkcheck -d build/docs-read docs build/docs-links

lint: environment
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy hooks/pre_gen_project.py hooks/post_gen_project.py
	$(BIN)/mypy src/fair_hep $(foreach model,$(MODELS),$(IN_PLACE)/$(SLUG_$(model))) $(IN_PLACE)/support tests/conftest.py \
	  tests/fair_hep tests/recipes tests/template benchmarks src/conftest.py docs/conf.py docs/building

test-library: export FAIR_HEP_RECIPES = $(abspath $(GENERATED))
test-library: environment
	$(PYTEST) --dist worksteal --doctest-modules src/fair_hep tests/fair_hep $(if $(FAST),,tests/recipes/particlenet)

$(filter-out particlenet,$(MODELS:%=test-%)): export FAIR_HEP_RECIPES = $(abspath $(GENERATED))
$(filter-out particlenet,$(MODELS:%=test-%)): test-%: environment
	TEST_MODEL=$* $(ALONE) --doctest-modules $(GENERATED)/$(SLUG_$*) tests/recipes/$* $(ON_EVERY_MODEL)

# One process, since each would make the base of all images anew, and the model that is exported soonest.
test-images: environment
	TEST_MODEL=custom $(ALONE) tests/template/test_image.py

test-template: environment
	$(PYTEST) --maxschedchunk 1 $(if $(FAST),,--ignore tests/template/test_image.py) tests/template

room: environment
	TEST_MODEL=$(or $(patsubst recipes/%,%,$(filter recipes/%,$(ROOM))),particlenet) \
	  $(PYTEST) --dist worksteal $(if $(filter recipes/% template,$(ROOM)),tests/$(ROOM),--doctest-modules src/fair_hep/$(ROOM) tests/fair_hep/$(ROOM))

ifneq ($(ROOM),)
test: room
else
test:
	@begun=$$(date +%s) && $(MAKE) --no-print-directory --jobs 2 $(TOGETHER) lint $(SUITES:%=test-%) && \
	  echo "make test took $$(( $$(date +%s) - begun )) s"
endif

# What fails is left in build/fuzz: it goes into tests/fair_hep/corpus with its mend.
fuzz: environment
	FUZZ_TOTAL=$(or $(SECONDS),600) $(ALONE) -m fuzz -s tests/fair_hep/archives tests/fair_hep/bundle tests/fair_hep/data

# make benchmark NAME=explain OPTIONS="--jets 1000"
benchmark: environment
	PYTHONPATH=tests $(BIN)/python benchmarks/$(NAME).py $(OPTIONS)

clean:
	rm -rf build $(VENV)
