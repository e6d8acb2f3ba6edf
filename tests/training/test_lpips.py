"""LPIPS with a random AlexNet in torchvision's layout."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from training.perceptual.lpips import Lpips

LAYERS = (
    ("features.0", 64, 3, 11),
    ("features.3", 192, 64, 5),
    ("features.6", 384, 192, 3),
    ("features.8", 256, 384, 3),
    ("features.10", 256, 256, 3),
)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    rng, stored = np.random.default_rng(0), {"classifier.1.bias": torch.zeros(2)}
    for name, out, into, size in LAYERS:
        kernel = rng.normal(0, (2 / (into * size**2)) ** 0.5, (out, into, size, size))
        stored[f"{name}.weight"] = torch.from_numpy(kernel.astype(np.float32))
        stored[f"{name}.bias"] = torch.from_numpy(rng.normal(0, 0.1, out).astype(np.float32))
    path = tmp_path_factory.mktemp("alexnet") / "alexnet.pth"
    torch.save(stored, path)
    return path


def pictures() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (2, 3, 48, 80, 3), np.uint8)


def test_the_numbers_are_those_of_the_package(weights):
    """What lpips 0.1.4 says of these weights and pictures, spatial=True, averaged."""
    maps = Lpips.load(weights).maps(*pictures())
    assert maps.shape == (3, 48, 80) and maps.dtype == np.float32
    np.testing.assert_allclose(maps.mean((1, 2)), [0.09653054, 0.10423554, 0.1027616], rtol=1e-5)


def test_equal_pictures_have_no_distance_and_changed_ones_have_it_where_they_changed(weights):
    a, _ = pictures()
    b = a.copy()
    b[0, :, :16] = 0
    maps = Lpips.load(weights).maps(a, b)
    assert not maps[1:].any()
    assert maps[0, :, :16].mean() > 2 * maps[0, :, 64:].mean()


def test_another_file_is_one_sentence(weights, tmp_path):
    text, other = tmp_path / "words.pth", tmp_path / "other.pth"
    text.write_text("no weights")
    torch.save({"features.0.weight": torch.zeros(2)}, other)
    for path in (text, other, tmp_path / "absent.pth"):
        with pytest.raises(ValueError, match="does not hold the weights of torchvision's AlexNet"):
            Lpips.load(path)
    with pytest.raises(ValueError, match="31 x 31"):
        Lpips.load(weights).maps(*pictures()[:, :, :16])
