.DEFAULT_GOAL := help
BIN := .venv/bin
# A stamp, so that nothing is installed again until the requirements change.
STAMP := .venv/installed

# One thread a process: two test processes on two cores, and the same sums in the same order.
export OMP_NUM_THREADS ?= 1

help: ## list these commands
	@grep -E '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

install: $(STAMP) ## create .venv and install the pinned packages

$(STAMP): pyproject.toml constraints.txt tools/install.sh
	@tools/install.sh
	@touch $@

demo: $(STAMP) ## build what is missing, grade a demo class, print its grades
	@$(BIN)/autograder demo

lab: $(STAMP) ## open the released course in JupyterLab
	@$(BIN)/jupyter lab --notebook-dir=course

test: $(STAMP) ## run everything that CI runs
	@tools/test.sh

build: $(STAMP) ## authors: notebooks from their scripts, executed
	@$(BIN)/autograder build

release: build ## authors: course/ from solutions/
	@$(BIN)/autograder release
	@$(BIN)/autograder lint

bench: $(STAMP) ## measure speed against torch and nbgrader
	@for each in tests/benchmarks/*.py; do echo "== $$each"; $(BIN)/python $$each || exit 1; done

.PHONY: help install demo lab test build release bench
