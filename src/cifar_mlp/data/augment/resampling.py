"""Changes that compute new levels: small rotations and scales, and colour."""

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

LUMINANCE = (0.299, 0.587, 0.114)  # of red, green and blue (ITU-R BT.601)


def rotate_and_scale(images_BCHW: Tensor, angles_B: Tensor, zooms_B: Tensor) -> Tensor:
    """Turn about the centre and enlarge, bilinear, reflecting beyond the edges.

    Args:
        images_BCHW: uint8.
        angles_B: Degrees, positive is clockwise.
        zooms_B: Factors; above 1 enlarges.
    """
    cosine_B, sine_B = torch.cos(angles_B.deg2rad()) / zooms_B, torch.sin(angles_B.deg2rad()) / zooms_B
    zero_B = torch.zeros_like(cosine_B)
    rows = [torch.stack(row, 1) for row in ((cosine_B, sine_B, zero_B), (-sine_B, cosine_B, zero_B))]
    grid = affine_grid(torch.stack(rows, 1), list(images_BCHW.shape), align_corners=False)
    moved = grid_sample(images_BCHW.float(), grid, padding_mode="reflection", align_corners=False)
    return as_bytes(moved)


def recolour(images_BCHW: Tensor, factors_B3: Tensor) -> Tensor:
    """Change saturation, contrast and brightness, each by a factor; 1 changes nothing.

    Args:
        images_BCHW: uint8; saturation needs three channels.
        factors_B3: Saturation about each pixel's luminance, contrast about the image's mean, brightness.
    """
    saturation, contrast, brightness = factors_B3[:, :, None, None, None].unbind(1)
    levels = images_BCHW.float()
    if levels.shape[1] == 3:
        shares = torch.tensor(LUMINANCE, device=levels.device)[:, None, None]
        grey = (levels * shares).sum(1, keepdim=True)
        levels = grey + saturation * (levels - grey)
    mean = levels.mean((1, 2, 3), keepdim=True)
    return as_bytes(brightness * (mean + contrast * (levels - mean)))


def as_bytes(levels: Tensor) -> Tensor:
    """Levels rounded and limited to 0..255."""
    return levels.round().clamp(0, 255).byte()
