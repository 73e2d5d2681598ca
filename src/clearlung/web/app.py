"""The HTTP API over one result folder: read only, on this machine."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import FileResponse

from clearlung import RESEARCH_NOTICE, __version__
from clearlung.casefile import Event, read_ledger
from clearlung.errors import OutputError
from clearlung.manifest import Manifest
from clearlung.staging import Plan

DOWNLOADS = {
    "nodules.csv": "text/csv",
    "nodules.nii.gz": "application/gzip",
    "lungs.nii.gz": "application/gzip",
    "nodules.mrk.json": "application/json",
    "report.pdf": "application/pdf",
    "plan.png": "image/png",
}
"""Files of a result that are handed out as they are; nothing else in the folder can be reached."""

# The report is one page with its pictures and styles inside; it needs nothing from anywhere.
CONTENT_POLICY = "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; frame-ancestors 'none'"


def create_app(folder: Path) -> FastAPI:
    """Return the application that serves one result folder.

    Parameters
    ----------
    folder
        A folder that ``clearlung plan`` or ``clearlung demo`` wrote.

    Raises
    ------
    OutputError
        If the folder holds no result.
    """
    if not (folder / "manifest.json").is_file():
        raise OutputError(
            f"{folder} holds no result: name a folder that clearlung plan or clearlung demo wrote"
        )
    app = FastAPI(
        title="Clearlung", version=__version__, description=RESEARCH_NOTICE, docs_url=None, redoc_url=None
    )

    @app.middleware("http")
    async def guard(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await answer(request)
        response.headers["Content-Security-Policy"] = CONTENT_POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    @app.get("/", response_class=FileResponse)
    def report() -> FileResponse:
        return FileResponse(folder / "report.html", media_type="text/html; charset=utf-8")

    @app.get("/api/plan")
    def plan() -> Plan:
        return Plan.model_validate_json((folder / "plan.json").read_bytes())

    @app.get("/api/ledger")
    def ledger() -> tuple[Event, ...]:
        return read_ledger(folder / "ledger.jsonl")

    @app.get("/api/manifest")
    def manifest() -> Manifest:
        return Manifest.model_validate_json((folder / "manifest.json").read_bytes())

    @app.get("/files/{name}", response_class=FileResponse)
    def download(name: str) -> FileResponse:
        if name not in DOWNLOADS or not (folder / name).is_file():
            raise HTTPException(404, f"no such file; there are {', '.join(DOWNLOADS)}")
        return FileResponse(folder / name, media_type=DOWNLOADS[name], filename=name)

    return app


def serve(folder: Path, port: int) -> None:
    """Serve a result folder on 127.0.0.1 until interrupted: nobody outside this machine can reach it.

    Raises
    ------
    OutputError
        If the folder holds no result, or something else listens on the port.
    """
    import uvicorn

    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise OutputError(f"port {port} is taken or not allowed: choose another with --port") from error
    uvicorn.run(create_app(folder), host="127.0.0.1", port=port, log_level="warning")
