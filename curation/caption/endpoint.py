"""Captions from any server that speaks OpenAI's chat completions: OpenAI, vLLM, Ollama, llama.cpp.

Plain HTTP with the standard library: one request is one POST, and what the official package adds
(types for fifty other calls, its own retries) is not needed.
"""

from __future__ import annotations

import base64
import http.client
import json
import logging
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np

from curation.caption.base import BLOCKED, PROMPT, SUCCESS, TRUNCATED, Draft, Refused, Shot

log = logging.getLogger(__name__)

KEY_VARIABLE = "OPENAI_API_KEY"
_MAX_TOKENS = 300
_LONG_SIDE_PX = 1024
_QUALITY = 85
_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_NEVER = frozenset({401, 403, 404})
_LONGEST_WAIT_S = 60.0
_STATUS = {"stop": SUCCESS, "length": TRUNCATED, "content_filter": BLOCKED}


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """A captioner behind a URL. The key, where one is needed, is the variable OPENAI_API_KEY.

    Attributes:
        url: Up to and without `/chat/completions`: `http://localhost:8000/v1`.
        model: As the server calls it.
        num_images: Pictures of each clip that are sent.
        concurrency: Requests at once.
        timeout_s: For one request.
        attempts: At one caption, while the server is busy or away.
        wait_s: Before the second attempt; doubles with each.
        sleep: Waits.
    """

    url: str
    model: str
    num_images: int = 4
    concurrency: int = 8
    timeout_s: float = 120.0
    attempts: int = 6
    wait_s: float = 1.0
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False, compare=False)

    def __post_init__(self):
        if urllib.parse.urlsplit(self.url).scheme not in ("http", "https"):
            raise ValueError(
                f"an endpoint is a URL such as http://localhost:8000/v1, got {self.url!r}"
            )
        if not self.model:
            raise ValueError("an endpoint needs the name of a model; give --model")
        if min(self.num_images, self.concurrency, self.attempts) < 1:
            raise ValueError("an endpoint needs at least one picture, request and attempt")

    @property
    def name(self) -> str:
        """`openai:<model>`."""
        return f"openai:{self.model}"

    @property
    def settings(self) -> str:
        """Prompt, pictures and length."""
        return f"{PROMPT}\n{self.num_images} {_LONG_SIDE_PX} {_QUALITY} {_MAX_TOKENS}"

    def draft(self, shot: Shot, complaint: str = "") -> Draft:
        """A caption of a shot.

        Raises:
            Refused: If the server wants another key, model or address.
            ValueError: If it refuses this request, or answers with something else.
            OSError: If it stays busy or away.
        """
        text = f"{PROMPT} Your caption before was not good: {complaint}." if complaint else PROMPT
        pictures = [
            {"type": "image_url", "image_url": {"url": data_uri(rgb)}}
            for rgb in shot.frames(self.num_images)
        ]
        content = [{"type": "text", "text": text}, *pictures]
        answer, requests = self._ask({"role": "user", "content": content})
        return _draft(answer, requests)

    def _ask(self, message: dict) -> tuple[dict, int]:
        limit, failed = "max_tokens", ""
        for attempt in range(1, self.attempts + 1):
            body = {"model": self.model, "messages": [message], limit: _MAX_TOKENS}
            try:
                return self._post(body), attempt
            except urllib.error.HTTPError as error:
                said = error.read(2000).decode(errors="replace")
                if error.code == 400 and "max_completion_tokens" in said and limit == "max_tokens":
                    limit = "max_completion_tokens"  # OpenAI's newer models
                    continue
                failed = f"{self.url} answered {error.code}: {said[:300].strip()}"
                if error.code in _NEVER:
                    raise Refused(
                        f"{failed}; check --endpoint, --model and {KEY_VARIABLE}"
                    ) from None
                if error.code not in _AGAIN:
                    raise ValueError(failed) from None
                wait_s = _retry_after_s(error.headers.get("Retry-After"))
            except (OSError, http.client.HTTPException) as error:
                failed, wait_s = f"{self.url} does not answer ({error})", 0.0
            if attempt < self.attempts:
                self.sleep(max(wait_s, min(self.wait_s * 2 ** (attempt - 1), _LONGEST_WAIT_S)))
        raise OSError(f"{failed}, {self.attempts} times")

    def _post(self, body: dict) -> dict:
        headers = {"Content-Type": "application/json"}
        if key := os.environ.get(KEY_VARIABLE):
            headers["Authorization"] = f"Bearer {key}"
        request = urllib.request.Request(
            f"{self.url.rstrip('/')}/chat/completions", json.dumps(body).encode(), headers
        )
        with urllib.request.urlopen(request, timeout=self.timeout_s) as response:
            return json.loads(response.read())


def data_uri(rgb: np.ndarray) -> str:
    """A picture as a JPEG data URI, its long side at most 1024 pixels.

    Args:
        rgb: uint8 [H, W, 3].
    """
    scale = _LONG_SIDE_PX / max(rgb.shape[:2])
    if scale < 1:
        rgb = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    _, coded = cv2.imencode(
        ".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    )
    return f"data:image/jpeg;base64,{base64.b64encode(coded.tobytes()).decode()}"


def _draft(answer: dict, requests: int) -> Draft:
    try:
        choice = answer["choices"][0]
        message = choice["message"]
        text = message.get("content") or ""
        status = _STATUS.get(choice.get("finish_reason") or "stop", SUCCESS)
        usage = answer.get("usage") or {}
        tokens = int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        said = json.dumps(answer)[:300]
        raise ValueError(f"the endpoint's answer is no chat completion: {said}") from error
    refusal = message.get("refusal") or ""
    return Draft(
        text="" if refusal else text,
        status=BLOCKED if refusal or status == BLOCKED else status,
        detail=refusal,
        tokens_in=tokens[0],
        tokens_out=tokens[1],
        requests=requests,
    )


def _retry_after_s(value: str | None) -> float:
    """Seconds that a server asks for; 0 where it names none, or a date."""
    try:
        return min(max(float(value or 0.0), 0.0), _LONGEST_WAIT_S)
    except ValueError:
        return 0.0
