#!/usr/bin/env bash
# Trains a model by a coordinator, two workers and two parameter servers on this machine:
# parameter_servers.sh DATA MODEL.keras [OPTION ...], with the options of on_servers.py.
set -eu
here=$(dirname "$0")
free_ports() {
    python -c '
import socket
sockets = [socket.socket() for _ in range(5)]
for each in sockets:
    each.bind(("127.0.0.1", 0))
print(*(each.getsockname()[1] for each in sockets))'
}
read -r c w1 w2 s1 s2 <<<"$(free_ports)"
host=127.0.0.1
cluster="{\"chief\": [\"$host:$c\"], \"worker\": [\"$host:$w1\", \"$host:$w2\"], \"ps\": [\"$host:$s1\", \"$host:$s2\"]}"
config() { echo "{\"cluster\": $cluster, \"task\": {\"type\": \"$1\", \"index\": $2}}"; }
processes=()
# Workers and servers run until they are ended.
trap 'kill "${processes[@]}" 2>/dev/null || true' EXIT
for task in worker ps; do
    for index in 0 1; do
        TF_CONFIG=$(config $task $index) python "$here/on_servers.py" "$@" &
        processes+=("$!")
    done
done
TF_CONFIG=$(config chief 0) python "$here/on_servers.py" "$@"
