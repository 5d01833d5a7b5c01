"""The page's server: static files, and the network's answers as JSON."""

import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from torch import Tensor

from cifar_mlp.data.own_images.decoding import decoded, reason
from cifar_mlp.demo.trial import Trial, picture

PAGE = Path(__file__).with_name("page")
HOSTS = ["127.0.0.1", "localhost"]
LARGEST = 50_000_000  # bytes of an image file
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; connect-src 'self' data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Guarded:
    """Nothing from elsewhere is loaded or run, and no other site's page asks or embeds."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        origin = Request(scope).headers.get("origin") if scope["type"] == "http" else None
        if origin is not None and origin != f"http://{Request(scope).headers.get('host')}":
            await Response("another site's page may not ask", 403)(scope, receive, send)
        else:
            await self.app(scope, receive, send_with_headers)


def make_app(trial: Trial) -> Starlette:
    """The application.

    Args:
        trial: What is tried.
    """

    async def about(request: Request) -> Response:
        return JSONResponse(trial.about())

    async def picks(request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(trial.picks))

    async def image(request: Request) -> Response:
        """An image file of any kind as what the network takes: the page asks all else with this one."""
        content = await _body(request)
        return JSONResponse({"image": await run_in_threadpool(lambda: picture(_decoded(content, trial)))})

    async def look(request: Request) -> Response:
        return await _asked(request, trial.look, trial)

    async def similar(request: Request) -> Response:
        return await _asked(request, trial.similar, trial)

    return Starlette(
        routes=[
            Route("/about", about),
            Route("/picks", picks),
            Route("/image", image, methods=["POST"]),
            Route("/look", look, methods=["POST"]),
            Route("/similar", similar, methods=["POST"]),
            Mount("/", StaticFiles(directory=PAGE, html=True)),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS, www_redirect=False), Middleware(Guarded)],
        exception_handlers={HTTPException: _told},
    )


async def _told(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code)


async def _body(request: Request) -> bytes:
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > LARGEST:
            raise HTTPException(413, f"This file is larger than {LARGEST // 1_000_000} MB.")
    return bytes(content)


def _decoded(content: bytes, trial: Trial) -> Tensor:
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        try:
            return torch.from_numpy(decoded(Path(file.name), trial.image_shape))
        except Exception as error:  # decoders raise what they like on a damaged file
            why = reason(error).removeprefix(f"{type(error).__name__}: ").replace(file.name, "it")
            raise HTTPException(
                415, f"This cannot be read as an image ({why}). Files of PNG, JPEG, WebP, GIF, BMP and TIFF can."
            ) from error


async def _asked(request: Request, answer: Callable[[Tensor, int, int | None], Any], trial: Trial) -> Response:
    """The answer about the request's image, for the network and the number of components that it names."""
    number = _number(request, "network", len(trial.parts) - 1) or 0
    most = trial.components(number)
    count = None if most is None else _number(request, "components", most)
    content = await _body(request)
    try:
        return JSONResponse(await run_in_threadpool(lambda: answer(_decoded(content, trial), number, count)))
    except (OSError, ValueError) as error:
        raise HTTPException(409, f"This is not at hand: {error}.") from error


def _number(request: Request, name: str, most: int) -> int | None:
    requested = request.query_params.get(name)
    if requested is None:
        return None
    if not re.fullmatch("[0-9]{1,9}", requested) or int(requested) > most:
        raise HTTPException(400, f"{name} must be a whole number from 0 to {most}.")
    return int(requested)
