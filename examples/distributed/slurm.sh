#!/usr/bin/env bash
# Trains one run on several nodes: sbatch slurm.sh DATA RUN [OPTION ...]
# Not run on a cluster yet. Submit it again with --resume after a node has failed.
#SBATCH --job-name=keras-din
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --kill-on-bad-exit=1
set -eu
port=4000
workers=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | sed "s/\$/:$port/" | paste -sd, -)
export workers
# SLURM_PROCID is the number of the task, in the order of the nodes.
srun bash -c 'python -m keras_din train "$@" --workers "$workers" --index "$SLURM_PROCID"' train "$@"
