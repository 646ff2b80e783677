"""Ask Apache Velocity itself: what does it make of a template?

`python tests/mapping/velocity_oracle/record.py` runs every template of templates.json, as Velocity does it and as API
Gateway seems to set Velocity up, and writes record.json. Needs a JDK and Debian's packages velocity, libjsonpath-java,
libjson-smart-java and libslf4j-java.
"""

from __future__ import annotations

import datetime
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LIBRARIES = (
    "velocity", "commons-collections3", "commons-lang", "json-path", "json-smart", "accessors-smart", "asm",
    "slf4j-api", "slf4j-nop",
)  # fmt: skip
JARS = [Path("/usr/share/java") / f"{name}.jar" for name in LIBRARIES]
SOURCE = "Apache Velocity 1.7 over json-path 2.0.0, json-smart 2.2 and commons-lang 2.6, as packaged by Debian 12"
MODES = ("velocity", "gateway")


def is_here() -> bool:
    """Whether a JDK and the libraries are installed."""
    return shutil.which("java") is not None and all(jar.exists() for jar in JARS)


def ask(questions: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Velocity's outcome for each question (Oracle.java says what that is): {"output": …} or {"error": …}."""
    command = ["java", "-cp", ":".join(map(str, JARS)), str(HERE / "Oracle.java")]
    lines = "".join(json.dumps(question) + "\n" for question in questions)
    done = subprocess.run(command, input=lines.encode(), capture_output=True, check=True)
    return [json.loads(line) for line in done.stdout.decode().split("\n") if line]


def asked() -> dict[str, Any]:
    """What templates.json holds: `variables` and `body` that every template sees, and the `templates`."""
    found: dict[str, Any] = json.loads((HERE / "templates.json").read_text(encoding="utf-8"))
    return found


def outcomes() -> list[dict[str, str]]:
    """Each template with Velocity's outcome in both modes: its output, or "!" and the name of the exception."""
    given = asked()
    scope = {"variables": given["variables"], "body": given["body"]}
    questions = [{"mode": mode, "template": template, **scope} for template in given["templates"] for mode in MODES]
    answers = [answer.get("output", f"!{answer.get('error')}") for answer in ask(questions)]
    return [
        {"template": template, **dict(zip(MODES, answers[2 * at : 2 * at + 2], strict=True))}
        for at, template in enumerate(given["templates"])
    ]


def main() -> None:
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    lines = ",\n".join("    " + json.dumps(case, ensure_ascii=True) for case in outcomes())
    text = f'{{\n  "source": {json.dumps(SOURCE)},\n  "date": "{today}",\n  "cases": [\n{lines}\n  ]\n}}\n'
    (HERE / "record.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
