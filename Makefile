# Every recipe is one line; what needs more stands in scripts/.
.DEFAULT_GOAL := help
.PHONY: help tools build dist test lint fuzz drill bench pictures clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

drill: ## a broken release, taken back by the real playbook in an embedded world; PLATFORM=kubernetes; ROLE=resolve_transactions: its own
	@PLATFORM=$(PLATFORM) scripts/drill.sh $(ROLE)

test: ## tools, lints, the static programs, all tests; FULL=1: also what takes long; ONLY=<domain>: the tests of that one
	@FULL=$(FULL) ONLY=$(ONLY) scripts/test.sh

tools: ## install what the tests and the drill need; says what it does, does nothing where all is there
	@scripts/tools.sh

fuzz: ## odd input for what reads texts of others, ten seconds each; FOR=<seconds>
	@scripts/fuzz.sh $(or $(FOR),10)

build: ## the static programs, put where the Ansible roles pick them up; ROLE=<role>: that of one role alone
	@scripts/build.sh $(ROLE)

dist: ## the release below target/dist: programs, roles and playbooks in one archive, the Ansible collection, checksums
	@scripts/dist.sh

lint: ## rustfmt, clippy, cargo-deny, cargo-shear, yamllint, ansible-lint, shellcheck, typos, taplo
	@scripts/lint.sh

bench: ## requests, time and memory of the registry client, beside skopeo; deriving, beside docopt; the playbook, beside one task
	@scripts/bench.sh

pictures: ## the README's pictures, drawn from a real drill
	@scripts/pictures.sh

clean: ## remove what was built and installed inside this folder
	rm -rf target .venv .cache
	@for source in src/bin/*.rs; do name=$$(basename $$source .rs); rm -f "bin/$$name" "roles/$$name/files/$$name"; done
