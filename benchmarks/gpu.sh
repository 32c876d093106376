#!/usr/bin/env bash
# The two-tower on a GPU: is it right there, and how fast. At most 7 minutes on one H100 or H200.
#
#   benchmarks/gpu.sh [--out FOLDER] [--dry-run] [--tune] [--only STEP ...] [--within SECONDS]
#
# Needs torch (built for CUDA), triton, numpy, pyarrow, safetensors and pytest, no network, and
# nothing of this project but the tree. Prints a line for each step, goes on where one fails, and
# ends with a table; FOLDER gets gpu.json and the full logs. --dry-run: on the CPU, at a thousandth.
set -u
cd "$(dirname "$0")/.."
exec env PYTHONPATH=".:benchmarks${PYTHONPATH:+:$PYTHONPATH}" "${PYTHON:-python3}" benchmarks/gpu_steps.py "$@"
