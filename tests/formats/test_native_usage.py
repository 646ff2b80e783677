"""API keys and usage plans of the native format, and what is wrong with them, with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsgw.cli.definition_files import Definitions, read_definitions
from wsgw.definitions.access import ThrottleSettings
from wsgw.definitions.usage import ApiKey, PlanStage, QuotaSettings, UsagePlan

API = """
apis:
  pets:
    protocol: REST
    routes:
      GET /pets: {apiKeyRequired: true, integration: {type: MOCK}}
    stages: {dev: {}}
"""
KEYS = """
apiKeys:
  partner: {value: "${PARTNER_KEY}", name: Partner, customerId: c-1, description: theirs}
  old: {value: an-old-value-of-20-characters, enabled: false}
"""
PLANS = """
usagePlans:
  gold:
    name: Gold
    description: the large one
    apiStages:
      - apiId: pets
        stage: dev
        throttle: {/pets/GET: {rateLimit: 5, burstLimit: 2}}
    throttle: {rateLimit: 10.5, burstLimit: 20}
    quota: {limit: 1000, period: MONTH, offset: 5}
    keys: [partner, old]
  none: {}
"""
ENVIRONMENT = {"PARTNER_KEY": "the-value-of-the-partner"}


def read(tmp_path: Path, text: str) -> Definitions:
    file = tmp_path / "wsgw.yaml"
    file.write_text(text)
    return read_definitions([file], ENVIRONMENT)


def findings(tmp_path: Path, text: str) -> list[str]:
    return [str(one).removeprefix(f"{tmp_path}/") for one in read(tmp_path, text).findings]


def test_keys_and_plans_are_read_as_they_are_written(tmp_path: Path):
    definitions = read(tmp_path, API + KEYS + PLANS)
    assert definitions.findings == ()
    assert definitions.api_keys == (
        ApiKey(
            id="partner",
            value="the-value-of-the-partner",
            name="Partner",
            customer_id="c-1",
            description="theirs",
        ),
        ApiKey(id="old", value="an-old-value-of-20-characters", enabled=False),
    )
    limit = ThrottleSettings(rate_limit=5, burst_limit=2)
    assert definitions.usage_plans == (
        UsagePlan(
            id="gold",
            name="Gold",
            description="the large one",
            stages=(PlanStage(api_id="pets", stage="dev", throttle={"GET /pets": limit}),),
            throttle=ThrottleSettings(rate_limit=10.5, burst_limit=20),
            quota=QuotaSettings(limit=1000, period="MONTH", offset=5),
            keys=("partner", "old"),
        ),
        UsagePlan(id="none"),
    )


def test_a_file_may_have_keys_and_nothing_else(tmp_path: Path):
    assert findings(tmp_path, KEYS) == []


WRONG = {
    "no value": ("apiKeys:\n  a: {name: x}", "wsgw.yaml:2: error: apiKeys.a: the key 'value' is missing"),
    "a variable that is not set": (
        "apiKeys:\n  a: {value: '${NOT_SET}'}",
        "wsgw.yaml:2: error: apiKeys.a.value: the environment variable NOT_SET is not set (set NOT_SET)",
    ),
    "too short": (
        "apiKeys:\n  a:\n    value: short",
        "wsgw.yaml:3: error: apiKeys.a.value: API Key value should be at least 20 characters",
    ),
    "a period of no kind": (
        "usagePlans:\n  p:\n    quota: {limit: 1, period: YEAR}",
        "wsgw.yaml:3: error: usagePlans.p.quota.period: ",
    ),
    "an offset below 0": (
        "usagePlans:\n  p:\n    quota: {limit: 1, period: DAY, offset: -1}",
        "wsgw.yaml:3: error: usagePlans.p.quota.offset: ",
    ),
    "a quota without a limit": (
        "usagePlans:\n  p:\n    quota: {period: DAY}",
        "wsgw.yaml:3: error: usagePlans.p.quota: the key 'limit' is missing",
    ),
    "a limit that is negative": (
        "usagePlans:\n  p:\n    throttle: {rateLimit: -1, burstLimit: 1}",
        "wsgw.yaml:3: error: usagePlans.p.throttle.rateLimit: ",
    ),
    "a key that is not there": (
        "usagePlans:\n  p:\n    keys:\n      - a",
        "wsgw.yaml:4: error: usagePlans.p.keys[0]: there is no API key 'a' (add it under apiKeys)",
    ),
    "an API that is not there": (
        "usagePlans:\n  p:\n    apiStages:\n      - {apiId: x, stage: y}",
        "wsgw.yaml:4: error: usagePlans.p.apiStages[0].apiId: there is no API 'x' (APIs: there are none)",
    ),
    "a member of no kind": ("usagePlans:\n  p: {color: red}", "wsgw.yaml:2: error: usagePlans.p.color: "),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, text: str, message: str):
    (finding,) = findings(tmp_path, text)
    assert finding.startswith(message)


def test_one_key_in_two_files_is_an_error(tmp_path: Path):
    files = [tmp_path / "one.yaml", tmp_path / "two.yaml"]
    for file in files:
        file.write_text(KEYS)
    messages = [str(one) for one in read_definitions(files, ENVIRONMENT).findings]
    assert [message.split(": ", 1)[1] for message in messages] == [
        f"error: apiKeys.{key}: {files[0]} defines it too (remove one, or give it another id)"
        for key in ("partner", "old")
    ]


def test_a_csv_file_is_not_served_and_the_remedy_is_named(tmp_path: Path):
    file = tmp_path / "keys.csv"
    file.write_text("Name,Key\n")
    (finding,) = read_definitions([file], {}).findings
    assert "use wsgw import" in str(finding)
