"""docs/how-to/webhooks-on-your-machine.md, followed word for word; only the two ports are put in."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

from benchmarks.harness import free_port
from tests.e2e.conftest import ROOT, wait_for
from tests.e2e.test_quickstart import MARK, blocks
from tests.e2e.test_quickstart import environment as environment
from tests.e2e.test_quickstart import folder as folder

DOCUMENT = ROOT / "docs" / "how-to" / "webhooks-on-your-machine.md"


def test_it_can_be_followed_word_for_word(folder: Path, environment: dict[str, str]) -> None:
    port = str(free_port())
    environment = {**environment, "COALITION_SANDBOX": "beside"}
    first, *rest = blocks(DOCUMENT.read_text("utf-8"))
    log = folder / "var" / "run.log"
    with log.open("w") as output:
        terminal = subprocess.Popen(
            ["bash", "-e", "-c", first.text], cwd=folder, env=environment,
            stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    try:
        wait_for(lambda: "Coalition is up" in log.read_text() or terminal.poll() is not None)
        script = []
        for block in rest:
            text = block.text.replace("9000", port)
            if block.language == "sh":
                script.append(f"{text}\necho '{MARK}'\n")
            elif block.saved_as:
                (folder / block.saved_as).write_text(text, "utf-8")
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", "".join(script)], cwd=folder,
            env=environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr + log.read_text()
    finally:
        os.killpg(terminal.pid, signal.SIGINT)
        terminal.wait(timeout=60)
    [shown] = [block.text for block in rest if block.language == "text"]
    assert shown.strip() in done.stdout
    assert len(re.findall(r"^points\.burned", done.stdout, re.M)) == 2, "one that came twice is counted once"
