"""MONAI transforms that keep points and image together: ``python docs/monai_transforms.py --split phantom-train``.

MONAI records in a ``MetaTensor``'s affine whatever a spatial transform does to the image. So points stay in world
coordinates while the image is turned, flipped, cropped and resampled, and are taken to its indices once, at the end,
by the affine that the image then has. Points that are transformed on the way beside the image are what goes wrong.

Needs ``pip install monai``, and a split on disk: ``dgmld-bench download phantom --size small``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import torch
from monai.data import DataLoader, MetaTensor
from monai.transforms import (
    ApplyTransformToPointsd,
    Compose,
    Lambda,
    Orientationd,
    RandAffined,
    RandFlipd,
    ResizeWithPadOrCropd,
    ScaleIntensityd,
    SelectItemsd,
    Spacingd,
)

from dgmld_bench.torch import LandmarkDataset


def with_affine(item: dict[str, Any]) -> dict[str, Any]:
    """Give the image its affine, and the points MONAI's shape ``(1, landmark, xyz)``, in world coordinates."""
    return {
        "id": item["id"],
        "image": MetaTensor(item["image"], affine=item["affine"]),
        "landmarks": item["world"][None],
    }


def training_transforms(
    spacing_mm: float = 1.0, shape: Sequence[int] = (128, 128, 128), degrees: float = 15
) -> Compose:
    """Return transforms from an item of :class:`dgmld_bench.torch.LandmarkDataset` to image and points in its indices.

    The flip along the first axis swaps left and right without renaming TCD1 and TCD2, so it is left out.
    """
    turn = (torch.pi * degrees / 180,) * 3
    return Compose(
        [
            Lambda(with_affine),
            Orientationd("image", axcodes="RAS", labels=None),
            Spacingd("image", pixdim=(spacing_mm,) * 3),
            RandFlipd("image", prob=0.5, spatial_axis=1),
            RandAffined("image", prob=1.0, rotate_range=turn, scale_range=(0.1,) * 3, padding_mode="border"),
            ResizeWithPadOrCropd("image", spatial_size=shape),
            ScaleIntensityd("image"),
            ApplyTransformToPointsd("landmarks", refer_keys="image", dtype=torch.float64),
            SelectItemsd(("id", "image", "landmarks")),
        ]
    )


def main() -> None:
    """Load a batch and print what is in it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split", default="phantom-train")
    parser.add_argument("--data-dir")
    arguments = parser.parse_args()
    data = LandmarkDataset(arguments.split, transform=training_transforms(), data_dir=arguments.data_dir)
    batch = next(iter(DataLoader(data, batch_size=2, shuffle=True)))
    print("cases", batch["id"], "image", tuple(batch["image"].shape), "landmarks", tuple(batch["landmarks"].shape))
    print(batch["landmarks"][0, 0].numpy().round(2))


if __name__ == "__main__":
    main()
