"""Captions from a local image-to-text model of transformers; nothing is downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from curation.caption.base import PROMPT, SUCCESS, TRUNCATED, Draft, Shot
from curation.caption.registry import Options

_MAX_TOKENS = 200


class LocalCaptioner:
    """A model in a folder, as `save_pretrained` wrote it: chat models and plain captioners.

    A model with a chat template sees all pictures and the prompt; one without, such as BLIP, sees
    the first picture. Decoding is greedy, so the same model says the same.

    Args:
        options: `model` is the folder, `images` the number of pictures.

    Raises:
        ValueError: If the folder holds no such model.
    """

    concurrency = 1

    def __init__(self, options: Options):
        folder = Path(options.model)
        if not options.model or not (folder / "config.json").is_file():
            raise ValueError(
                "the captioner transformers needs a folder with a saved model (config.json): "
                f"--model FOLDER, got {options.model!r}"
            )
        try:
            self._processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
            model: Any = AutoModelForImageTextToText.from_pretrained(
                folder, local_files_only=True, use_safetensors=True
            )
        except (OSError, ValueError) as error:
            raise ValueError(f"{folder} holds no image-to-text model: {error}") from error
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._model = model.eval().to(self._device)
        self._num_images = options.images
        self.name = f"transformers:{folder.name}"
        self.settings = f"{PROMPT}\n{self._num_images} {_MAX_TOKENS} {folder.resolve()}"

    @torch.inference_mode()
    def draft(self, shot: Shot, complaint: str = "") -> Draft:
        """A caption of a shot."""
        chats = bool(getattr(self._processor, "chat_template", None))
        frames = shot.frames(self._num_images if chats else 1)
        inputs = (
            self._chat(frames, complaint)
            if chats
            else self._processor(images=frames[0], return_tensors="pt")
        )
        inputs = inputs.to(self._device)
        tokens = self._model.generate(**inputs, max_new_tokens=_MAX_TOKENS, do_sample=False)
        asked = inputs["input_ids"].shape[1] if chats else 0
        answer = tokens[0, asked:]
        text = self._processor.batch_decode(answer[None], skip_special_tokens=True)[0]
        return Draft(
            text=text.strip(),
            status=TRUNCATED if len(answer) >= _MAX_TOKENS else SUCCESS,
            tokens_in=asked,
            tokens_out=len(answer),
            requests=1,
        )

    def _chat(self, frames, complaint: str):
        text = f"{PROMPT} Your caption before was not good: {complaint}." if complaint else PROMPT
        content = [{"type": "image", "image": rgb} for rgb in frames]
        return self._processor.apply_chat_template(
            [{"role": "user", "content": [*content, {"type": "text", "text": text}]}],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        )
