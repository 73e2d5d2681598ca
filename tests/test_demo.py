"""The demo as a person runs it: a patient at full size, found and planned under every shipped protocol."""

import json

from .command_line import run_apart


def test_the_demo_shows_the_protocols_side_by_side(tmp_path):
    done = run_apart("demo", "--json", "-o", "demo", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    by_name = {plan["protocol"]: plan for plan in (shown, *shown["compared"])}
    assert set(by_name) == {"conservative", "high-volume", "weighed"}
    for plan in by_name.values():
        assert plan["lesions_removed"] + plan["lesions_left"] == 170
    assert by_name["conservative"]["operations"] >= 12
    assert by_name["conservative"]["nodules_max"] <= 15
    assert by_name["high-volume"]["nodules_max"] <= 50
    assert by_name["high-volume"]["operations"] < by_name["conservative"]["operations"]
    detection = shown["detection"]
    assert detection["metastases"] == 170
    assert detection["visible"] > 100
    assert detection["found_visible"] >= 0.9 * detection["visible"]
    assert detection["false"] <= 25
    page = (tmp_path / "demo" / "report.html").read_text()
    assert "Conservative" in page
    assert "High volume" in page
    assert "When things turn out otherwise" in page
    assert "What fewer operations cost" in page
