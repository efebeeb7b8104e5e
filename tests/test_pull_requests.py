"""Pull requests in a real git repository: a good one gets its row, a hostile one gets one line and nothing else."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from dgmld_bench.errors import UsageError
from dgmld_bench.leaderboard.pull_request import _copy_track, report, review
from tests.submissions import make_repository, submission

PLACE = "submissions/ceph/new-unet.json"


CEPH_SOURCES = ("isbi", "pku", "aariz", "hamedan")


class Git:
    """A repository of the real thing, in which commits are made without touching the working tree."""

    def __init__(self, root):
        self.root = root
        self.run("init", "--quiet", "--initial-branch=main")
        self.run("add", ".")
        self.run("commit", "--quiet", "--message=base")
        self.base = self.run("rev-parse", "HEAD")

    def run(self, *arguments, text=None, index=None):
        who = {f"GIT_{role}_{what}": "t" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        environment = {**os.environ, **who, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        if index:
            environment["GIT_INDEX_FILE"] = str(index)
        command = ["git", "-C", str(self.root), *arguments]
        data = text if isinstance(text, bytes | None) else text.encode()
        done = subprocess.run(command, input=data, capture_output=True, check=True, env=environment)
        return done.stdout.decode().strip()

    def blob(self, content):
        return self.run("hash-object", "-w", "--stdin", text=content)

    def pull_request(self, *entries, tree=None):
        """Return a commit on the base in which each entry is (path, mode, object); mode "0" deletes."""
        if tree is None:
            index = self.root / ".git" / "pull-request-index"
            index.unlink(missing_ok=True)
            self.run("read-tree", self.base, index=index)
            lines = "".join(f"{mode} {sha}\t{path}\0" for path, mode, sha in entries)
            self.run("update-index", "-z", "--index-info", text=lines, index=index)
            tree = self.run("write-tree", index=index)
        return self.run("commit-tree", tree, "-p", self.base, "-m", "pull request")


@pytest.fixture(scope="module")
def shared(tmp_path_factory, isbi_films):
    root = make_repository(tmp_path_factory.mktemp("pull-requests") / "repository", isbi_films)
    text = submission(isbi_films, "New", 3).to_json()
    return Git(root), text


@pytest.fixture
def git(shared):
    return shared[0]


@pytest.fixture
def good(shared):
    return shared[1]


def test_a_good_pull_request_is_scored_and_shows_what_it_changes(git, good, isbi_films):
    sidecar = json.dumps({"parameters": 5})
    head = git.pull_request(
        (PLACE, "100644", git.blob(good)), (PLACE.replace(".json", ".run.json"), "100644", git.blob(sidecar))
    )
    found = review(git.root, git.base, head, isbi_films)
    assert found.faults == () and (found.track, found.id) == ("ceph", "new-unet") and found.sources == CEPH_SOURCES
    text = report(found)
    assert "## Valid: `submissions/ceph/new-unet.json`" in text
    assert "| `isbi` | 0.50 ± 0.08 |" in text  # 3 px and the seeds 0, 1, 2 and the cases' 0, 1, 2 px, at 0.1 mm
    assert "| `isbi` | `target-val` | **New · unet** | – | 1 (1–1), group 1 |" in text
    assert "| `isbi` | `target-val` | Good · unet | 1 (1–1), group 1 | 2 (2–2), group 2 |" in text
    assert not (git.root / "leaderboard/errors").exists()  # the checkout stays as it is


def test_a_submission_that_is_called_like_a_split_hides_no_record(tmp_path):
    errors, reported = tmp_path / "leaderboard/errors/phantom", tmp_path / "leaderboard/reported.csv"
    for name in ("baseline-unet/phantom-lfc.json", "phantom-lfc/phantom-lfc.json"):
        (errors / name).parent.mkdir(parents=True)
        (errors / name).touch()
    reported.touch()
    _copy_track(tmp_path, tmp_path / "copy", "phantom", without="phantom-lfc")
    copied = [p.relative_to(tmp_path / "copy").as_posix() for p in (tmp_path / "copy").rglob("*.json")]
    assert copied == ["leaderboard/errors/phantom/baseline-unet/phantom-lfc.json"]


def test_a_copy_of_another_submission_is_seen(git, isbi_films):
    copied = submission(isbi_films, "New", 5).to_json()
    head = git.pull_request((PLACE, "100644", git.blob(copied)))
    assert "- The errors of a run on `isbi` are those of a run of `good-unet`." in report(
        review(git.root, git.base, head, isbi_films)
    )


def test_who_claims_to_be_the_benchmarks_author_is_said(git, good, isbi_films, tmp_path):
    texts = {True: json.dumps(json.loads(good) | {"authors": "Us"}), False: good}
    heads = {claims: git.pull_request((PLACE, "100644", git.blob(text))) for claims, text in texts.items()}
    checkout = shutil.copytree(git.root, tmp_path / "checkout")
    (checkout / "CITATION.cff").write_text("authors:\n  - name: Us\n")
    for claims, head in heads.items():
        text = report(review(checkout, git.base, head, isbi_films))
        assert ("names the authors of this benchmark" in text) == claims


def test_in_a_checkout_of_itself_the_report_is_the_same(git, good, isbi_films, tmp_path):
    head = git.pull_request((PLACE, "100644", git.blob(good)))
    shutil.copytree(git.root, tmp_path / "checkout")
    (tmp_path / "checkout" / PLACE).write_text(good)
    reports = [report(review(root, git.base, head, isbi_films)) for root in (git.root, tmp_path / "checkout")]
    assert reports[0] == reports[1]


def test_without_references_it_is_valid_and_awaits_verification(git, good, tmp_path):
    head = git.pull_request((PLACE, "100644", git.blob(good)))
    text = report(review(git.root, git.base, head, tmp_path))
    assert "Awaiting verification on `isbi`" in text and "No rank changes." in text


def test_changes_on_the_base_since_then_are_not_the_pull_requests(git, good, tmp_path):
    head = git.pull_request((PLACE, "100644", git.blob(good)))
    later = git.pull_request(("README.md", "100644", git.blob("later")))
    assert review(git.root, later, head, tmp_path, score=False).faults == ()


OTHER = "submissions/ceph/good-unet.json"
HOSTILE = {
    "nothing": ([], "0 submissions are added"),
    "edit of another's": ([(OTHER, "100644", "{}")], "good-unet.json: changes a file that is there"),
    "deletion": ([(OTHER, "0", None)], "good-unet.json: deletes a file that is there"),
    "rename": ([(OTHER, "0", None), ("submissions/ceph/mine-unet.json", "100644", "SAME")], "deletes a file"),
    "made a link": ([(OTHER, "120000", "/etc/passwd")], "changes the type of a file"),
    "symbolic link": ([(PLACE, "120000", "../../leaderboard/reported.csv")], "a symbolic link, not a plain file"),
    "link for a folder": ([("submissions/open", "120000", "/etc")], "a symbolic link"),
    "submodule": ([(PLACE, "160000", "COMMIT")], "a submodule, not a plain file"),
    "executable": ([(PLACE, "100755", "GOOD")], "an executable file"),
    "code": ([(PLACE, "100644", "GOOD"), ("dgmld_bench/scoring.py", "100644", "x")], "outside submissions/"),
    "workflow": (
        [(PLACE, "100644", "GOOD"), (".github/workflows/x.yml", "100644", "x")],
        "outside submissions/",
    ),
    "git attributes": ([("submissions/.gitattributes", "100644", "* filter=x")], "not submissions/TRACK/METHOD"),
    "two": ([(PLACE, "100644", "GOOD"), (PLACE.replace("new", "newer"), "100644", "GOOD")], "2 submissions are added"),
    "sidecar of another": (
        [(PLACE, "100644", "GOOD"), ("submissions/ceph/good-unet.run.json", "100644", "{}")],
        "belongs to no submission of this pull request",
    ),
    "board": ([(PLACE, "100644", "GOOD"), ("leaderboard/results.csv", "100644", "x")], "outside submissions/"),
    "unknown track": ([("submissions/mars/new-unet.json", "100644", "GOOD")], "of a known track"),
    "too deep": ([("submissions/ceph/a/new-unet.json", "100644", "GOOD")], "not submissions/TRACK"),
    "upper case": ([("submissions/ceph/New-unet.json", "100644", "GOOD")], "lower case"),
    "other track": ([("submissions/open/new-unet.json", "100644", "GOOD")], "says its track is 'ceph'"),
    "other name": ([("submissions/ceph/old-unet.json", "100644", "GOOD")], "expected new-unet.json"),
    "line breaks": ([("submissions/ceph/a\n::set-env name=X::1\n-b.json", "100644", "GOOD")], "not submissions/TRACK"),
    "shell": ([("submissions/ceph/$(touch pwned)-`id`;\"'.json", "100644", "GOOD")], "not submissions/TRACK"),
    "markup": ([("submissions/<img src=x onerror=alert(1)>`|[x](javascript:1).json", "100644", "{}")], "not submi"),
    "option": ([("--output=pwned", "100644", "x")], "outside submissions/"),
    "turned around": ([("submissions/ceph/\u202enosj.json", "100644", "GOOD")], "not submissions/TRACK"),
    "oversize": ([(PLACE, "100644", " " * 2_000_001)], "2,000,001 bytes; at most 2,000,000 are read"),
    "oversize sidecar": (
        [(PLACE, "100644", "GOOD"), (PLACE.replace(".json", ".run.json"), "100644", " " * 20_001)],
        "20,001 bytes",
    ),
    "bomb": ([(PLACE, "100644", "[" * 1_000_000)], "new-unet.json: nested too deeply"),
    "no JSON": ([(PLACE, "100644", "\x00\x1b[31m")], "not valid JSON"),
    "hostile key": ([(PLACE, "100644", '{"format": "dgmld-bench/predictions", "<b>`x`\\n": 1}')], "no key 'version'"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pull_requests_are_refused_in_words(git, good, tmp_path, name):
    entries, reason = HOSTILE[name]
    special = {None: "0" * 40, "COMMIT": git.base}
    contents = {"GOOD": good, "SAME": (git.root / OTHER).read_text()}
    head = git.pull_request(
        *[(p, m, special[c] if c in special else git.blob(contents.get(c, c))) for p, m, c in entries]
    )
    found = review(git.root, git.base, head, tmp_path)
    assert any(reason in fault for fault in found.faults), found.faults
    assert found.after is None and all("\n" not in fault for fault in found.faults)
    text = report(found)
    lines = text.splitlines()
    assert lines[0] == "## Not a submission yet" and len(lines) == len(found.faults) + 4
    for line in lines[2:-2]:
        assert line.startswith("- `") and line.endswith("`") and line.count("`") == 2
    assert not any(c in text for c in "\x00\x1b\u202e")
    assert sorted(p.name for p in git.root.iterdir()) == [".git", "leaderboard", "submissions"]


def test_faults_of_paths_and_of_content_are_reported_together(git, isbi_films, tmp_path):
    lacking = submission(isbi_films, "New", 3, selection=None, training_data=None).to_json()
    code = ("dgmld_bench/scoring.py", "100644", git.blob("x"))
    sidecar = (PLACE.replace(".json", ".run.json"), "100644", git.blob('{"parameters": "many"}'))
    head = git.pull_request((PLACE, "100644", git.blob(lacking)), sidecar, code)
    faults = review(git.root, git.base, head, tmp_path).faults
    assert len(faults) == 4
    wanted = ("outside submissions/", "'selection' is missing", "'training_data' is missing", "'parameters'")
    assert all(any(want in fault for fault in faults) for want in wanted), faults


def test_a_tree_that_no_client_would_write(git, good, tmp_path):
    inner = git.run("mktree", "-z", text=f"100644 blob {git.blob(good)}\tnew-unet.json\0")
    folder = git.run("mktree", "-z", text=f"040000 tree {inner}\t..\0")
    whole = git.run("ls-tree", "-z", git.base)
    head = git.pull_request(tree=git.run("mktree", "-z", text=f"{whole}040000 tree {folder}\tcephalopods\0"))
    (fault,) = review(git.root, git.base, head, tmp_path).faults
    assert fault.startswith("cephalopods/../new-unet.json: outside submissions/")


def test_many_files_at_fault_are_counted(git, tmp_path):
    blob = git.blob("x")
    found = review(git.root, git.base, git.pull_request(*[(f"f{i}", "100644", blob) for i in range(500)]), tmp_path)
    assert len(found.faults) == 21 and found.faults[-1] == "and 480 more files at fault"


def test_hostile_names_in_a_valid_submission_are_only_text(git, isbi_films):
    names = {"authors": "<script>alert(1)</script>", "description": "::error::x ##[add-mask]y"}
    predictions = submission(isbi_films, "New", 3, training_data=["isbi-train", "[x](javascript:1)|`$(id)`"], **names)
    text = report(
        review(git.root, git.base, git.pull_request((PLACE, "100644", git.blob(predictions.to_json()))), isbi_films)
    )
    assert r"\[x\](javascript:1)\|\`\$(id)\`" in text and "<" not in text and "##[" not in text
    assert "**other training data**" in text


def test_the_command(git, good, tmp_path):
    def run(base, head, *more):
        command = [sys.executable, "-m", "dgmld_bench", "leaderboard", "review", base, head, "--root", git.root]
        command += ["--data-dir", tmp_path, "--validate-only", *more]
        return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)

    head = git.pull_request((PLACE, "100644", git.blob(good)))
    fine = run(git.base, head, "--json", "-")
    assert fine.returncode == 0 and json.loads(fine.stdout) == {"valid": True, "faults": [], "sources": [*CEPH_SOURCES]}
    bad = run(git.base, git.pull_request((OTHER, "0", "0" * 40)), "--summary", tmp_path / "summary.md")
    assert bad.returncode == 1
    assert "deletes a file that is there" in (tmp_path / "summary.md").read_text()
    with pytest.raises(UsageError, match="no commit '--upload-pack=x' in this repository"):
        review(git.root, git.base, "--upload-pack=x")


def test_an_unrelated_history_is_named(git, tmp_path):
    tree = git.run("rev-parse", f"{git.base}^{{tree}}")
    orphan = git.run("commit-tree", tree, "-m", "another beginning")
    with pytest.raises(UsageError, match="have no commit in common"):
        review(git.root, git.base, orphan, tmp_path)
