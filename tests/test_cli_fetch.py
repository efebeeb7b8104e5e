"""``download``, ``verify`` and ``remove`` as a user runs them: another process, a terminal or none, the real client."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dgmld_bench.cli.app import build_app
from dgmld_bench.cli.fetch import _Notes
from dgmld_bench.errors import DataError, DgmldBenchError, UsageError
from dgmld_bench.obtaining.downloading import INCOMING
from dgmld_bench.sources import get_source
from dgmld_bench.sources.atlases import published_files
from dgmld_bench.storage.download import PART
from dgmld_bench.terminal import make_console
from tests import servers
from tests.servers import Hub, Site, serve, serve_hub
from tests.test_downloading import release as release  # a fixture

ROOT = Path(__file__).parents[1]
REAL = os.environ.get("DGMLD_BENCH_REAL_DATA", "")


@pytest.fixture
def hub(release: dict[str, bytes]) -> Iterator[Hub]:
    with serve_hub(Hub(dict(release))) as running:
        yield running


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "dgmld_bench", *arguments]


def environment(tmp_path: Path, hub: Site | None = None) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
    return {
        **kept,
        "DGMLD_BENCH_DATA": str(tmp_path / "data"),
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "300",
        "HF_HOME": str(tmp_path / "hf"),
        "HF_ENDPOINT": hub.url if hub else "http://127.0.0.1:9",
    }


def run(tmp_path: Path, *arguments: str, hub: Site | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        env=environment(tmp_path, hub),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def answer(tmp_path: Path, hub: Site, reply: str, *arguments: str) -> tuple[int, str]:
    """Run the command on a terminal of its own and type a reply."""
    main, side = pty.openpty()
    process = subprocess.Popen(
        command(*arguments), env=environment(tmp_path, hub), stdin=side, stdout=side, stderr=side
    )
    os.close(side)
    os.write(main, reply.encode())
    shown = b""
    try:
        while block := os.read(main, 4096):
            shown += block
    except OSError:  # Linux says so when the other side is closed
        pass
    os.close(main)
    return process.wait(timeout=120), " ".join(shown.decode(errors="replace").split())


def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[str, Exception | None]]:
    """Return a function that runs a command in this process, without a terminal: its output and its error."""
    monkeypatch.setenv("DGMLD_BENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.delenv("HF_TOKEN", raising=False)

    def invoke(*arguments: str) -> tuple[str, Exception | None]:
        result = CliRunner().invoke(build_app(), list(arguments))
        assert result.exception is None or isinstance(result.exception, DgmldBenchError), result.exception
        return result.output, result.exception

    return invoke


def test_a_script_downloads_with_the_login_of_the_hub(hub: Hub, tmp_path: Path) -> None:
    done = run(tmp_path, "download", hub=hub)
    assert done.returncode == 2 and "pass --accept-licence" in done.stderr
    assert "FeTA 2.1 (split feta): for research and education only" in done.stdout
    assert not hub.requests and not (tmp_path / "data").exists()
    hub.state, hub.token = "gated", "hf_from_login"
    done = run(tmp_path, "download", "--accept-licence", hub=hub)
    assert done.returncode == 1 and "hf auth login" in done.stderr and "Traceback" not in done.stderr
    (tmp_path / "hf").mkdir(exist_ok=True)
    (tmp_path / "hf/token").write_text("hf_from_login")  # what `hf auth login` leaves behind
    done = run(tmp_path, "download", "--json", "-", hub=hub)  # accepted before: not asked again
    assert done.returncode == 0 and "Terms" not in done.stderr and "lfc 2/120" in done.stderr
    (value,) = json.loads(done.stdout)["downloaded"]
    assert value["cases"] == {"atlas": 3, "lfc-val": 2, "lfc": 2, "feta": 1} and value["fetched"]


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
def test_a_download_that_was_stopped_goes_on_at_the_byte_where_it_was(
    hub: Hub, tmp_path: Path, stop: signal.Signals
) -> None:
    hub.files["large.bin"] = os.urandom(3_000_000)
    hub.faults["large.bin"] = [servers.stall(2_000_000)]
    process = subprocess.Popen(
        command("download", "--accept-licence"),
        env=environment(tmp_path, hub),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    part = tmp_path / f"data/dgmld/{INCOMING}/large.bin{PART}"
    while process.poll() is None and not (part.is_file() and part.stat().st_size > 1_900_000):
        time.sleep(0.02)
    process.send_signal(stop)
    shown, _ = process.communicate(timeout=100)  # the server says nothing more for as long as the client is there
    kept = part.stat().st_size
    if stop == signal.SIGINT:
        assert process.returncode == 130 and "Stopped. What arrived is kept" in shown
    assert run(tmp_path, "download", hub=hub).returncode == 0
    asked = [r.range for r in hub.requests if r.method == "GET" and r.path.endswith("large.bin")]
    assert asked == [None, f"bytes={kept}-"]


def test_on_a_terminal_it_asks(hub: Hub, tmp_path: Path) -> None:
    code, shown = answer(tmp_path, hub, "n\n", "download", "dgmld")
    assert code == 1 and "Do you accept them? [y/N]" in shown and "were not accepted; nothing was fetched" in shown
    assert not hub.requests
    code, shown = answer(tmp_path, hub, "y\n", "download", "dgmld")
    assert code == 0 and "research and education only" in shown and "lfc 2/120" in shown


def test_from_download_to_removal(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dgmld_bench = inside(tmp_path, monkeypatch)
    shown, error = dgmld_bench("verify")
    assert isinstance(error, DataError) and "nothing to verify" in str(error)
    shown, error = dgmld_bench("download", "--accept-licence", "--mirror", hub.url)
    assert error is None and "fetched" in shown and "feta 1/55" in shown
    assert "here already, all intact" in dgmld_bench("download", "dgmld", "--mirror", hub.url)[0]
    assert "dgmld: intact" in dgmld_bench("verify")[0]
    image = next((tmp_path / "data/dgmld").rglob("feta21/7.nii.gz"))
    image.write_bytes(b"x" + image.read_bytes()[1:])
    shown, error = dgmld_bench("verify", "dgmld", "--json", str(tmp_path / "out.json"))
    assert isinstance(error, DataError) and "not intact" in shown and "expected SHA-256" in shown
    (checked,) = json.loads((tmp_path / "out.json").read_text())["sources"]
    assert [p["where"] for p in checked["problems"]] == [str(image)]
    shown, error = dgmld_bench("verify", "isbi", "dgmld")  # one that is not there does not hide the other
    assert "'isbi' is not in" in str(error) and "1 file is gone" in str(error)
    shown, error = dgmld_bench("remove", "dgmld")
    assert isinstance(error, UsageError) and "pass --yes" in str(error) and image.exists()
    shown, error = dgmld_bench("remove", "dgmld", "--yes")
    assert error is None and "Removed dgmld" in shown and list((tmp_path / "data").iterdir()) == []


def test_one_source_that_fails_does_not_stop_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(Site(dict.fromkeys(published_files(), b"not the file"))) as site:
        arguments = ("download", "pku", "atlases", "--spacing-mm", "0.1", "--accept-licence", "--mirror", site.url)
        shown, error = inside(tmp_path, monkeypatch)(*arguments)
        assert site.requests
    assert isinstance(error, DataError) and "Fetching atlases …" in shown
    assert "'pku': what figshare says" in str(error) and "\n'atlases': " in str(error)
    assert "what figshare says of article 13265471 could not be fetched" in str(
        error
    ) and "truncated or was changed" in str(error)
    assert "dgmld-bench import atlases PATH" in str(error)


def test_the_same_trouble_with_many_files_is_said_once_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    notes = _Notes(make_console())
    for n in range(5):
        notes.say(f"srr-{n}.nii.gz", f"status 503; again in {2**n} s")
    notes.say("srr-9.nii.gz", "the line went silent; again in 1 s")
    notes.end()
    assert capsys.readouterr().out.splitlines() == [
        "  srr-0.nii.gz status 503; again in 1 s",
        "  … the same 4 more times",
        "  srr-9.nii.gz the line went silent; again in 1 s",
    ]


def test_stopping_while_cases_are_generated_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(type(get_source("phantom")), "generate", stop)
    result = CliRunner().invoke(build_app(), ["download", "phantom", "--data-dir", str(tmp_path)])
    assert result.exit_code == 130 and "Complete cases are kept: run the same command again" in result.output


def test_wrong_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dgmld_bench = inside(tmp_path, monkeypatch)
    for arguments, message in [
        (["download", "isbu"], "did you mean 'isbi'"),
        (["download", "nowhere"], "Known: dgmld, atlases, isbi, pku, aariz, hamedan, phantom"),
        (["download", "open"], "'open' is a track; its data comes from source 'atlases'"),
        (["download", "lfc"], "'lfc' is a split; its data comes from source 'dgmld'"),
        (["audit", "atlases"], "'atlases' is a source; its cases are in track 'open'"),
        (["download", "atlases", "--revision", "v1"], "has no revision to choose"),
        (["download", "dgmld", "--mirror", "nowhere"], "starts with https://"),
        (["download", "isbi", "--size", "small"], "--size is for the phantom"),
        (["download", "phantom", "--spacing-mm", "1"], "phantom: takes none"),
        (["remove", "isbu"], "did you mean 'isbi'"),
    ]:
        _, error = dgmld_bench(*arguments)
        assert isinstance(error, UsageError) and message in str(error)


@pytest.mark.heavy
@pytest.mark.skipif(not REAL, reason="DGMLD_BENCH_REAL_DATA is not set")
def test_the_real_atlases_from_a_server_that_breaks_off(tmp_path: Path) -> None:
    atlas = Path(REAL) / "atlas"
    with serve(Site({p: (atlas / p).read_bytes() for p in published_files() if (atlas / p).is_file()})) as site:
        broken = sorted(site.files)[::9]
        for path in broken:
            site.faults[path] = [servers.cut(20_000)]
        done = run(tmp_path, "download", "atlases", "--accept-licence", "--mirror", site.url)
    assert done.returncode == 0 and "open-train 14/14, open-val 4/4, open-wu 13/13, open-sb 15/15" in done.stdout
    asked = {r.path for r in site.requests}
    assert len(asked) == 92 and {r.path for r in site.requests if r.range == "bytes=20000-"} == asked & set(broken)
    done = run(tmp_path, "verify", "atlases")
    assert done.returncode == 0 and "92 files compared with their SHA-256" in done.stdout
