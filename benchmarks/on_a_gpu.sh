#!/bin/sh
# For a GPU that is at hand for minutes: first what a step takes, then runs of the paper's size on the phantom, in the
# order in which they are wanted. The same command goes on where an interrupted one stopped.
#
#   benchmarks/on_a_gpu.sh [OUT]                        # OUT: runs/paper
#   PRESET=smoke SIZE=small benchmarks/on_a_gpu.sh      # the same on a processor, to see that it works
#
# JOBS: runs at a time on each GPU (2). PYTHON: the interpreter (python).
set -u
cd "$(dirname "$0")/.." || exit 1
out=${1:-runs/paper}
preset=${PRESET:-paper}
python=${PYTHON:-python}
failed=0

cells() { # OUT, and what the sweep is to run
    place=$1
    shift
    "$python" baselines/sweep.py --track phantom --preset "$preset" --jobs-per-device "${JOBS:-2}" --out "$place" "$@" || failed=1
    for run in "$out"/phantom/*-"$preset"; do # what a case takes alone, once for every network
        [ -f "$run/run.json" ] || continue
        grep -q '"inference"' "$run/run.json" ||
            "$python" baselines/predict.py --checkpoint "$run" --split phantom-val --out "$run/timed.json" --time || failed=1
    done
}

mkdir -p "$out" || exit 1
"$python" -m dgmld_bench download phantom --size "${SIZE:-full}" || exit 1
if [ ! -s "$out/benchmark.txt" ]; then
    "$python" -m benchmarks train >"$out/benchmark.part" || exit 1
    mv "$out/benchmark.part" "$out/benchmark.txt"
fi
cat "$out/benchmark.txt"
if command -v nvidia-cuda-mps-control >/dev/null && nvidia-cuda-mps-control -d; then # kernels of several runs overlap
    trap 'echo quit | nvidia-cuda-mps-control' EXIT
fi

paper=bapdg,baseline,segdg,edgedg,augdg
cells "$out" --methods "$paper" --backbones unet --seeds 0
cells "$out" --methods "$paper" --backbones vitpose --seeds 0
cells "$out" --methods "$paper" --backbones unet,vitpose --seeds 0,1,2
cells "$out" --methods synthdg --backbones unet,vitpose --seeds 0,1,2

# whether the numbers that a GPU computes with change the order of methods
cells "$out/fp32" --methods "$paper" --backbones unet --seeds 0,1,2 --precision fp32
"$python" -m benchmarks.precisions "$out/fp32" "$out" || failed=1

echo "To submit what is there:"
for file in "$out"/phantom/*-"$preset"/predictions.json; do
    [ -f "$file" ] && echo "  dgmld-bench submit $file --tag $preset"
done
exit "$failed"
