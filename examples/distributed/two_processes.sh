#!/usr/bin/env bash
# Trains one run by two processes on this machine: two_processes.sh DATA RUN [OPTION ...]
# DATA is a folder that `keras-din prepare` wrote, and an option is one of `keras-din train`.
set -eu
free_port() {
    python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
workers="127.0.0.1:$(free_port),127.0.0.1:$(free_port)"
python -m keras_din train "$@" --workers "$workers" --index 1 --quiet &
second=$!
trap 'kill "$second" 2>/dev/null || true' EXIT
python -m keras_din train "$@" --workers "$workers" --index 0
wait "$second"
