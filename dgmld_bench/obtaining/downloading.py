"""Getting a source: fetch, unpack, write the manifest, import. Placed whole or not at all; what arrived is kept.

Everything happens in ``<data>/<source>/``: what arrives waits in ``.incoming/`` (with what is needed to resume), the
unpacked tree is built in a new ``files-…/`` with its ``manifest.json``, and the register, written last, makes it count.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from dgmld_bench.errors import DataError, DgmldBenchError, UsageError
from dgmld_bench.files import Progress, is_full_disk, new_folder, read_json, safe_path, write_json, written
from dgmld_bench.obtaining.importing import NothingUsableError, import_source
from dgmld_bench.sources import get_source
from dgmld_bench.sources.base import Source
from dgmld_bench.splits import load_split
from dgmld_bench.storage import archives, download, figshare, folders, hub, manifest
from dgmld_bench.storage.download import PATIENT, Patience, RemoteFile, Report
from dgmld_bench.storage.figshare import FigshareArticle
from dgmld_bench.storage.folders import COPY_PREFIX, copies_in
from dgmld_bench.storage.hub import HubDataset
from dgmld_bench.storage.manifest import Manifest
from dgmld_bench.storage.register import Register, read_register
from dgmld_bench.text import without_credentials

INCOMING, ACCEPTED = ".incoming", "accepted.json"


@dataclass(frozen=True)
class Obtained:
    """A source on disk: its register, the manifest of its files, and whether anything had to be fetched."""

    register: Register
    manifest: Manifest
    fetched: bool


def licence_of(source: Source, mirror: str | None = None) -> str:
    """Return the licence as its publisher states it now, where one can be asked, else as it is known here.

    Raises
    ------
    DataError
        When the publisher cannot be reached.
    """
    remote = where_to_fetch(source.name, mirror=mirror)
    return figshare.read_article(remote).licence if isinstance(remote, FigshareArticle) else source.licence


def is_accepted(source: Source, licence: str, data_dir: Path | str | None = None) -> bool:
    """Whether the user has accepted this licence of a source, and its terms as they are now."""
    path = folders.source_dir(source.name, data_dir) / ACCEPTED
    try:
        return path.is_file() and read_json(path) == _agreement(source, licence)
    except DataError:  # damaged: ask again
        return False


def accept(source: Source, licence: str, data_dir: Path | str | None = None) -> None:
    """Note that the user has accepted this licence and the terms of a source."""
    write_json(folders.source_dir(source.name, data_dir) / ACCEPTED, _agreement(source, licence))


def _agreement(source: Source, licence: str) -> dict[str, str]:
    return {"licence": licence, "terms": source.terms}


def where_to_fetch(
    name: str, revision: str | None = None, mirror: str | None = None
) -> HubDataset | FigshareArticle | tuple[RemoteFile, ...]:
    """Return where a source can be fetched: its own addresses, or a mirror instead (hub, figshare: another endpoint).

    Raises
    ------
    UsageError
        For an unknown source, a mirror that is no address, or a revision where there is none to choose.
    DataError
        When the source cannot be fetched; the message says how to get it.
    """
    source = get_source(name)
    remote = source.remote()
    if mirror is not None and not mirror.startswith(("http://", "https://")):
        raise UsageError(
            f"mirror={without_credentials(mirror)}: expected an address that starts with https:// or http://"
        )
    if isinstance(remote, HubDataset):
        return replace(remote, revision=revision or remote.revision, endpoint=mirror and mirror.rstrip("/"))
    if isinstance(remote, FigshareArticle):
        if revision is not None:
            raise UsageError(f"source '{name}' has no revision to choose: the article's newest version is fetched")
        return replace(remote, endpoint=mirror.rstrip("/")) if mirror else remote
    if not remote:
        raise DataError(f"source '{name}' cannot be fetched: {source.licence}. {source.how_to_get}")
    if revision is not None:
        raise UsageError(f"source '{name}' has no revision to choose: its files are pinned")
    if mirror is not None:
        remote = tuple(replace(f, urls=(f"{mirror.rstrip('/')}/{f.path}",)) for f in remote)
    return remote


def download_source(
    name: str,
    *,
    data_dir: Path | str | None = None,
    revision: str | None = None,
    mirror: str | None = None,
    patience: Patience = PATIENT,
    report: Report = lambda transfer: None,
    progress: Progress = lambda step, done, total: None,
    **options: Any,
) -> Obtained:
    """Bring a source onto the disk and register its complete cases. Files that are there and intact stay.

    Archives are not kept once they are unpacked: when something is damaged, they are fetched again.

    Parameters
    ----------
    name : str
        ``dgmld``, ``atlases``, ``isbi``, ``hamedan``, ``aariz`` or ``pku``.
    data_dir : path, optional
        The data folder; else ``DGMLD_BENCH_DATA``, else the platform's user data folder.
    revision : str, optional
        For a source on a hub: a branch, a tag or a commit.
    mirror : str, optional
        Ask here instead of at the source's own addresses: ``MIRROR/<path of the file>``, or the endpoint of a hub.
    patience : Patience
        How often and how long to try.
    report, progress : callable
        Called with a :class:`~dgmld_bench.storage.download.Transfer`, and with (step, done, total) when files are
        prepared.
    options
        What the import needs to know, as for :func:`~dgmld_bench.obtaining.importing.import_source`.

    Raises
    ------
    UsageError
        For an unknown source, revision or mirror, or an option that is missing or not the source's.
    DataError
        When the data cannot be had, are damaged, or do not fit on the disk. What was registered before stays, and
        what has arrived is kept for the next call.
    """
    remote = where_to_fetch(name, revision, mirror)
    options = get_source(name).checked_options(options)
    if get_source(name).holds_rar:
        archives.check_rar_program()
    folder = folders.source_dir(name, data_dir)
    try:
        with folders.locked(folder):
            return _obtain(name, folder, remote, patience, report, progress, options)
    except OSError as error:
        where = error.filename2 or error.filename or folder
        what = "the disk is full" if is_full_disk(error) else error.strerror or error
        raise DataError(
            f"{where}: {what}; nothing was placed. What arrived is kept: run the same command again"
        ) from None


def _obtain(
    name: str,
    folder: Path,
    remote: HubDataset | FigshareArticle | tuple[RemoteFile, ...],
    patience: Patience,
    report: Report,
    progress: Progress,
    options: dict[str, Any],
) -> Obtained:
    incoming, data_dir = folder / INCOMING, folder.parent
    listing = hub.list_dataset(remote, patience=patience) if isinstance(remote, HubDataset) else None
    article = figshare.read_article(remote, patience=patience) if isinstance(remote, FigshareArticle) else None
    files = listing.files if listing else article.files if article else remote
    assert isinstance(files, tuple)
    origin = _origin(get_source(name), listing, article)
    here = _placed(folder, origin, progress)
    if here is None:
        if listing is not None:
            hub.check_access(listing, patience=patience)
        _reuse(files, folder, incoming)
        download.fetch_files(
            files, incoming, patience=patience, report=report, progress=partial(progress, "Checking what arrived")
        )
    place = here or _build(get_source(name), incoming, files, folder, origin, progress)
    try:
        register = _registered(name, folder, place, options) if here else None
        register = register or import_source(name, place, data_dir=data_dir, progress=progress, **options)
    except NothingUsableError as error:
        shutil.rmtree(place, ignore_errors=True)
        raise NothingUsableError(f"{error}\nWhat was fetched is kept in {incoming}", error.problems) from None
    shutil.rmtree(incoming, ignore_errors=True)
    placed = manifest.read_manifest(place)
    assert placed is not None
    return Obtained(register, placed, fetched=here is None)


def _origin(source: Source, listing: hub.Listing | None, article: figshare.Article | None) -> dict[str, Any]:
    """Say in the manifest what was fetched: the commit, or the hash (else the official address) of each file."""
    if listing is not None:
        return {"kind": "hub", "from": source.url, "repository": listing.dataset.repo, "commit": listing.commit}
    if article is not None:
        hashes = {f.path: f.md5 or f.urls[0] for f in article.files}
        return {"kind": "figshare", "from": source.url, "version": article.version, "files": hashes}
    official = source.remote()
    assert isinstance(official, tuple)
    return {"kind": "files", "from": source.url, "files": {f.path: f.sha256 or f.urls[0] for f in official}}


def _placed(folder: Path, origin: dict[str, Any], progress: Progress) -> Path | None:
    """Return the folder that holds these very data already, all of it intact, if there is one."""
    for place in copies_in(folder):
        try:
            found = manifest.read_manifest(place)
        except DataError:
            continue
        if found is None or found.origin != origin:
            continue
        if not manifest.find_differences(place, found, partial(progress, "Checking what is here")):
            return place
    return None


def _registered(name: str, folder: Path, place: Path, options: dict[str, Any]) -> Register | None:
    """Return the register when it names cases in this place, and was made with these options and can be read."""
    try:
        register = read_register(name, folder.parent)
        cases = [c for c in register.cases if register.path(c.image).is_relative_to(place)]
        splits = {s: load_split(s, references=True, data_dir=folder.parent) for s in {c.split for c in cases}}
        for case in cases:
            _ = splits[case.split].by_id(case.id).annotations
    except (DgmldBenchError, OSError, ValueError):  # gone or damaged
        return None
    return register if cases and register.options.items() >= options.items() else None


def _reuse(files: tuple[RemoteFile, ...], folder: Path, incoming: Path) -> None:
    """Take over files from an earlier download that lost some; they are checked as if they had just arrived."""
    for made in copies_in(folder):
        for file in files:
            source, target = made / safe_path(file.path), incoming / safe_path(file.path)
            if file.is_hashed and source.is_file() and not target.exists():
                _link(source, target)


def _keep(source: Source, path: Path, target: Path) -> None:
    """Give a file its place, or what its source keeps of it."""
    kept = source.reduced(path)
    if kept is None:
        _link(path, target)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        with written(target):
            target.write_bytes(kept)


def _link(source: Path, target: Path) -> None:
    """Give a file a second name, which costs no space; copy it where the file system has no second names."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        with written(target):
            shutil.copyfile(source, target)


def _build(
    source: Source,
    incoming: Path,
    files: tuple[RemoteFile, ...],
    folder: Path,
    origin: dict[str, Any],
    progress: Progress,
) -> Path:
    """Unpack what arrived into a new folder beside it, with a manifest; archives themselves do not go there.

    A broken archive whose hash nobody knows may have arrived broken: it is fetched anew the next time.
    """
    place = new_folder(folder, COPY_PREFIX)
    try:
        for n, file in enumerate(sorted(files, key=lambda f: f.path)):
            progress("Unpacking", n, len(files))
            path, target = incoming / safe_path(file.path), place / safe_path(file.path)
            if not archives.is_archive(path):
                _keep(source, path, target)
                continue
            if archives.is_later_volume(path):
                continue
            try:
                archives.unpack(path, target.parent)
            except archives.BrokenArchiveError as error:
                if file.is_hashed:
                    raise DataError(
                        f"{error}. It is as its publisher has it; all that arrived is in {incoming}"
                    ) from None
                path.unlink()
                raise DataError(f"{error}. It was thrown away: run the same command again to fetch it anew") from None
        progress("Unpacking", len(files), len(files))
        manifest.write_manifest(place, origin, partial(progress, "Hashing"))
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
    return place
