# make demo: from nothing to a trained, explained and verified model.   make test: everything that is checked.
MODEL ?= particlenet
PYTHON ?= python3
VENV ?= .venv

# The models of the template, and the name that each gets in the demo and in the tests
MODELS = particlenet mlpf custom graph
SLUG_particlenet = top_tagger
SLUG_mlpf = particle_flow
SLUG_custom = my_tagger
SLUG_graph = graph_tagger
# Examples to start from: of the shared tests they run those that depend on the model, the others run in the first projects.
EXAMPLES = custom graph
SHARED = card checks explained mlflow_model notebook parity plot report runtime server verify
ifeq ($(SLUG_$(MODEL)),)
$(error MODEL: got '$(MODEL)', expected one of: $(MODELS))
endif

BIN = $(abspath $(VENV))/bin
PROJECT = build/$(SLUG_$(MODEL))
FIGURES = $(PROJECT)/runs/quick/figures.txt
TESTED = build/test
SETTINGS = {{cookiecutter.project_slug}}/pyproject.toml
REQUIREMENTS = $(VENV)/.tests-$(shell cksum < tests/requirements.txt | cut -d' ' -f1)
# Side by side: a process for each core, of one thread each, as threads of several processes wait for each other.
WORKERS ?= --numprocesses logical --maxprocesses 4
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(WORKERS) $(if $(FAST),-m "not slow")

# Bytecode in the template's folder would be copied into every project that is generated from it.
lint template-tests: export PYTHONDONTWRITEBYTECODE = 1
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help demo environment bakes lint test template-tests $(MODELS:%=bake-tests-%) clean

help:
	@echo "make demo             generate a project into build/ and run its quick chain (MODEL=particlenet, mlpf, custom or graph)"
	@echo "make test             lint, the template's tests and the tests of each generated project (FAST=1: without the slow ones)"
	@echo "make lint             ruff in place and mypy on each generated project"
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
	$(BIN)/cookiecutter . --no-input --default-config --output-dir build model=$(MODEL) project_slug=$(SLUG_$(MODEL))

$(VENV)/.cookiecutter:
	@$(PYTHON) -c "import sys; sys.exit(None if sys.version_info >= (3, 11) else 'Python 3.11 or newer is needed: make demo PYTHON=python3.11')"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet "cookiecutter>=2.6"
	@touch $@

# --- the tests ------------------------------------------------------------------------------------------------------

environment: $(REQUIREMENTS) bakes
	@for model in $(MODELS); do \
	  $(MAKE) --no-print-directory -C $(TESTED)/$$model/* peers VENV=$(abspath $(VENV)) || exit 1; done

$(REQUIREMENTS): $(VENV)/.cookiecutter
	$(BIN)/python -m pip install --quiet --requirement tests/requirements.txt
	@rm -f $(VENV)/.tests-*
	@touch $@

bakes: $(VENV)/.cookiecutter
	@rm -rf $(TESTED)
	@$(foreach model,$(MODELS),$(BIN)/cookiecutter . --no-input --default-config --output-dir $(TESTED)/$(model) \
	  model=$(model) project_slug=$(SLUG_$(model)) > /dev/null &&) true

lint: environment
	$(BIN)/ruff check --config "$(SETTINGS)" .
	$(BIN)/ruff format --check --config "$(SETTINGS)" .
	$(BIN)/mypy --config-file "$(SETTINGS)" hooks/pre_gen_project.py
	$(BIN)/mypy --config-file "$(SETTINGS)" hooks/post_gen_project.py
	$(BIN)/mypy --config-file "$(SETTINGS)" --disable-error-code import-untyped tests
	@for model in $(MODELS); do $(MAKE) --no-print-directory -C $(TESTED)/$$model/* lint VENV=$(abspath $(VENV)) || exit 1; done

template-tests: environment
	$(PYTEST) --maxschedchunk 1 tests

$(MODELS:%=bake-tests-%): bake-tests-%: environment
	cd $(TESTED)/$*/$(SLUG_$*) && $(PYTEST) --dist loadfile $(if $(filter $*,$(EXAMPLES)),$(SHARED:%=src/$(SLUG_$*)/tests/test_%.py) src/$(SLUG_$*)/tests/test_$*_*.py)

test: lint template-tests $(MODELS:%=bake-tests-%)

clean:
	rm -rf build $(VENV)
