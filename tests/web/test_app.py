"""The HTTP API against a real server on this machine."""

import os
import socket
import subprocess
import sys
import time

import httpx
import pytest

from clearlung.casefile import Event
from clearlung.errors import OutputError
from clearlung.result_folder import write_result
from clearlung.staging import Plan, load_protocol
from clearlung.web import serve
from clearlung.workflow import PlanRequest, make_plan

from ..lists import write_list


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("web")
    request = PlanRequest(source=write_list(folder / "list.csv", 30), protocol=load_protocol("high-volume"))
    write_result(make_plan(request), folder / "out", command="test", options={})
    (folder / "out" / "secret.txt").write_text("not for anybody")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "clearlung.cli", "serve", str(folder / "out"), "--port", str(port)],
        env=os.environ,
        stdout=subprocess.DEVNULL,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            for _ in range(200):
                try:
                    client.get("/api/manifest")
                    break
                except httpx.TransportError:
                    time.sleep(0.1)
            yield client, folder / "out"
    finally:
        process.terminate()
        process.wait(timeout=10)


def test_the_plan_is_the_one_on_disk(server):
    client, folder = server
    served = Plan.model_validate(client.get("/api/plan").json())
    assert served == Plan.model_validate_json((folder / "plan.json").read_text())


def test_the_report_needs_nothing_from_elsewhere(server):
    client, _ = server
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "Research software" in page.text


def test_the_ledger_is_handed_out_checked(server):
    client, _ = server
    events = [Event.model_validate(e) for e in client.get("/api/ledger").json()]
    assert len(events) == 60


@pytest.mark.parametrize("name", ["nodules.csv", "report.pdf", "plan.png"])
def test_files_are_handed_out_as_they_are(server, name):
    client, folder = server
    assert client.get(f"/files/{name}").content == (folder / name).read_bytes()


@pytest.mark.parametrize(
    "path",
    ["/files/secret.txt", "/files/..%2Flist.csv", "/files/lungs.nii.gz", "/files/%2Fetc%2Fpasswd", "/docs"],
)
def test_nothing_else_can_be_reached(server, path):
    client, _ = server
    assert client.get(path).status_code == 404


def test_nothing_can_be_written(server):
    client, _ = server
    assert client.post("/api/plan", json={}).status_code == 405
    assert client.delete("/files/nodules.csv").status_code == 405


def test_a_port_that_is_taken_is_named(server):
    _, folder = server
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OutputError, match=f"port {port}"):
            serve(folder, port)
