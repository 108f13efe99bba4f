"""The image encoders: a compact one made for texture, and the first layers of the segmentation network.

They take patches of `analysis.risk.patch` (96 x 80 pixels of 0.4 mm, g/cm²) and end in 64 maps of 12 x 10
cells that are averaged over the picture. Hence Grad-CAM is a weighted sum of maps with one weight per channel
(Zhou et al. 2016, arXiv 1512.04150; Selvaraju et al. 2017, arXiv 1610.02391).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from analysis.training.network_blocks import InvertedResidual, convolution

CHANNELS = 64
"""Maps that the encoder ends in, and numbers in an embedding."""
MAP_SHAPE = (12, 10)
"""Rows and columns of the last maps of a 96 x 80 patch."""
REGIONS = (3, 2)
"""Rows and columns of regions whose means a fusion with attention may look at one by one."""
TREND_MM = 1.2
"""Standard deviation of the Gaussian mean that is taken off to leave the fine structure: trabecular spacing
and its blur are below it, the cortex's thickness about it (assumption)."""
FINE_SCALE = 20.0
"""Fine structure varies by about 0.05 g/cm² on simulated scans; this brings it to about 1 (assumption)."""
PIXEL_MM = 0.4


class FineStructure(nn.Module):
    """Adds a second channel: density minus its Gaussian mean of `TREND_MM`, scaled by `FINE_SCALE`."""

    def __init__(self) -> None:
        super().__init__()
        sigma = TREND_MM / PIXEL_MM
        reach = int(np.ceil(3 * sigma))
        bell = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
        self.reach = reach
        self.register_buffer("bell", torch.tensor(bell / bell.sum(), dtype=torch.float32), persistent=False)

    def forward(self, patch: Tensor) -> Tensor:
        bell: Tensor = self.get_buffer("bell")
        padded = functional.pad(patch, (self.reach,) * 4, mode="replicate")
        smooth = functional.conv2d(functional.conv2d(padded, bell.view(1, 1, 1, -1)), bell.view(1, 1, -1, 1))
        return torch.cat([patch, FINE_SCALE * (patch - smooth)], dim=1)


class TextureEncoder(nn.Module):
    """Four plain convolutions with strides: patches (n, 1, 96, 80) -> maps (n, 64, 12, 10), none negative.

    A third of the cost of `SegmentationEncoder`; the first filters span 2 mm, several trabecular spacings.
    """

    def __init__(self) -> None:
        super().__init__()
        self.fine = FineStructure()
        self.body = nn.Sequential(
            convolution(2, 16, kernel=5, stride=2),
            convolution(16, 32, kernel=3, stride=2),
            convolution(32, CHANNELS, kernel=3, stride=2),
            convolution(CHANNELS, CHANNELS, kernel=3),
        )

    def forward(self, patch: Tensor) -> Tensor:
        maps: Tensor = self.body(self.fine(patch))
        return maps


class SegmentationEncoder(nn.Module):
    """The first layers of the segmentation network, whose weights fit: patches -> maps, as `TextureEncoder`.

    The last stride is replaced by a dilation, as DeepLab itself does, to keep 3.2 mm per cell.
    """

    def __init__(self) -> None:
        super().__init__()
        self.fine = FineStructure()
        self.stem = nn.Sequential(convolution(2, 16, kernel=3, stride=2), InvertedResidual(16, 16))
        self.quarter = nn.Sequential(InvertedResidual(16, 24, stride=2), InvertedResidual(24, 24))
        self.sixteenth = nn.Sequential(
            InvertedResidual(24, 40, stride=2),
            InvertedResidual(40, 40),
            InvertedResidual(40, CHANNELS, dilation=2),
        )

    def forward(self, patch: Tensor) -> Tensor:
        maps: Tensor = self.sixteenth(self.quarter(self.stem(self.fine(patch))))
        return functional.relu(maps)


ImageEncoder = TextureEncoder | SegmentationEncoder
EncoderKind = Literal["texture", "segmentation"]


def build_encoder(kind: EncoderKind) -> ImageEncoder:
    """An untrained encoder; torch's global seed decides its weights."""
    encoder = TextureEncoder() if kind == "texture" else SegmentationEncoder()
    # the same sums in another order of memory: twice as fast on a CPU
    return encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def pooled(maps: Tensor) -> Tensor:
    """Means of the maps over each of `REGIONS`: (n, channels, rows, columns) -> (n, regions, channels)."""
    means = functional.avg_pool2d(maps, (MAP_SHAPE[0] // REGIONS[0], MAP_SHAPE[1] // REGIONS[1]))
    return means.flatten(2).transpose(1, 2)


@torch.no_grad()
def embed(encoder: ImageEncoder, patches: NDArray[np.float32], batch: int = 256) -> Tensor:
    """Regional means of the last maps for many patches, without gradients.

    Parameters
    ----------
    patches : ndarray of float32, (n, 96, 80)
        g/cm²; an absent picture may be anything finite.

    Returns
    -------
    torch.Tensor, (n, regions, 64)
    """
    encoder.eval()
    parts = [
        pooled(encoder(torch.from_numpy(patches[start : start + batch])[:, None]))
        for start in range(0, len(patches), batch)
    ]
    return torch.cat(parts) if parts else no_pictures(0)


def no_pictures(size: int) -> Tensor:
    """Regional means, all 0, of subjects without pictures."""
    return torch.zeros(size, REGIONS[0] * REGIONS[1], CHANNELS)
