from __future__ import annotations

import pytest

from dgmld_bench.errors import UsageError
from dgmld_bench.landmarks import CEPHALOMETRIC, CEREBELLUM, get_landmark_set


def test_names_and_order() -> None:
    assert " ".join(CEREBELLUM.names) == "TCD1 TCD2 HDV1 HDV2 ADV1 ADV2"
    assert len(CEPHALOMETRIC) == len(set(CEPHALOMETRIC.names)) == 19
    assert CEPHALOMETRIC.index("gonion") == 9 and CEPHALOMETRIC.names[-1] == "articulare"
    assert CEPHALOMETRIC.titles[4] == "subspinale (A point)"


def test_biometrics_cover_every_landmark_once() -> None:
    assert sorted(i for pair in CEREBELLUM.biometric_indices() for i in pair) == list(range(6))


def test_unknown_names() -> None:
    with pytest.raises(UsageError, match="landmark 'TCD3'"):
        CEREBELLUM.index("TCD3")
    with pytest.raises(UsageError, match="did you mean 'cerebellum'"):
        get_landmark_set("cerebelum")
