"""The built-in codec."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tiny_wan import MEAN, STD, write_vae

from training.autoencoder import LinearCodec, WanCodec, open_codec
from training.recipes import CodecConfig
from training.tiny_decoder import TinyDecoder


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


def test_runs_on_the_same_windows_share_one_fit(frames, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    config, files = CodecConfig(channels=5), [tmp_path / f"{run}.safetensors" for run in "abc"]
    open_codec(config, files[0], frames)
    with monkeypatch.context() as patch:
        patch.setattr(LinearCodec, "fit", lambda *_: pytest.fail("fitted again"))
        open_codec(config, files[1], frames)
    assert files[0].read_bytes() == files[1].read_bytes()
    open_codec(config, files[2], frames.flip(0))
    assert len(list((tmp_path / "cache" / "relickit" / "codecs").iterdir())) == 2
    with pytest.raises(ValueError, match="is missing"):
        open_codec(config, tmp_path / "d.safetensors", None)


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


@pytest.fixture(scope="module")
def wan(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wan")
    write_vae(folder)
    return folder


def wan_config(folder: Path, **changes) -> CodecConfig:
    return CodecConfig(kind="wan", pretrained=str(folder), **{"channels": 4, **changes})


def test_wans_autoencoder_has_the_same_shapes(frames, wan, tmp_path):
    codec = open_codec(wan_config(wan), tmp_path / "codec.safetensors", None)
    latents = codec.encode(frames[:1])
    assert latents.shape == (1, codec.channels, 3, 2, 3)
    assert codec.decode(latents).shape == frames[:1].shape
    assert not list(tmp_path.glob("*.safetensors"))


def test_latents_are_normalised_as_the_config_says(frames, wan):
    from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan

    model = AutoencoderKLWan.from_pretrained(wan, subfolder="vae")
    with torch.no_grad():
        raw = model.encode(frames[:1].permute(0, 4, 1, 2, 3) / 127.5 - 1).latent_dist.mode()
        latents = WanCodec.load(wan_config(wan)).encode(frames[:1])
    for channel, (mean, std) in enumerate(zip(MEAN, STD, strict=True)):
        torch.testing.assert_close(latents[:, channel], (raw[:, channel] - mean) / std)


def test_wans_latent_j_ends_with_frame_4j(frames, wan):
    """Frames 4 j - 3 to 4 j are new in latent j: it is the last thing that they can change."""
    codec = WanCodec.load(wan_config(wan))
    latents, changed = codec.encode(frames[:1]), frames[:1].clone()
    changed[:, 5] = 0
    assert torch.equal(codec.encode(changed)[:, :, :2], latents[:, :, :2])
    assert not torch.equal(codec.encode(changed)[:, :, 2], latents[:, :, 2])
    changed = frames[:1].clone()
    changed[:, 4] = 0
    assert not torch.equal(codec.encode(changed)[:, :, 1], latents[:, :, 1])
    noisy = latents.clone()
    noisy[:, :, 2] += 3
    assert torch.equal(codec.decode(noisy)[:, :5], codec.decode(latents)[:, :5])
    assert not torch.equal(codec.decode(noisy)[:, 5:], codec.decode(latents)[:, 5:])


def test_a_tiny_decoder_takes_wans_place(frames, wan, tmp_path):
    torch.manual_seed(0)
    decoder = TinyDecoder(4, (6, 5, 4, 4))
    save_file(decoder.state_dict(), tmp_path / "tiny.safetensors")
    codec = WanCodec.load(wan_config(wan, decoder=str(tmp_path / "tiny.safetensors")))
    latents = codec.encode(frames[:2])
    with torch.no_grad():
        expected = (decoder(latents).permute(0, 2, 3, 4, 1) + 1) * 127.5
    assert torch.equal(codec.decode(latents), expected.round().to(torch.uint8))
    assert torch.equal(WanCodec.load(wan_config(wan)).encode(frames[:2]), latents)


def test_what_is_no_autoencoder_is_a_sentence(wan, tmp_path):
    with pytest.raises(ValueError, match="has no Wan autoencoder"):
        WanCodec.load(wan_config(tmp_path))
    with pytest.raises(ValueError, match=r"latents of 4 channels, codec\.channels is 16"):
        WanCodec.load(wan_config(wan, channels=16))
