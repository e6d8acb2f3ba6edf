"""The built-in codec."""

from __future__ import annotations

import pytest
import torch

from training.autoencoder import LinearCodec, WanCodec


@pytest.fixture
def frames() -> torch.Tensor:
    """Frames that lie in a small linear space."""
    draw = torch.Generator().manual_seed(0)
    colours = torch.randint(40, 215, (6, 9, 2, 3, 3), generator=draw, dtype=torch.uint8)
    return colours.repeat_interleave(8, 2).repeat_interleave(8, 3)


def test_what_fits_into_the_channels_survives(frames):
    codec = LinearCodec.fit(frames, 12)
    latents = codec.encode(frames)
    assert latents.shape == (6, 12, 3, 2, 3)
    assert (codec.decode(latents).int() - frames.int()).abs().max() <= 1


def test_fitting_is_deterministic_and_survives_a_file(frames, tmp_path):
    first, second = LinearCodec.fit(frames, 5), LinearCodec.fit(frames, 5)
    first.save(tmp_path / "codec.safetensors")
    loaded = LinearCodec.load(tmp_path / "codec.safetensors")
    for codec in (second, loaded):
        assert torch.equal(codec.encode(frames), first.encode(frames))


def test_repeating_the_first_latent_repeats_the_frame(frames):
    codec = LinearCodec.fit(frames, 12)
    still = frames[:, :1].expand(-1, 9, -1, -1, -1)
    latents = codec.encode(still)
    assert torch.allclose(latents, latents[:, :, :1].expand_as(latents), atol=1e-5)


def test_a_latent_sees_its_own_four_frames_only(frames):
    codec = LinearCodec.fit(frames, 12)
    changed = frames.clone()
    changed[:, 5] = 0
    same = (codec.encode(changed) == codec.encode(frames)).all(dim=(0, 1, 3, 4))
    assert same.tolist() == [True, True, False]


def test_a_wrong_number_of_frames_is_an_error(frames):
    with pytest.raises(ValueError, match="got 8"):
        LinearCodec.fit(frames, 4).encode(frames[:, :8])


def test_wans_autoencoder_has_the_same_shapes(frames):
    from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan

    torch.manual_seed(0)
    model = AutoencoderKLWan(
        base_dim=4,
        z_dim=4,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        latents_mean=[0.0] * 4,
        latents_std=[1.0] * 4,
    )
    codec = WanCodec(model)
    latents = codec.encode(frames[:1])
    assert latents.shape == (1, codec.channels, 3, 2, 3)
    assert codec.decode(latents).shape == frames[:1].shape
