"""The errors a user can cause; the command line turns them into one message and an exit code."""

from pathlib import Path


class DgmldBenchError(Exception):
    """Base of every error this package raises on purpose."""

    exit_code = 1


class DataError(DgmldBenchError, ValueError):
    """The data or the predictions are at fault (exit code 1).

    Parameters
    ----------
    message : str
        What is wrong.
    file : path, optional
        Where: the message begins with it. ``message`` and ``file`` stay apart for who says it otherwise.
    """

    def __init__(self, message: str, file: "Path | str | None" = None) -> None:
        super().__init__(message if file is None else f"{file}: {message}")
        self.message = message
        self.file = file


class UsageError(DgmldBenchError, ValueError):
    """The call is at fault: an unknown name, an option that is missing (exit code 2)."""

    exit_code = 2


class ReferenceWithheldError(DgmldBenchError):
    """Reference landmarks or masks of a test split were read without asking for them."""


def unknown_name(kind: str, name: str, known: "list[str] | tuple[str, ...]", *, where: str = "") -> UsageError:
    """Build the error for a name that no registry holds, with the nearest known ones.

    >>> print(unknown_name("split", "fetta", ["feta", "lfc"]))
    unknown split 'fetta'; did you mean 'feta'? Known: feta, lfc
    """
    hint = did_you_mean(name, known)
    place = f" {where}" if where else ""
    return UsageError(f"unknown {kind} '{name}'{place}{hint or '.'} Known{place}: {', '.join(known)}")


def did_you_mean(name: str, known: "list[str] | tuple[str, ...]") -> str:
    """Return the question after the nearest known name; nothing where none is near.

    >>> did_you_mean("LPS", ["ras_mm", "lps_mm"]), did_you_mean("inches", ["ras_mm", "lps_mm"])
    ("; did you mean 'lps_mm'?", '')
    """
    import difflib

    lower = {k.lower(): k for k in known}
    close = difflib.get_close_matches(name.lower(), lower, n=1)
    return f"; did you mean '{lower[close[0]]}'?" if close else ""
