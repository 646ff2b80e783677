"""What commands are started with here."""

from __future__ import annotations

import pytest

from tests.harness.cluster import PATIENT


@pytest.fixture(autouse=True)
def patient_with_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """No command takes Redis for away because the machine is busy."""
    option, seconds = PATIENT
    monkeypatch.setenv("WSGW_" + option.removeprefix("--").replace("-", "_").upper(), seconds)
