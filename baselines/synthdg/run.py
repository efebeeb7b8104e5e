"""SynthDG: training images whose appearance and shape are drawn anew, so that no centre is far from all of them."""

from baselines.common.command import main
from baselines.common.method import Augmentation, Method
from baselines.synthdg.volumes import change_volumes

METHOD = Method(
    name="SynthDG",
    title="Training images whose appearance and shape are drawn anew",
    authors="The dgmld-bench authors",
    venue="dgmld-bench",
    paper="https://github.com/lhaof/DGMLD",
    augmentation={3: Augmentation(change_volumes, needs_labels=True, epochs_factor=2)},
)

if __name__ == "__main__":
    main(METHOD)
