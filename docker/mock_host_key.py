"""Print the pretend shop's SFTP host key, once it answers: its service may start after the one that asks."""

import time
import urllib.request

DEADLINE = time.monotonic() + 120

while True:
    try:
        with urllib.request.urlopen("http://mock-apis:8000/_admin/sftp_host_key", timeout=10) as answer:
            print(answer.read().decode().strip())
            break
    except OSError:
        if time.monotonic() > DEADLINE:
            raise
        time.sleep(1)
