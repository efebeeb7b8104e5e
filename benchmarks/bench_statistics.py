"""What intervals and tie groups keep of their promise: boards drawn at random, beside the rule of protocol 1.

Errors are about 2 mm and lognormal. Cases differ by 35 %, for all methods alike; a method's cases by 15 % beyond that,
and a training's predictions by 20 %, about as on the board; landmarks go together. *Skewed* errors differ by 50, 35 and
60 %, and a method misses one case in thirty-three: five times as far off. Prints the table of ``docs/protocol.md``,
always from the same boards.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dgmld_bench.scoring.ranking import rank_methods
from dgmld_bench.scoring.statistics import ALPHA, average_interval, holm
from dgmld_bench.text import table_head, table_row

Array = NDArray[np.float64]

MEAN_MM, APART_MM = 2.0, (0.3, 0.5)
N_METHODS, N_BOARDS, N_APART, N_OLD = 20, 400, 150, 60
"""Methods of a board, boards of equal methods, with one better than the others, and with the rule of protocol 1."""
N_FEW = (5, 10)
"""Methods of smaller boards, tried in a few lines."""
N_INTERVALS = 4
"""Of how many methods of a board the intervals are tried."""
N_RESAMPLES = 500
N_CASES = (13, 55, 120)
SPREADS: dict[str, Array] = {
    "0 %": np.zeros(N_METHODS),
    "4 %": np.full(N_METHODS, 0.04),
    "10 %": np.full(N_METHODS, 0.10),
    "3 or 20 %": np.where(np.arange(N_METHODS) % 2, 0.20, 0.03),
}
SCATTER = {"usual": (0.35, 0.15, 0.2), "skewed": (0.5, 0.35, 0.6)}
MISSED, FURTHER = 0.03, 5.0


def draw(rng: np.random.Generator, errors: str, n_seeds: int, n_cases: int, spread: Array) -> tuple[Array, Array]:
    """Return the errors of equal methods, ``(method, seed, case, 1)``, and each training's expected error."""

    def varied(sigma: float, *shape: int) -> Array:
        return rng.lognormal(-(sigma**2) / 2, sigma, shape)  # of mean 1

    of_case, of_method, of_run = SCATTER[errors]
    value = varied(of_case, n_cases) * varied(of_method, len(spread), 1, n_cases)
    if errors == "skewed":
        missed = rng.random((len(spread), 1, n_cases)) < MISSED
        value *= np.where(missed, FURTHER, 1.0) / (1 + MISSED * (FURTHER - 1))
    trainings = MEAN_MM * np.maximum(1 + spread[:, None] * rng.standard_normal((len(spread), n_seeds)), 0.1)
    value = value * varied(of_run, len(spread), n_seeds, n_cases) * trainings[:, :, None]
    return value[..., None], trainings


def groups_of_protocol_1(table: Array, resampled: Array) -> Sequence[int]:
    """Return tie groups by the first rule: percentile bootstrap and Wilcoxon's test against the first of each group."""
    from scipy.stats import wilcoxon

    means = table.mean(axis=1)  # (method, case)
    order = np.argsort(means.mean(axis=1))
    group = np.zeros(len(table), dtype=int)
    while not group.all():
        first, *others = (m for m in order if not group[m])
        group[first] = number = group.max() + 1
        if others:
            p = holm(wilcoxon(means[others] - means[first], axis=1).pvalue)
            lowest = np.quantile(resampled[others] - resampled[first], 0.025, axis=1)
            group[np.array(others)[~((p < ALPHA) & (lowest > 0))]] = number
    return group.tolist()


def _resampled(table: Array, rng: np.random.Generator) -> Array:
    """Return each method's Average, ``(method, resample)``, with cases drawn anew for all and seeds for each."""
    n, n_seeds, n_cases = table.shape
    cases = rng.multinomial(n_cases, np.full(n_cases, 1 / n_cases), N_RESAMPLES) / n_cases
    seeds = rng.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), (n, N_RESAMPLES)) / n_seeds
    return np.asarray(((table @ cases.T).swapaxes(1, 2) * seeds).sum(axis=2))


def cell(errors: str, n_seeds: int, n_cases: int, spread: str, n_methods: int = N_METHODS) -> list[str]:
    """Return a line of the table."""
    named = f"{errors} {n_seeds} {n_cases} {spread}" + (f" {n_methods}" if n_methods != N_METHODS else "")
    rng = np.random.default_rng(list(named.encode()))

    def groups(values: Array) -> Sequence[int]:
        return rank_methods(list(values)).group.tolist()

    split, split_before, covered, covered_before, found_before = ([] for _ in range(5))
    found: dict[float, list[bool]] = {mm: [] for mm in APART_MM}
    for board in range(N_BOARDS):
        values, trainings = draw(rng, errors, n_seeds, n_cases, SPREADS[spread][:n_methods])
        truth = trainings[:, 0] if n_seeds == 1 else np.full(n_methods, MEAN_MM)
        split.append(max(groups(values)) > 1)
        for method in range(N_INTERVALS):
            low, high = average_interval(values[method]) or (np.nan, np.nan)
            covered.append(low <= truth[method] <= high)
        if board < N_APART:
            for mm in APART_MM:
                first, second, *_ = groups(_better(values, mm))
                found[mm].append(first < second)
        if board < N_OLD:
            resampled = _resampled(values[..., 0], rng)
            split_before.append(max(groups_of_protocol_1(values[..., 0], resampled)) > 1)
            low, high = np.quantile(resampled[:N_INTERVALS], [0.025, 0.975], axis=1)
            covered_before += ((low <= truth[:N_INTERVALS]) & (truth[:N_INTERVALS] <= high)).tolist()
            apart = _better(values, APART_MM[0])[..., 0]
            first, second, *_ = groups_of_protocol_1(apart, _resampled(apart, rng))
            found_before.append(first < second)
    small, large = found.values()
    columns = (split, split_before, small, found_before, large, covered, covered_before)
    return [errors, str(n_methods), str(n_seeds), str(n_cases), spread, *(f"{100 * np.mean(c):.0f}" for c in columns)]


def _better(values: Array, by_mm: float) -> Array:
    """Return errors of which those of the first method are lower, in the mean by ``by_mm``."""
    lower = values.copy()
    lower[0] *= 1 - by_mm / MEAN_MM
    return lower


HEADS = ["errors", "methods", "seeds", "cases", "trainings differ by", "split wrongly", "*before*"]
HEADS += [f"{APART_MM[0]} mm found", "*before*", f"{APART_MM[1]} mm found", "intervals hold", "*before*"]


def main() -> None:
    """Print the table line by line, in percent of boards and of intervals."""
    print("\n".join(table_head(HEADS)))
    for n_seeds, spreads in ((3, tuple(SPREADS)), (2, ("0 %", "10 %")), (1, ("0 %", "10 %"))):
        for errors in SCATTER:
            for n_cases in N_CASES:
                for spread in spreads:
                    print(table_row(cell(errors, n_seeds, n_cases, spread)), flush=True)
    for n_methods in N_FEW:
        for spread in ("4 %", "3 or 20 %"):
            print(table_row(cell("usual", 3, 120, spread, n_methods)), flush=True)


if __name__ == "__main__":
    main()
