"""Ask Jayway JsonPath itself: what does it make of an expression on document.json?

`python tests/mapping/jsonpath_oracle/record.py` runs every expression of expressions.txt and writes record.json. Needs
a JDK and Debian's packages libjsonpath-java, libjson-smart-java and libslf4j-java.
"""

from __future__ import annotations

import datetime
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
JARS = [
    Path("/usr/share/java") / f"{n}.jar" for n in ("json-path", "json-smart", "accessors-smart", "asm", "slf4j-api")
]
SOURCE = "com.jayway.jsonpath:json-path 2.0.0 with json-smart, as packaged by Debian 12"


def is_here() -> bool:
    """Whether a JDK and the libraries are installed."""
    return shutil.which("java") is not None and all(jar.exists() for jar in JARS)


def ask(expressions: list[str]) -> list[dict[str, Any]]:
    """Jayway's outcome for each expression: {"value": …} or {"error": exception class}."""
    command = ["java", "-cp", ":".join(map(str, JARS)), str(HERE / "Oracle.java"), str(HERE / "document.json")]
    done = subprocess.run(command, input="\n".join(expressions) + "\n", capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def expressions() -> list[str]:
    return (HERE / "expressions.txt").read_text(encoding="utf-8").splitlines()


def main() -> None:
    asked = expressions()
    cases = [{"expression": text, **outcome} for text, outcome in zip(asked, ask(asked), strict=True)]
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    lines = ",\n".join("    " + json.dumps(case, ensure_ascii=False) for case in cases)
    text = f'{{\n  "source": {json.dumps(SOURCE)},\n  "date": "{today}",\n  "cases": [\n{lines}\n  ]\n}}\n'
    (HERE / "record.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
