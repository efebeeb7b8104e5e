"""Fetching a data set from a Hugging Face hub with the hub's own client, and checking what came."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dgmld_bench.download import PATIENT, Patience, Report, Transfer, check_space
from dgmld_bench.errors import DataError
from dgmld_bench.files import difference, is_full_disk, safe_path

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoFile

_PASSING_STATUS = (408, 425, 429, 500, 502, 503, 504)


@dataclass(frozen=True)
class HubDataset:
    """A data set on a hub, at a branch, tag or commit. Without ``endpoint``: ``HF_ENDPOINT``, else the public hub."""

    repo: str
    revision: str = "main"
    endpoint: str | None = None

    @property
    def url(self) -> str:
        """The page that people read, and where terms are accepted."""
        from huggingface_hub.constants import ENDPOINT

        return f"{self.endpoint or ENDPOINT}/datasets/{self.repo}"


@dataclass(frozen=True)
class Listing:
    """What a data set holds at one commit."""

    dataset: HubDataset
    commit: str
    files: tuple[RepoFile, ...]


def list_dataset(dataset: HubDataset, *, patience: Patience = PATIENT) -> Listing:
    """Ask the hub for the commit of a revision and for the files in it.

    Raises
    ------
    DataError
        When the data set is missing, gated, or the hub cannot be reached; the message says what to do.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

    def ask() -> Listing:
        api = HfApi(endpoint=dataset.endpoint)
        commit = api.dataset_info(dataset.repo, revision=dataset.revision, timeout=patience.timeout_s).sha
        tree = api.list_repo_tree(dataset.repo, repo_type="dataset", revision=commit, recursive=True)
        return Listing(dataset, str(commit), tuple(f for f in tree if isinstance(f, RepoFile)))

    with _quiet_client():
        listing = _insist(ask, dataset, patience)
    if not listing.files:
        raise DataError(f"{dataset.url}: there is no file at revision '{dataset.revision}'")
    for file in listing.files:
        safe_path(file.path)
    return listing


