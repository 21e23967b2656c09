# What this repository can do; every command sets up what it needs. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
bin := .venv/bin
export OPENBLAS_NUM_THREADS ?= 1

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 24

demo: .venv/ready ## hear a word in a telephone announcement, see a flower in a photo (pictures in demo-output/)
	@$(bin)/sweepnet demo $(DEMO_FLAGS)

test: .venv/ready ## every test
	@$(bin)/pytest -n auto --dist worksteal $(TEST_FLAGS)

lint: .venv/ready ## style and format
	@$(bin)/ruff check . && $(bin)/ruff format --check .

types: .venv/ready ## strict types
	@$(bin)/mypy

contract: .venv/ready ## the protos: style, and nothing broken since the last release (buf)
	@$(bin)/python scripts/check_contract.py

peers: .peers/venv/ready ## the core's layers against PyTorch, forward and backward
	@.peers/venv/bin/pytest -q benchmarks

peers-triton: .peers/triton/ready ## the server called by Triton's own client
	@$(bin)/pytest -q tests/service/test_service_standard.py

peers-keyword: .peers/keyword/ready ## wake words beside Porcupine, openWakeWord and PocketSphinx; hours at first, then free; last line JSON
	@.peers/keyword/bin/sweepnet bench $${SWEEPNET_DATA:-../shared/data} --speech-split all \
		--word alexa --word computer --word jarvis --word snowboy \
		--engine benchmarks/keyword_peers/porcupine.py:Porcupine \
		--engine benchmarks/keyword_peers/open_wake_word.py:OpenWakeWordEngine \
		--engine benchmarks/keyword_peers/sphinx.py:PocketSphinx $(KEYWORD_FLAGS)

bench-core: .peers/venv/ready ## speed and memory of layers and networks against PyTorch and ONNX Runtime; last line JSON
	@.peers/venv/bin/python benchmarks/core.py $(CORE_FLAGS)

bench-sweep: .peers/venv/ready ## what sweeping saves: dense scans against windows, live hops against peers; last line JSON
	@.peers/venv/bin/python benchmarks/sweep.py $(SWEEP_FLAGS)

bench-image: .peers/venv/ready ## pictures to boxes beside PyTorch and ONNX Runtime on one and two threads; every place at once beside each cut out; tiles beside SAHI's slices; last line JSON
	@.peers/venv/bin/python benchmarks/image.py

bench-image-lessons: .venv/ready ## flowers with each species left out in turn; other objects with and without the flower detector's weights to begin with; three hours the first time
	@$(bin)/python benchmarks/image_lessons species $(SPECIES_FLAGS)
	@$(bin)/python benchmarks/image_lessons start $(START_FLAGS)

bench-train: .peers/venv/ready ## speed of whole training steps against PyTorch, on one thread and on two; last line JSON
	@.peers/venv/bin/python benchmarks/training.py

bench-load: .venv/ready ## live streams that a server holds beside a bare echo server, memory a stream, overload; about 20 minutes; last line JSON
	@$(bin)/python benchmarks/load $(LOAD_FLAGS)

bench-promotion: .venv/ready ## latency of live streams while versions of their detector are promoted; two minutes; last line JSON
	@$(bin)/python benchmarks/load/promotion.py $(PROMOTION_FLAGS)

fuzz: .venv/ready ## 100,000 spoilt messages over the wire: no crash, no hang, no leak; last line JSON
	@$(bin)/python benchmarks/load/fuzz.py $(FUZZ_FLAGS)

soak: .venv/ready ## an hour of mixed use with flat memory; last line JSON
	@$(bin)/python benchmarks/load/soak.py $(SOAK_FLAGS)

bench-prompts: .venv/ready ## the spotter on every English prompt of a telephone system; last line JSON
	@$(bin)/python benchmarks/prompts.py

bench-extents: .venv/ready ## how far the words told lie from the true ones; last line JSON
	@$(bin)/python benchmarks/extents.py

bench-phones: .venv/ready ## phone errors of the spotter's trunk on unheard readers; last line JSON
	@$(bin)/python benchmarks/phones.py

bench-personal: .venv/ready ## what spotters of eight recordings told of themselves beside what came; last line JSON
	@$(bin)/python benchmarks/personal.py $(PERSONAL_FLAGS)

bench-keyword-folds: .venv/ready ## words in voices never heard: five detectors by speaker folds; many hours the first time (two trunks and three networks a fold); last line JSON
	@$(bin)/python benchmarks/keyword_folds $(FOLDS_FLAGS)

bench-keyword-welcome: .venv/ready ## every recording of "welcome" by detectors that never heard its voice; an hour beside the trunks the first time; last line JSON
	@$(bin)/python benchmarks/keyword_welcome $(WELCOME_FLAGS)

examples: .venv/ready ## every small experiment, its figures and its picture, in examples-output/; about an hour
	@for name in digits filters sentences video activations depth augmentations weak_labels weak_words poses; do \
		echo "examples/$$name.py"; $(bin)/python examples/$$name.py $(EXAMPLE_FLAGS) || exit 1; done

setup: .venv/ready ## the environment .venv alone

.venv/ready: requirements.lock pyproject.toml scripts/setup
	@bash scripts/setup

.peers/venv/ready: .venv/ready scripts/setup-peers
	@bash scripts/setup-peers

.peers/triton/ready: .venv/ready scripts/setup-triton
	@bash scripts/setup-triton

.peers/keyword/ready: .venv/ready scripts/setup-peers-keyword
	@bash scripts/setup-peers-keyword

.PHONY: bench-image-lessons bench-load fuzz soak help demo examples test lint types peers peers-keyword bench-core bench-sweep bench-image bench-train bench-prompts bench-extents bench-phones bench-personal bench-keyword-folds bench-keyword-welcome setup contract peers-triton
