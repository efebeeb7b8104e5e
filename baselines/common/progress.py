"""What is seen of long work: bars on a terminal, lines in a file or a batch system's log, never both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column

from dgmld_bench.terminal import make_console, steps_of

if TYPE_CHECKING:
    from baselines.common.recipe import Settings
    from baselines.common.trainer import Epoch

console = make_console(stderr=True)


def make_progress() -> Progress:
    """Return the bars that every long piece of work shows."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24 if console.width > 100 else 8),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TimeRemainingColumn(table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[note]}", table_column=Column()),  # the only one that may be wrapped
        console=console,
        disable=not console.is_interactive,  # in a file or a log, lines say the same
    )


@contextmanager
def preparing(progress: Progress) -> Iterator[Any]:
    """Yield a callback that shows one bar per split while its cases are prepared, and takes the bars away after."""
    with steps_of(progress) as report:
        yield lambda split, done, total: report(f"preparing {split}", done, total)


@dataclass
class StageProgress:
    """One stage of one training: a bar that moves with every step, or a line an epoch.

    Attributes
    ----------
    progress : Progress
    title : str
    epochs : int
    remark : str
        What to know of the loss, said once.
    """

    progress: Progress
    title: str
    epochs: int
    remark: str = ""
    _task: TaskID | None = field(default=None, init=False)
    _known: int = field(default=0, init=False)  # epochs of before an interruption
    _started: bool = field(default=False, init=False)

    def on_step(self, epoch: int, done: int, steps: int) -> None:
        """Show that ``done`` of the steps of an epoch are done."""
        self._start()
        self.progress.update(self._bar(), completed=epoch + done / steps)

    def on_epoch(self, epoch: Epoch) -> None:
        """Show what an epoch came to; of one that was done before an interruption, a log has said it already."""
        self.progress.update(self._bar(), completed=epoch.number + 1, note=str(epoch))
        if not self._started:
            self._known = epoch.number + 1
        elif not console.is_interactive:
            place = f"epoch {epoch.number + 1}/{self.epochs}"
            console.print(f"{self.title} · {place} · {epoch} · {epoch.seconds:.1f} s", soft_wrap=True)

    def _start(self) -> None:
        if self._started:
            return
        self._started = True
        if self.remark:
            console.print(f"{self.title}: {self.remark}", soft_wrap=True)
        if self._known:
            console.print(f"{self.title} goes on after epoch {self._known}/{self.epochs}", soft_wrap=True)

    def _bar(self) -> TaskID:
        if self._task is None:
            self._task = self.progress.add_task(self.title, total=self.epochs, note="")
        return self._task


class TrainingProgress:
    """The stages of one training, each as :class:`StageProgress` shows it."""

    def __init__(self, progress: Progress, settings: Settings, title: str, cases: int) -> None:
        pretraining = settings.method.pretraining_for(settings.preset.dimension)
        remark = pretraining.remark if pretraining else ""
        self._stages = {
            "pretrain": StageProgress(progress, f"{title} · pretrain", settings.preset.pretrain_epochs, remark),
            "finetune": StageProgress(progress, f"{title} · finetune", settings.epochs(cases)),
        }

    def on_step(self, stage: str, epoch: int, done: int, steps: int) -> None:
        """Show that ``done`` of the steps of an epoch are done."""
        self._stages[stage].on_step(epoch, done, steps)

    def on_epoch(self, stage: str, epoch: Epoch) -> None:
        """Show what an epoch came to."""
        self._stages[stage].on_epoch(epoch)
