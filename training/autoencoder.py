"""Latent codecs. Both have Wan's geometry: 8 x 8 pixels, and 4 frames a latent after the first.

Frames are uint8 [B, T, H, W, 3], latents float32 [B, C, F, H / 8, W / 8] with T = 4 (F - 1) + 1.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors.torch import save
from torch.nn import functional

from capture.files import cache_folder, replacing
from shards.latents import GROUP
from training import tensors
from training.recipes import CodecConfig
from training.tiny_decoder import TinyDecoder

_LOG = logging.getLogger(__name__)
CELL = 8


class Codec(Protocol):
    """Frames to latents and back."""

    @property
    def channels(self) -> int:
        """Channels C of a latent."""
        ...

    def encode(self, frames: torch.Tensor) -> torch.Tensor:
        """Frames to latents of about unit variance."""
        ...

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents to frames."""
        ...

    def to(self, device: torch.device) -> Codec:
        """The same on a device."""
        ...


class LinearCodec:
    """The best linear code of 4 x 8 x 8 x 3 blocks: their principal components.

    The first latent is the code of the first frame shown four times, so that it lives in the same
    space as the others, and repeating it repeats the frame. One scale serves all channels:
    channels keep their share of the energy, and noise hides fine detail first, as in pixels.

    Args:
        mean: Of the blocks, float32 [768].
        basis: Orthonormal columns, float32 [768, C].
        scale: Standard deviation of a latent over all channels.
    """

    def __init__(self, mean: torch.Tensor, basis: torch.Tensor, scale: torch.Tensor):
        self.mean, self.basis, self.scale = mean, basis, scale

    @classmethod
    def fit(cls, frames: torch.Tensor, channels: int) -> LinearCodec:
        """The codec for frames like these.

        Args:
            frames: uint8 [N, T, H, W, 3].
            channels: C, at most 768.
        """
        count, total, square = 0, torch.zeros(()), torch.zeros(())
        for window in frames:
            blocks = _blocks(window[None])[:, 1:].flatten(0, 3)
            count, total = count + len(blocks), total + blocks.sum(0).double()
            square = square + (blocks.T @ blocks).double()
        mean = total / count
        values, vectors = torch.linalg.eigh(square / count - mean[:, None] * mean)
        basis = vectors[:, -channels:].flip(1)
        # The sign of an eigenvector is arbitrary: make its largest entry positive.
        largest = basis.abs().argmax(0)
        basis = basis * basis[largest, torch.arange(channels)].sign()
        scale = values[-channels:].mean().sqrt()
        return cls(mean.float(), basis.float().contiguous(), scale.float())

    @property
    def channels(self) -> int:
        """Channels C of a latent."""
        return self.basis.shape[1]

    def encode(self, frames: torch.Tensor) -> torch.Tensor:
        """Frames to latents."""
        # A convolution whose strides are its kernel reads every block where it lies.
        kernel = self.basis.T.unflatten(1, (GROUP, CELL, CELL, 3)).permute(0, 4, 1, 2, 3)
        offset = (self.mean + 1) @ self.basis / self.scale
        return functional.conv3d(
            _grouped(frames).permute(0, 4, 1, 2, 3).float(),
            (kernel / (127.5 * self.scale)).contiguous(),
            -offset,
            stride=(GROUP, CELL, CELL),
        )

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents to frames, rounded and clipped."""
        blocks = latents.permute(0, 2, 3, 4, 1) * self.scale @ self.basis.T + self.mean
        batch, num_latents, height, width, _ = blocks.shape
        pixels = blocks.view(batch, num_latents, height, width, GROUP, CELL, CELL, 3)
        pixels = pixels.permute(0, 1, 4, 2, 5, 3, 6, 7)
        pixels = pixels.reshape(batch, num_latents * GROUP, height * CELL, width * CELL, 3)
        return _to_uint8(pixels[:, GROUP - 1 :])

    def to(self, device: torch.device) -> LinearCodec:
        """The same on a device."""
        return LinearCodec(self.mean.to(device), self.basis.to(device), self.scale.to(device))

    def save(self, path: Path) -> None:
        """Write a safetensors file atomically."""
        fitted = {"mean": self.mean, "basis": self.basis, "scale": self.scale}
        with replacing(path) as temporary:
            temporary.write_bytes(save(fitted))

    @classmethod
    def load(cls, path: Path) -> LinearCodec:
        """Read what `save` wrote."""
        return cls(**tensors.load(path))


class WanCodec:
    """Wan's autoencoder (diffusers' `AutoencoderKLWan`), with its published normalisation.

    Args:
        model: An `AutoencoderKLWan`.
        decoder: Takes its place in decoding; see `training.tiny_decoder`.
    """

    def __init__(self, model: Any, decoder: TinyDecoder | None = None):
        config = model.config
        self._model = model.eval().requires_grad_(False)
        self._decoder = decoder
        self._mean = torch.tensor(config.latents_mean).view(1, -1, 1, 1, 1)
        self._std = torch.tensor(config.latents_std).view(1, -1, 1, 1, 1)

    @classmethod
    def load(cls, config: CodecConfig) -> WanCodec:
        """Load weights from a folder or a name known to huggingface_hub.

        Raises:
            ValueError: If there are none, or the latents have another number of channels.
        """
        from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan

        source = config.pretrained
        try:
            model: Any = AutoencoderKLWan.from_pretrained(
                source, subfolder="vae", use_safetensors=True
            )
        except (OSError, ValueError) as error:
            raise ValueError(
                f"codec.pretrained = {source!r} has no Wan autoencoder (vae/config.json and "
                f"safetensors) that can be loaded: {error}"
            ) from error
        if model.config.z_dim != config.channels:
            raise ValueError(
                f"the autoencoder of {source} makes latents of {model.config.z_dim} channels, "
                f"codec.channels is {config.channels}"
            )
        decoder = None
        if config.decoder:
            decoder = TinyDecoder.load(Path(config.decoder), config.channels)
        return cls(model, decoder)

    @property
    def channels(self) -> int:
        """Channels C of a latent."""
        return self._mean.shape[1]

    @torch.no_grad()
    def encode(self, frames: torch.Tensor) -> torch.Tensor:
        """Frames to the mean of their latents' distribution, normalised."""
        video = frames.permute(0, 4, 1, 2, 3).float() / 127.5 - 1
        latents = self._model.encode(video).latent_dist.mode()
        return (latents - self._mean.to(latents)) / self._std.to(latents)

    @torch.no_grad()
    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents to frames, rounded and clipped."""
        if self._decoder is not None:
            video = self._decoder(latents)
        else:
            raw = latents * self._std.to(latents) + self._mean.to(latents)
            video = self._model.decode(raw).sample
        return _to_uint8(video.permute(0, 2, 3, 4, 1))

    def to(self, device: torch.device) -> WanCodec:
        """Move to a device."""
        self._model.to(device)
        if self._decoder is not None:
            self._decoder.to(device)
        return self


def _grouped(frames: torch.Tensor) -> torch.Tensor:
    """Frames [B, T, H, W, 3] with the first one four times, so that every latent has four."""
    if frames.shape[1] % GROUP != 1:
        raise ValueError(f"a codec takes 1, 5, 9, ... frames, got {frames.shape[1]}")
    return torch.cat([frames[:, :1].expand(-1, GROUP - 1, -1, -1, -1), frames], dim=1)


def _blocks(frames: torch.Tensor) -> torch.Tensor:
    """[B, T, H, W, 3] to [B, F, h, w, 768] in [-1, 1]."""
    video = _grouped(frames).unflatten(1, (-1, GROUP))
    video = video.unflatten(3, (-1, CELL)).unflatten(5, (-1, CELL))
    return video.permute(0, 1, 3, 5, 2, 4, 6, 7).flatten(4).float() / 127.5 - 1


def _to_uint8(video: torch.Tensor) -> torch.Tensor:
    return ((video + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def open_codec(config: CodecConfig, file: Path, windows: torch.Tensor | None) -> Codec:
    """The codec of a run: loaded, or fitted once to the same windows on a machine.

    Args:
        config: See `CodecConfig`.
        file: Where the run keeps the linear codec.
        windows: uint8 [N, T, H, W, 3] to which a missing linear codec is fitted.

    Raises:
        ValueError: If the file is missing and there is nothing to fit to.
    """
    if config.kind == "wan":
        _LOG.info("Codec: loading Wan's autoencoder of %s", config.pretrained)
        return WanCodec.load(config)
    if not file.is_file():
        if windows is None:
            raise ValueError(f"{file} is missing; run `relickit train` on this run again")
        _fitted(windows, config.channels).save(file)
    return LinearCodec.load(file)


def _fitted(windows: torch.Tensor, channels: int) -> LinearCodec:
    """The linear codec of windows, from the machine's cache if it was fitted to them before."""
    digest = hashlib.sha256(Path(__file__).read_bytes() + bytes(channels))
    digest.update(windows.numpy().tobytes())
    kept = cache_folder() / "codecs" / f"{digest.hexdigest()}.safetensors"
    if not kept.is_file():
        _LOG.info("Codec: fitting it to %d windows, once on this machine", len(windows))
        LinearCodec.fit(windows, channels).save(kept)
    return LinearCodec.load(kept)
