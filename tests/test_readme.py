"""The README's example runs as it stands."""

import re
from pathlib import Path

from dgmld_bench.sources import get_source

README = Path(__file__).parents[1] / "README.md"


def test_the_example_scores_a_model(tmp_path, monkeypatch, capsys):
    get_source("phantom").generate(tmp_path / "data", size="small")
    monkeypatch.setenv("DGMLD_BENCH_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(example.splitlines()) <= 16
    exec(example, {})
    assert 5 < float(capsys.readouterr().out) < 200
    assert (tmp_path / "preds.json").is_file()


def test_every_file_that_the_readme_names_is_there():
    text = README.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)]+)\)", text) + re.findall(r"python (baselines/\S+\.py)", text):
        assert (README.parent / target).is_file(), target
