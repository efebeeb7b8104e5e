"""What a data set on a Hugging Face hub holds and whether one may have it, asked with the hub's own client.

The files themselves come as any others do, by :mod:`dgmld_bench.storage.download`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from json import JSONDecodeError
from typing import TYPE_CHECKING, Any, TypeVar

from dgmld_bench.errors import DataError
from dgmld_bench.files import safe_path
from dgmld_bench.storage.download import PASSING_STATUS, PATIENT, Patience, RemoteFile
from dgmld_bench.text import without_credentials

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoFile

_Answer = TypeVar("_Answer")


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

        return f"{without_credentials(self.endpoint or ENDPOINT)}/datasets/{self.repo}"


@dataclass(frozen=True)
class Listing:
    """What a data set holds at one commit."""

    dataset: HubDataset
    commit: str
    files: tuple[RemoteFile, ...]


def list_dataset(dataset: HubDataset, *, patience: Patience = PATIENT) -> Listing:
    """Ask the hub for the commit of a revision and for the files in it.

    Raises
    ------
    DataError
        When the data set is missing, or the hub cannot be reached; the message says what to do.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile
    from huggingface_hub.utils import build_hf_headers

    def ask() -> Listing:
        api = HfApi(endpoint=dataset.endpoint)
        commit = api.dataset_info(dataset.repo, revision=dataset.revision, timeout=patience.timeout_s).sha
        tree = api.list_repo_tree(dataset.repo, repo_type="dataset", revision=commit, recursive=True)
        login = build_hf_headers().get("authorization")
        files = (_remote_file(f, dataset, str(commit), login) for f in tree if isinstance(f, RepoFile))
        return Listing(dataset, str(commit), tuple(files))

    listing = _insist(ask, dataset, patience)
    if not listing.files:
        raise DataError(f"{dataset.url}: there is no file at revision '{dataset.revision}'")
    for file in listing.files:
        safe_path(file.path)
    return listing


def check_access(listing: Listing, *, patience: Patience = PATIENT) -> None:
    """Ask for the head of one file: a hub lists gated data sets to everyone, and refuses their files.

    Raises
    ------
    DataError
        When the hub refuses; the message says what to do.
    """
    from huggingface_hub import HfApi

    api, (url,) = HfApi(endpoint=listing.dataset.endpoint), listing.files[0].urls
    _insist(lambda: api.get_hf_file_metadata(url=url, timeout=patience.timeout_s), listing.dataset, patience)


def _remote_file(file: RepoFile, dataset: HubDataset, commit: str, login: str | None) -> RemoteFile:
    """The hub knows the SHA-256 of large files, and the git object's id of the others."""
    from huggingface_hub import hf_hub_url

    return RemoteFile(
        file.path,
        (hf_hub_url(dataset.repo, file.path, repo_type="dataset", revision=commit, endpoint=dataset.endpoint),),
        bytes=file.size,
        sha256=file.lfs.sha256 if file.lfs else None,
        git_blob=None if file.lfs else file.blob_id,
        authorization=login,
    )


def _insist(ask: Callable[[], _Answer], dataset: HubDataset, patience: Patience) -> _Answer:
    """Call the client until it succeeds; errors that pass are tried again, the others are put into words."""
    from huggingface_hub import errors

    # The bases of the client's own error are OSError and the error of its HTTP library, whichever version that is.
    hub_errors: tuple[Any, ...] = errors.HfHubHTTPError.__bases__
    failures = 0
    while True:
        try:
            with _quiet_client():
                return ask()
        except JSONDecodeError:
            raise DataError(
                f"{dataset.url}: what answers is no hub but perhaps a login page or a proxy; open the address in a "
                "browser, and run the same command again"
            ) from None
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
            time.sleep(patience.wait_s(failures))


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
        return f"{dataset.url} has no revision '{dataset.revision}'; revision=REV takes a branch, a tag or a commit"
    if isinstance(error, errors.OfflineModeIsEnabled):
        return f"{dataset.url} was not asked for: HF_HUB_OFFLINE is set; unset it to download"
    if isinstance(error, errors.HfHubHTTPError):
        status = error.response.status_code
        if status in (401, 403):
            return (
                f"{dataset.url}: the hub refuses ({status}). Your token may have expired or lack the right to read "
                "this data set: log in again with `hf auth login`"
            )
        return "" if status in PASSING_STATUS else f"{error.response.url}: the hub refuses ({status})"
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