def fetch_dataset(
    listing: Listing,
    folder: Path,
    *,
    patience: Patience = PATIENT,
    report: Report = lambda transfer: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Bring every file of a commit into a folder; complete files stay, broken-off ones go on where they stopped.

    Raises
    ------
    DataError
        When the disk is too small or full, the hub refuses, or a file is not what the hub lists. What arrived whole
        is kept.
    """
    from huggingface_hub import snapshot_download

    complete = sum(f.size for f in listing.files if _size(folder / f.path) == f.size)
    total = sum(f.size for f in listing.files)
    check_space(folder, total - complete)

    def fetch() -> None:
        here = [f for f in listing.files if _size(folder / f.path) == f.size]
        snapshot_download(
            listing.dataset.repo,
            repo_type="dataset",
            revision=listing.commit,
            local_dir=folder,
            endpoint=listing.dataset.endpoint,
            etag_timeout=patience.timeout_s,
            max_workers=4,
            tqdm_class=_bars(report, sum(f.size for f in here), total, len(listing.files)),
        )

    def say(note: str) -> None:
        here = [f for f in listing.files if _size(folder / f.path) == f.size]
        report(Transfer("", 0, None, sum(f.size for f in here), total, len(here), len(listing.files), note))

    for last in (False, True):  # what did not arrive as it should is fetched anew once
        with _quiet_client():
            _insist(fetch, listing.dataset, patience, say)
        wrong = _remove_damaged(listing, folder, progress)
        if not wrong:
            return
        if last:
            raise DataError(
                f"{listing.dataset.url}: {len(wrong)} of {len(listing.files)} files are truncated or were changed on "
                "the way, twice; nothing was placed. Run the same command again: only these are fetched anew"
                + "".join(f"\n  {line}" for line in wrong[:20])
            )
        say(f"{len(wrong)} files did not arrive as they should; fetching them anew")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1


def _remove_damaged(listing: Listing, folder: Path, progress: Callable[[int, int], None]) -> list[str]:
    """Remove files that are not as the hub lists them; return what is wrong with each.

    The hub knows the SHA-256 of large files, and the git object's id of the others.
    """
    wrong = []
    for n, file in enumerate(listing.files, 1):
        progress(n, len(listing.files))
        path = folder / file.path
        what = difference(path, file.size, file.lfs.sha256 if file.lfs else None)
        if not what and file.lfs is None and (found := _git_blob_id(path)) != file.blob_id:
            what = f"expected git object {file.blob_id}, got {found}"
        if what:
            wrong.append(f"{file.path}: {what}")
            path.unlink(missing_ok=True)
    return wrong


def _git_blob_id(path: Path) -> str:
    data = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _insist(ask: Any, dataset: HubDataset, patience: Patience, say: Any = lambda note: None) -> Any:
    """Call the client until it succeeds; errors that pass are tried again, the others are put into words."""
    from huggingface_hub import errors

    # The bases of the client's own error are OSError and the error of its HTTP library, whichever version that is.
    hub_errors: tuple[Any, ...] = (*errors.HfHubHTTPError.__bases__, RuntimeError, errors.EntryNotFoundError)
    failures = 0
    while True:
        try:
            return ask()
        except hub_errors as error:
            failures += 1
            refusal = _refusal(error, dataset)
            if refusal:
                raise DataError(refusal) from None
            if failures >= patience.attempts:
                raise DataError(
                    f"{dataset.url}: {_reason(error)}, {failures} times in a row; nothing was placed. What arrived is "
                    "kept: check the connection (and HF_ENDPOINT, if you set it) and run the same command again"
                ) from None
            wait_s = patience.wait_s(failures)
            say(f"{_reason(error)}; again in {wait_s:.3g} s")
            time.sleep(wait_s)


def _refusal(error: Exception, dataset: HubDataset) -> str:
    """Return what to do about an error that will not pass, or nothing when it may."""
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return (
            f"{dataset.url} is gated: its owners ask you to accept terms first. Open that page, accept them with your "
            "account, log in on this machine with `hf auth login` (or set HF_TOKEN), and run the same command again"
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return (
            f"{dataset.url} is not there for you: it was moved or is private. If you have been given access, log in "
            "with `hf auth login` (or set HF_TOKEN); otherwise open the page in a browser to see what became of it"
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{dataset.url} has no revision '{dataset.revision}'; --revision takes a branch, a tag or a commit"
    if isinstance(error, errors.OfflineModeIsEnabled):
        return f"{dataset.url} was not asked for: HF_HUB_OFFLINE is set; unset it to download"
    if isinstance(error, errors.HfHubHTTPError):
        status = error.response.status_code
        if status in (401, 403):
            return (
                f"{dataset.url}: the hub refuses ({status}). Your token may have expired or lack the right to read "
                "this data set: log in again with `hf auth login`"
            )
        return "" if status in _PASSING_STATUS else f"{error.response.url}: the hub refuses ({status})"
    if isinstance(error, OSError) and is_full_disk(error):
        return "the disk is full; nothing was placed. Make room and run the same command again: it goes on from there"
    if isinstance(error, PermissionError | FileExistsError | IsADirectoryError):
        return f"{error.filename}: {error.strerror}; nothing was placed"
    return ""


def _reason(error: Exception) -> str:
    from huggingface_hub import errors

    if isinstance(error, errors.HfHubHTTPError):
        return f"the hub answers {error.response.status_code}"
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__


@contextmanager
def _quiet_client() -> Iterator[None]:
    """Keep the client's own warnings about retries off the terminal; this module says them."""
    from huggingface_hub.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _bars(report: Report, already: int, total: int, files: int) -> Any:
    """Return a class that the client takes for progress bars, and that only passes on how far it is."""
    from tqdm import tqdm

    state = {"bytes": 0, "files": 0}

    class Bars(tqdm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs.pop("name", None)
            super().__init__(*args, **{**kwargs, "file": io.StringIO(), "disable": False, "leave": False})

        def update(self, n: float | None = 1) -> bool | None:
            shown = super().update(n)
            key = "bytes" if self.unit == "B" else "files"
            state[key] = max(state[key], int(self.n))
            done = min(total, already + state["bytes"])
            report(Transfer("", 0, None, done, total, min(files, state["files"]), files))
            return shown

    return Bars
