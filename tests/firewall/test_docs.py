"""docs/firewall.md: its example is served, and it names whatever there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from wsgw.cli.definition_files import read_definitions
from wsgw.definitions.firewall_fields import TRANSFORMATIONS
from wsgw.definitions.firewall_statements import STATEMENTS

PAGE = (Path(__file__).parents[2] / "docs/firewall.md").read_text()
(EXAMPLE,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def findings(text: str, tmp_path: Path) -> list[str]:
    file = tmp_path / "shop.yaml"
    file.write_text(text)
    found = read_definitions([file], {})
    return [str(one).removeprefix(f"{file}:") for one in found.findings]


def test_the_example_is_served(tmp_path: Path):
    assert findings(EXAMPLE, tmp_path) == []


@pytest.mark.parametrize(
    ("wrong", "place", "why"),
    [
        (("action: COUNT", "action: CAPTCHA"), "rules[2].action.CAPTCHA", "write Allow, Block or Count"),
        (("arn: office", "arn: home"), "ipSetReferenceStatement.arn", "there are: office"),
        (("192.0.2.0/24", "192.0.2.0/33"), "webAcl.ipSets.office.addresses[0]", "no network"),
        (("STARTS_WITH", "BEGINS_WITH"), "byteMatchStatement.positionalConstraint", "STARTS_WITH"),
    ],
    ids=["action", "reference", "network", "position"],
)
def test_what_is_wrong_with_a_file_has_its_place_and_remedy(
    wrong: tuple[str, str], place: str, why: str, tmp_path: Path
):
    (found,) = findings(EXAMPLE.replace(*wrong), tmp_path)
    assert re.match(r"\d+: error: ", found)
    assert place.lower() in found.lower()
    assert why in found


@pytest.mark.parametrize("name", STATEMENTS)
def test_every_statement_is_named(name: str):
    assert f"`{name}`" in PAGE


@pytest.mark.parametrize("name", TRANSFORMATIONS)
def test_every_transformation_is_named(name: str):
    assert f"`{name}`" in PAGE
