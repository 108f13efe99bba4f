"""The networks: DeepLabv3+ on a MobileNetV2-type encoder, and a UNet to compare it with.

Both take ``image`` (n, 1, 256, 176) and give ``classes`` (n, 5, 256, 176) and ``landmarks``
(n, 6, 256, 176), as `analysis.training.segmentation.labels` names them.

DeepLabv3+: Chen et al. 2018, arXiv 1802.02611; MobileNetV2: Sandler et al. 2018, arXiv 1801.04381; UNet:
MONAI's residual form of Ronneberger et al. 2015, arXiv 1505.04597.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from monai.networks.blocks.aspp import SimpleASPP
from monai.networks.nets.unet import UNet
from torch import Tensor, nn
from torch.nn import functional

from analysis.training.network_blocks import InvertedResidual, convolution
from analysis.training.segmentation.labels import CLASS_NAMES, LANDMARK_NAMES


def build_network(architecture: str) -> nn.Module:
    """Build an untrained network; torch's global seed decides its weights.

    Parameters
    ----------
    architecture : {"deeplabv3plus", "unet"}
    """
    return ARCHITECTURES[architecture]()


class DeepLabV3Plus(nn.Module):
    """Atrous pyramid at a sixteenth of the resolution, refined at a quarter and at half of it.

    The second skip, at half resolution, is ours: a pixel of edge moves the density of the shaft by percent.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(convolution(1, 16, kernel=3, stride=2), InvertedResidual(16, 16))
        self.quarter = nn.Sequential(InvertedResidual(16, 24, stride=2), InvertedResidual(24, 24))
        self.sixteenth = nn.Sequential(
            InvertedResidual(24, 40, stride=2),
            InvertedResidual(40, 40),
            InvertedResidual(40, 64, stride=2),
            InvertedResidual(64, 64),
            InvertedResidual(64, 64, dilation=2),
            InvertedResidual(64, 64, dilation=2),
        )
        self.pyramid = SimpleASPP(
            spatial_dims=2,
            in_channels=64,
            conv_out_channels=24,
            kernel_sizes=(1, 3, 3, 3),
            dilations=(1, 2, 4, 6),
            norm_type="BATCH",
            acti_type="RELU",
        )
        self.narrow = convolution(96, 48)
        self.quarter_skip = convolution(24, 16)
        self.quarter_decoder = nn.Sequential(_separable(64, 48), _separable(48, 48))
        self.half_skip = convolution(16, 12)
        self.half_decoder = nn.Sequential(_separable(60, 32), _separable(32, 32))
        self.classes = nn.Conv2d(32, len(CLASS_NAMES), 1)
        self.landmarks = nn.Conv2d(32, len(LANDMARK_NAMES), 1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        half = self.stem(image)
        quarter = self.quarter(half)
        deep = self.narrow(self.pyramid(self.sixteenth(quarter)))
        merged = self.quarter_decoder(torch.cat([_enlarged(deep, 4), self.quarter_skip(quarter)], dim=1))
        fine = self.half_decoder(torch.cat([_enlarged(merged, 2), self.half_skip(half)], dim=1))
        return _enlarged(self.classes(fine), 2), _enlarged(self.landmarks(fine), 2)


class TwoHeadedUNet(nn.Module):
    """MONAI's UNet with the classes and the landmarks as its output channels."""

    def __init__(self) -> None:
        super().__init__()
        self.body = UNet(
            spatial_dims=2,
            in_channels=1,
            out_channels=len(CLASS_NAMES) + len(LANDMARK_NAMES),
            channels=(12, 24, 48, 72, 96),
            strides=(2, 2, 2, 2),
            num_res_units=1,
            act="RELU",
            norm="BATCH",
        )

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.body(image)
        return maps[:, : len(CLASS_NAMES)], maps[:, len(CLASS_NAMES) :]


ARCHITECTURES: Mapping[str, Callable[[], nn.Module]] = {
    "deeplabv3plus": DeepLabV3Plus,
    "unet": TwoHeadedUNet,
}


def _separable(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(convolution(inputs, inputs, kernel=3, groups=inputs), convolution(inputs, outputs))


def _enlarged(maps: Tensor, factor: int) -> Tensor:
    return functional.interpolate(maps, scale_factor=float(factor), mode="bilinear", align_corners=False)
