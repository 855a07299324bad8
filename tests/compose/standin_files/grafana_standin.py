"""Not Grafana: /api/health is 200 once the provisioned files are there and can be read as Grafana would."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import yaml

PROVISIONING = Path("/etc/grafana/provisioning")


def problems() -> list[str]:
    found = []
    sources = [yaml.safe_load(path.read_text()) for path in (PROVISIONING / "datasources").glob("*.y*ml")]
    providers = [yaml.safe_load(path.read_text()) for path in (PROVISIONING / "dashboards").glob("*.y*ml")]
    if not sources or not providers:
        found.append("no datasource or dashboard provider is provisioned")
    for provider in providers:
        for entry in provider["providers"]:
            dashboards = list(Path(entry["options"]["path"]).rglob("*.json"))
            if not dashboards:
                found.append(f"no dashboard in {entry['options']['path']}")
            for path in dashboards:
                json.loads(path.read_text())
    return found


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        wrong = problems()
        self.send_response(500 if wrong else 200)
        self.end_headers()
        self.wfile.write(json.dumps({"database": "stand-in", "problems": wrong}).encode())


HTTPServer(("0.0.0.0", 3000), Handler).serve_forever()
